import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import { loadLarochelleMnist, parseAmat } from '../../src/datasets/larochelle-mnist.ts';
import { binarise, loadMnist, type Mnist } from '../../src/datasets/mnist.ts';
import { failure, temporaryFolder } from './support.ts';

const folder = temporaryFolder();
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const names = [
  'train-images-idx3-ubyte',
  'train-labels-idx1-ubyte',
  't10k-images-idx3-ubyte',
  't10k-labels-idx1-ubyte',
];
let mnist: Mnist;
beforeAll(async () => {
  mnist = await loadMnist();
});

test('the npm package has the whole database', () => {
  const { train, test } = mnist;
  expect(train.images.length).toBe(60_000 * 784);
  expect(test.images.length).toBe(10_000 * 784);
  // How often each digit occurs, and how bright the pixels are: facts about MNIST that come from elsewhere.
  const counts = (labels: Uint8Array) => {
    const found = new Array(10).fill(0);
    for (const label of labels) found[label]++;
    return found;
  };
  expect(counts(train.labels)).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
  expect(counts(test.labels)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
  expect([...train.labels.subarray(0, 8)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3]);
  let sum = 0;
  for (let i = 0; i < train.images.length; i++) sum += train.images[i];
  expect(sum / train.images.length / 255).toBeCloseTo(0.1307, 4);
});

test('a folder with the official files, compressed or not, gives the same', async () => {
  const dataDir = join(folder, 'official');
  mkdirSync(dataDir);
  names.forEach((name, i) => {
    if (i === 0) copyFileSync(join(mnist.folder, name), join(dataDir, name));
    else writeFileSync(join(dataDir, `${name}.gz`), gzipSync(readFileSync(join(mnist.folder, name)), { level: 1 }));
  });
  const loaded = await loadMnist({ dataDir });
  expect(loaded.folder).toBe(dataDir);
  expect(digest(loaded.train.images)).toBe(digest(mnist.train.images));
  expect(digest(loaded.test.images)).toBe(digest(mnist.test.images));
  expect(digest(loaded.test.labels)).toBe(digest(mnist.test.labels));

  // One pixel another: as long as before, and of the same shape, as Fashion-MNIST would be.
  const path = join(dataDir, names[0]);
  const bytes = readFileSync(path);
  bytes[1000] ^= 1;
  writeFileSync(path, bytes);
  expect(await failure(loadMnist({ dataDir }))).toMatch(
    `${path}: not MNIST's: its content has SHA-256 ${digest(bytes)}, not ba89`,
  );
  rmSync(path);
  expect(await failure(loadMnist({ dataDir }))).toMatch(`${path}.gz: no such file`);
});

test('a folder that is named must have the files, and exist', async () => {
  const dataDir = join(folder, 'empty');
  mkdirSync(dataDir);
  expect(await failure(loadMnist({ dataDir }))).toMatch(
    `${join(dataDir, names[0])}.gz: no such file, nor one without .gz`,
  );
  expect(await failure(loadMnist({ dataDir: join(folder, 'none') }))).toBe(`${join(folder, 'none')}: no such file`);
});

test('binarisation is the same on every machine', () => {
  const { images } = mnist.test;
  expect(digest(binarise(images, 1, 'test'))).toBe('d8d9f61fc2ff1f4ab28e80f44228f9d0513340d696df365ae4411bd6894efb36');
  expect(digest(binarise(images, 2, 'test'))).not.toBe(digest(binarise(images, 1, 'test')));
  expect(digest(binarise(images, 1, 'train'))).not.toBe(digest(binarise(images, 1, 'test')));
});

test('a pixel is 1 with probability pixel/255', () => {
  const count = 40_000;
  const images = new Uint8Array(5 * count).map((_, i) => [0, 1, 100, 254, 255][i % 5]);
  const bits = binarise(images, 3);
  const share = (at: number) => bits.filter((_, i) => i % 5 === at).reduce((sum, bit) => sum + bit, 0) / count;
  expect(share(0)).toBe(0);
  expect(share(4)).toBe(1);
  for (const [at, p] of [
    [1, 1 / 255],
    [2, 100 / 255],
    [3, 254 / 255],
  ]) {
    expect(Math.abs(share(at) - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / count)); // five standard deviations
  }
});

test("Larochelle's files are read in full", async () => {
  const line = (i: number) => `${Array.from({ length: 784 }, (_, pixel) => Number(pixel === i % 784)).join(' ')}\n`;
  const block = Array.from({ length: 784 }, (_, i) => line(i)).join('');
  const lines = (count: number) => block.repeat(Math.ceil(count / 784)).slice(0, count * 1568);
  for (const [set, count] of [
    ['train', 50_000],
    ['valid', 10_000],
    ['test', 10_000],
  ] as const) {
    writeFileSync(join(folder, `binarized_mnist_${set}.amat`), lines(count));
  }
  const { train, valid, test } = await loadLarochelleMnist({ dataDir: folder });
  expect([train.length, valid.length, test.length]).toEqual([50_000 * 784, 10_000 * 784, 10_000 * 784]);
  let misplaced = 0;
  for (let i = 0; i < train.length; i++) {
    if (train[i] !== Number(i % 784 === Math.floor(i / 784) % 784)) misplaced++;
  }
  expect(misplaced).toBe(0);

  const path = join(folder, 'binarized_mnist_valid.amat');
  writeFileSync(path, lines(9_999));
  expect(await failure(loadLarochelleMnist({ dataDir: folder }))).toBe(
    `${path}: has 9999 lines, not 10000; get the file again`,
  );
  rmSync(path);
  expect(await failure(loadLarochelleMnist({ dataDir: folder }))).toBe(`${path}: no such file`);
});

test("what is not Larochelle's layout is named with its line", () => {
  const zeros = (count: number) => Array(count).fill('0').join(' ');
  const parse = (text: string) => parseAmat(Buffer.from(text), 'x.amat', 2);
  expect(parse(`${zeros(784)} \r\n${zeros(783)} 1`).at(-1)).toBe(1);
  expect(() => parse(`${zeros(784)}\n${zeros(783)}\n`)).toThrow(
    'x.amat: line 2 has 783 digits, not 784; get the file again',
  );
  expect(() => parse(`${zeros(784)}\n${zeros(783)} 2\n`)).toThrow('x.amat: line 2 has "2", not only 0, 1 and spaces');
  expect(() => parse(`${zeros(784)}\n`.repeat(3))).toThrow('x.amat: has 3 lines, not 2; get the file again');
});
