import '../node-backend.ts';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { findPython } from 'gymnasium-js-bridge';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadCifar10 } from '../../src/datasets/cifar10.ts';
import {
  leadingBits,
  loadZca,
  WHITENING_TOLERANCE,
  whiteningError,
  ZCA_REGULARIZATION,
  Zca,
} from '../../src/datasets/zca.ts';
import { fitZca } from '../../src/datasets/zca-fit.ts';
import { failure, randomBytes, temporaryFolder } from './support.ts';

const folder = temporaryFolder();

/** Images of 8 x 8 x 3 whose neighbours are alike, as in photographs: each pixel is the mean of four random ones. */
const size = 192;
const count = 600;
const noise = randomBytes(count * size + 12, 1);
const images = Uint8Array.from(
  { length: count * size },
  (_, i) => (noise[i] + noise[i + 3] + noise[i + 6] + noise[i + 9]) / 4,
);

interface Oracle {
  white: number[];
  identity_error: number;
  expected_error: number;
}
function oracle(bytes: Uint8Array): Oracle {
  const path = join(folder, 'oracle-images');
  writeFileSync(path, bytes);
  const script = join(import.meta.dirname, 'zca_oracle.py');
  const output = execFileSync(findPython(), [script, path, String(size), String(ZCA_REGULARIZATION)], {
    maxBuffer: 2 ** 26,
  });
  return JSON.parse(output.toString());
}

function whitened(zca: Zca, dtype: 'int32' | 'float32' = 'int32'): Float32Array {
  return tf.tidy(() => {
    const y = zca.whiten(tf.tensor4d(Array.from(images), [count, 8, 8, 3], dtype));
    expect(y.shape).toEqual([count, 8, 8, 3]);
    return y.dataSync() as Float32Array;
  });
}

let zca: Zca;
let expected: Oracle;
const cacheDir = join(folder, 'cache');
const lines: string[] = [];
beforeAll(async () => {
  zca = await loadZca({ images, size, cacheDir, onProgress: (line) => lines.push(line) });
  expected = oracle(images);
});

test("agrees with the authors' code in float64, of integers and floats, and leaves no tensors", () => {
  const before = tf.memory().numTensors;
  for (const dtype of ['int32', 'float32'] as const) {
    const actual = whitened(zca, dtype);
    const worst = Math.max(...actual.map((value, i) => Math.abs(value - expected.white[i])));
    expect(worst).toBeLessThan(2e-4);
  }
  expect(tf.memory().numTensors).toBe(before);
});

test('the whitened images have covariance I', () => {
  const before = tf.memory().numTensors;
  expect(whiteningError(zca, images)).toBeLessThan(1e-4);
  // The same without the matrix, in float64: C is I, less what the regularization takes from the smallest variances.
  const white = whitened(zca);
  let worst = 0;
  for (let a = 0; a < size; a++) {
    for (let b = 0; b <= a; b++) {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += white[i * size + a] * white[i * size + b];
      worst = Math.max(worst, Math.abs(sum / count - (a === b ? 1 : 0)));
    }
  }
  expect(worst).toBeLessThan(expected.expected_error + 1e-4);
  expect(Math.abs(worst - expected.identity_error)).toBeLessThan(1e-4);
  expect(tf.memory().numTensors).toBe(before);
});

test('another set than the fitted one, or a matrix that is off, is noticed', async () => {
  const other = images.map((pixel) => pixel / 2);
  expect(whiteningError(zca, other)).toBeGreaterThan(100 * WHITENING_TOLERANCE);
  const fit = await fitZca(images, size, ZCA_REGULARIZATION);
  const off = new Zca({ mean: fit.mean, matrix: fit.matrix.map((value) => value * 1.005) });
  expect(whiteningError(off, images)).toBeGreaterThan(WHITENING_TOLERANCE);
  off.dispose();
});

test('factors cut to 11 bits, as GPUs may, lose little once they are split', () => {
  const cut = (values: Float32Array) =>
    new Float32Array(new Uint32Array(values.slice().buffer).map((word) => word & 0xffff_e000).buffer);
  const whole = zca.matrix();
  const matrix = whole.dataSync() as Float32Array;
  whole.dispose();
  const [coarse, fine] = leadingBits(matrix);
  const [cutCoarse, cutFine] = [cut(coarse), cut(fine)];
  const worstShare = (kept: (i: number) => number) =>
    matrix.reduce((worst, value, i) => Math.max(worst, Math.abs(kept(i) / value - 1)), 0);
  expect(worstShare((i) => coarse[i] + fine[i])).toBe(0);
  expect(worstShare((i) => cutCoarse[i] + cutFine[i])).toBeLessThan(2 ** -16);
  expect(worstShare((i) => cut(matrix.subarray(i, i + 1))[0])).toBeGreaterThan(2 ** -11);
});

describe('the cache', () => {
  const path = () => join(cacheDir, readdirSync(cacheDir)[0]);

  test('is used: no fitting, the same numbers', async () => {
    expect(lines).toEqual([
      'fitting ZCA whitening to 600 images, once',
      'checking the covariance of the whitened images',
    ]);
    const before = tf.memory().numTensors;
    const again = await loadZca({
      images,
      size,
      cacheDir,
      onProgress: (line) => {
        throw new Error(line);
      },
    });
    expect(whitened(again)).toEqual(whitened(zca));
    again.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('of other images is another file', async () => {
    const other = images.slice();
    other[0] ^= 1;
    const second = await loadZca({ images: other, size, cacheDir });
    second.dispose();
    expect(readdirSync(cacheDir).length).toBe(2);
  });

  test('that was cut or altered is named, with the mend', async () => {
    const bytes = readFileSync(path());
    const load = () => failure(loadZca({ images, size, cacheDir }).then((first) => first.dispose()));
    const damage = readdirSync(cacheDir).map((name) => join(cacheDir, name));
    const originals = damage.map((name) => readFileSync(name));
    const end = '; delete it, and it is fitted again';
    for (const name of damage) truncateSync(name, statSync(name).size - 4);
    const truncated = await load();
    expect(truncated.startsWith(`${cacheDir}/zca-`)).toBe(true);
    expect(truncated).toMatch(new RegExp(`/zca-[0-9a-f]{16}\\.safetensors: truncated: .*${end}$`));
    damage.forEach((name, i) => {
      const altered = Buffer.from(originals[i]);
      altered[bytes.length - 1] ^= 0x40;
      writeFileSync(name, altered);
    });
    expect(await load()).toMatch(new RegExp(`: its numbers have changed${end}$`));
    damage.forEach((name, i) => {
      writeFileSync(name, originals[1 - i]);
    });
    expect(await load()).toMatch(new RegExp(`: not these images' whitening${end}$`));
  });
});

test('what cannot be fitted is said in one line', async () => {
  const before = tf.memory().numTensors;
  expect(await failure(loadZca({ images, size: 191, cacheDir }))).toBe(
    'size is 191 and there are 115200 elements: give whole images',
  );
  const saved = process.env.GYMNASIUM_PYTHON;
  const notPython = join(folder, 'no-python');
  try {
    process.env.GYMNASIUM_PYTHON = notPython;
    expect(await failure(fitZca(images, size, 1e-5))).toBe(`cannot start ${notPython}: run "npm run setup"`);
    process.env.GYMNASIUM_PYTHON = '/bin/false';
    expect(await failure(fitZca(images, size, 1e-5))).toBe('fitting ZCA with /bin/false failed (exit code 1)');
  } finally {
    if (saved === undefined) delete process.env.GYMNASIUM_PYTHON;
    else process.env.GYMNASIUM_PYTHON = saved;
  }
  expect(tf.memory().numTensors).toBe(before);
});

// A folder with CIFAR-10: fits anew and checks all 50,000 images, a minute or some.
const { WEIGHTNORM_CIFAR10 } = process.env;
test('CIFAR-10 as a whole has covariance I once whitened', async (ctx) => {
  if (!WEIGHTNORM_CIFAR10) return ctx.skip('needs CIFAR-10, and a minute: WEIGHTNORM_CIFAR10=FOLDER npm test');
  const { train } = await loadCifar10({ dataDir: WEIGHTNORM_CIFAR10 });
  const fullCache = join(folder, 'full');
  mkdirSync(fullCache);
  const full = await loadZca({ images: train.images, size: 3072, cacheDir: fullCache });
  expect(whiteningError(full, train.images)).toBeLessThan(WHITENING_TOLERANCE);
  full.dispose();
}, 900_000);
