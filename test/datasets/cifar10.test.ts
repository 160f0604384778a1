import { createReadStream, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { decodeCifar10, loadCifar10, readCifar10Archive } from '../../src/datasets/cifar10.ts';
import { readTar } from '../../src/datasets/tar.ts';
import { cifarRecords, failure, randomBytes, tar, temporaryFolder } from './support.ts';

const folder = temporaryFolder();
const extracted = join(folder, 'cifar-10-batches-bin');
const files = [
  'data_batch_1.bin',
  'data_batch_2.bin',
  'data_batch_3.bin',
  'data_batch_4.bin',
  'data_batch_5.bin',
  'test_batch.bin',
];

test('a record becomes a label and an image with its channels last', () => {
  const record = Uint8Array.of(7, ...Array(1024).fill(10), ...Array(1024).fill(20), ...Array(1024).fill(30));
  record[1 + 5] = 11; // red of row 0, column 5
  record[1 + 1024 + 32 + 2] = 21; // green of row 1, column 2
  record[1 + 2048 + 1023] = 31; // blue of row 31, column 31
  const { images, labels } = decodeCifar10(Uint8Array.of(...record, ...record), 'x.bin', 2);
  expect([...labels]).toEqual([7, 7]);
  for (let image = 0; image < 2; image++) {
    const pixel = (row: number, column: number) => [
      ...images.subarray(((image * 32 + row) * 32 + column) * 3).subarray(0, 3),
    ];
    expect(pixel(0, 0)).toEqual([10, 20, 30]);
    expect(pixel(0, 5)).toEqual([11, 20, 30]);
    expect(pixel(1, 2)).toEqual([10, 21, 30]);
    expect(pixel(31, 31)).toEqual([10, 20, 31]);
  }
});

test('a file of another length or with a label beyond 9 is named', () => {
  const mend = 'get it again with "npm run download-data -- cifar10"';
  const bytes = cifarRecords(3, 1);
  expect(() => decodeCifar10(bytes.subarray(1), 'x.bin', 3)).toThrow(`x.bin: truncated: 9218 bytes, not 9219; ${mend}`);
  expect(() => decodeCifar10(bytes, 'x.bin', 2)).toThrow(
    `x.bin: not a batch of CIFAR-10: 9219 bytes, not 6146; ${mend}`,
  );
  bytes[3073] = 10;
  expect(() => decodeCifar10(bytes, 'x.bin', 3)).toThrow(`x.bin: record 1 has the label 10, not 0 to 9; ${mend}`);
});

describe('folders', () => {
  beforeAll(() => {
    mkdirSync(extracted);
    const block = cifarRecords(8, 2); // repeated within gzip's window, so that it compresses in no time
    files.forEach((name, i) => {
      const bytes = new Uint8Array(10_000 * 3073);
      for (let at = 0; at < bytes.length; at += block.length) bytes.set(block, at);
      bytes[1] = i; // the first red pixel says which file it is
      writeFileSync(join(extracted, name), bytes);
    });
  });

  test.each([
    ['the extracted folder', folder],
    ['the files in the folder itself', extracted],
  ])('%s', async (_, dataDir) => {
    const { train, test, source } = await loadCifar10({ dataDir });
    expect(source).toBe(extracted);
    expect([train.labels.length, test.labels.length]).toEqual([50_000, 10_000]);
    expect([train.images.length, test.images.length]).toEqual([50_000 * 3072, 10_000 * 3072]);
    expect([0, 1, 2, 3, 4].map((file) => train.images[file * 10_000 * 3072])).toEqual([0, 1, 2, 3, 4]);
    expect(test.images[0]).toBe(5);
    const first = cifarRecords(8, 2);
    expect([...train.labels.subarray(49_992)]).toEqual(Array.from({ length: 8 }, (_, i) => first[i * 3073]));
  });

  test('an archive has the same, and reading it writes nothing', async () => {
    const archive = join(folder, 'small.tar.gz');
    tar('-C', folder, '-czf', archive, 'cifar-10-batches-bin');
    const before = readdirSync(folder);
    const contents = await readCifar10Archive(archive);
    expect([...contents.keys()].sort()).toEqual(files);
    for (const name of files) expect(Buffer.compare(contents.get(name)!, readFileSync(join(extracted, name)))).toBe(0);
    expect(readdirSync(folder)).toEqual(before);
  });

  test('an archive that is cut, corrupt, incomplete or of another kind is named', async () => {
    const archive = join(folder, 'bad.tar.gz');
    const write = (bytes: Uint8Array) => writeFileSync(archive, bytes);
    const whole = readFileSync(join(folder, 'small.tar.gz'));
    write(whole.subarray(0, whole.length / 2));
    expect(await failure(readCifar10Archive(archive))).toBe(
      `${archive}: truncated: the gzip data end early; get the file again`,
    );
    const altered = Buffer.from(whole);
    altered[whole.length - 8] ^= 1; // in the checksum at gzip's end, beyond what tar reads
    write(altered);
    expect(await failure(readCifar10Archive(archive))).toContain(
      `${archive}: corrupt gzip data (incorrect data check)`,
    );
    write(gzipSync(randomBytes(2048, 3)));
    expect(await failure(readCifar10Archive(archive))).toBe(
      `${archive}: not a tar archive, or a header in it is damaged; get it again`,
    );
    write(Buffer.from('<html>'));
    expect(await failure(readCifar10Archive(archive))).toContain(
      `${archive}: corrupt gzip data (incorrect header check)`,
    );
    tar('-C', extracted, '-czf', archive, ...files.slice(1));
    expect(await failure(readCifar10Archive(archive))).toBe(
      `${archive}: has no data_batch_1.bin: give cifar-10-binary.tar.gz`,
    );
    expect(await failure(readCifar10Archive(join(folder, 'none.tar.gz')))).toContain('ENOENT');
  });

  test('an incomplete folder is named', async () => {
    truncateSync(join(extracted, 'data_batch_3.bin'), 30_000_000);
    expect(await failure(loadCifar10({ dataDir: folder }))).toContain(
      `${join(extracted, 'data_batch_3.bin')}: truncated: 30000000 bytes`,
    );
    rmSync(join(extracted, 'data_batch_1.bin'));
    expect(await failure(loadCifar10({ dataDir: folder }))).toBe(
      `${join(extracted, 'data_batch_1.bin')}: no such file`,
    );
  });
});

test('without the files, it is said what to get, from where and how', async () => {
  const dataDir = join(folder, 'empty');
  mkdirSync(dataDir);
  const message = await failure(loadCifar10({ dataDir }));
  expect(message).toBe(
    `${join(dataDir, 'cifar-10-binary.tar.gz')}: no such file, nor data_batch_1.bin: run "npm run download-data ` +
      `-- cifar10 --data-dir ${dataDir}", or put there the binary version of CIFAR-10 from ` +
      'https://www.cs.toronto.edu/~kriz/cifar.html',
  );
});

test('an archive that is not the official one is refused before it is read', async () => {
  const dataDir = join(folder, 'wrong');
  mkdirSync(dataDir);
  const archive = join(dataDir, 'cifar-10-binary.tar.gz');
  writeFileSync(archive, gzipSync(randomBytes(1000, 4)));
  expect(await failure(loadCifar10({ dataDir }))).toMatch(
    /: truncated: 1023 bytes of 170052171; delete it and get it again/,
  );
  truncateSync(archive, 170_052_171); // zeros, which take no room on the disk
  expect(await failure(loadCifar10({ dataDir }))).toMatch(
    /: not the official archive: its SHA-256 is [0-9a-f]{64}, not c4a38c50[0-9a-f]{56}; delete it/,
  );
});

describe('tar', () => {
  const source = join(folder, 'source');
  const long = 'a-name-beyond-a-hundred-bytes-'.repeat(5);
  const contents: Record<string, Uint8Array> = {
    empty: new Uint8Array(0),
    'one-block': randomBytes(512, 5),
    'one-more': randomBytes(513, 6),
    'folder/inner': randomBytes(100_000, 7),
    [`${'d'.repeat(90)}/${'f'.repeat(60)}`]: randomBytes(10, 8),
    [long]: randomBytes(20, 9),
  };
  beforeAll(() => {
    for (const [name, bytes] of Object.entries(contents)) {
      mkdirSync(join(source, name, '..'), { recursive: true });
      writeFileSync(join(source, name), bytes);
    }
  });

  test.each(['ustar', 'gnu', 'pax', 'v7'])("reads the system's tar in format %s", async (format) => {
    const archive = join(folder, `${format}.tar`);
    // The older two have less room for names.
    const fits = (name: string) =>
      name.length < 100 || format === 'gnu' || format === 'pax' || (format === 'ustar' && name !== long);
    const names = Object.keys(contents).filter(fits);
    tar('-C', source, `--format=${format}`, '-cf', archive, ...names, 'folder');
    const found = new Map<string, Uint8Array>();
    // Chunks that are no multiple of a block.
    for await (const { name, content } of readTar(createReadStream(archive, { highWaterMark: 777 })))
      found.set(name, content);
    expect(found.size).toBe(names.length);
    for (const name of names) {
      const bytes = found.get(name) ?? found.get(name.slice(0, 100)); // the rest is in an extended header
      expect(bytes && Buffer.compare(bytes, contents[name]), name).toBe(0);
    }
  });

  test('a stream that ends early or has a damaged header fails', async () => {
    const archive = readFileSync(join(folder, 'ustar.tar'));
    const readAll = async (bytes: Uint8Array) => {
      for await (const _ of readTar(new Blob([bytes as Uint8Array<ArrayBuffer>]).stream() as never));
    };
    expect(await failure(readAll(archive.subarray(0, 1000)))).toBe('the archive ends early');
    expect(await failure(readAll(archive.map((byte, i) => (i === 10 ? byte ^ 1 : byte))))).toBe(
      'not a tar archive, or a header in it is damaged',
    );
  });
});
