import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compile } from '../../src/runtime/compile/index.ts';
import { seededNormal, seededUniform } from '../../src/runtime/seeded-noise.ts';

fc.configureGlobal({ seed: 1 }); // the same examples in every run

const COUNT = 200_000;

function moments(values: ArrayLike<number>): { mean: number; variance: number; fourth: number } {
  let [sum, squares, fourths] = [0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    sum += values[i];
    squares += values[i] ** 2;
    fourths += values[i] ** 4;
  }
  const mean = sum / values.length;
  return { mean, variance: squares / values.length - mean ** 2, fourth: fourths / values.length };
}

function draw(fn: typeof seededNormal, seed: [number, number], { count = COUNT, stream = 0 } = {}): Float32Array {
  return tf.tidy(() => fn<tf.Rank.R1>([count], tf.tensor1d(seed, 'int32'), stream).dataSync()) as Float32Array;
}

for (const backend of ['tensorflow', 'cpu']) {
  describe(`seeded noise on the ${backend} backend`, () => {
    beforeAll(() => tf.setBackend(backend));
    afterAll(() => tf.setBackend('tensorflow'));

    test('is standard normal', () => {
      const { mean, variance, fourth } = moments(draw(seededNormal, [7, 1]));
      expect(Math.abs(mean)).toBeLessThan(0.02);
      expect(variance).toBeGreaterThan(0.97);
      expect(variance).toBeLessThan(1.03);
      expect(fourth).toBeGreaterThan(2.8); // 3 for a normal distribution, 1.8 for a uniform one
      expect(fourth).toBeLessThan(3.2);
    });

    test('is uniform in [0, 1)', () => {
      const values = draw(seededUniform, [7, 1]);
      const { mean, variance } = moments(values);
      expect(Math.abs(mean - 0.5)).toBeLessThan(0.01);
      expect(Math.abs(variance - 1 / 12)).toBeLessThan(0.005);
      expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    });

    test('of a stream is not that of a seed nearby', () => {
      // Seed [7, 5], stream 1 was seed [8, 5], stream 0.
      const drawn = new Set<string>();
      for (let first = 0; first < 8; first++) {
        for (let second = 4; second < 7; second++) {
          for (let stream = 0; stream < 5; stream++)
            drawn.add(draw(seededUniform, [first, second], { count: 4, stream }).join());
        }
      }
      expect(drawn.size).toBe(8 * 3 * 5);
    });

    test('of two streams is uncorrelated', () => {
      const [a, b] = [0, 1].map((stream) => draw(seededNormal, [7, 5], { stream }));
      const correlation = a.reduce((sum, value, i) => sum + value * b[i], 0) / COUNT;
      expect(Math.abs(correlation)).toBeLessThan(0.015); // 1 / sqrt(COUNT) is 0.0022
    });

    test('is a function of seed and stream, and leaves no tensor behind', () => {
      const before = tf.memory().numTensors;
      const word = fc.integer({ min: -(2 ** 30), max: 2 ** 30 });
      fc.assert(
        fc.property(word, word, fc.integer({ min: 1, max: 9 }), (first, second, stream) => {
          const base = draw(seededNormal, [first, second], { count: 64 });
          expect(draw(seededNormal, [first, second], { count: 64 })).toEqual(base);
          expect(draw(seededNormal, [first, second], { count: 64, stream })).not.toEqual(base);
          expect(draw(seededNormal, [first, second + 1], { count: 64 })).not.toEqual(base);
        }),
        { numRuns: 20 },
      );
      expect(tf.memory().numTensors).toBe(before);
    });
  });
}

test('draws in a compiled step what it draws eagerly, anew for every seed', () => {
  const definitions = {
    noise: {
      inputs: { seed: { shape: [2], dtype: 'int32' } },
      fn: ({ seed }: Record<string, tf.Tensor>) => ({
        normal: seededNormal([3, 5], seed as tf.Tensor1D),
        uniform: seededUniform([4], seed as tf.Tensor1D, 1),
      }),
    },
  } as const;
  const compiled = compile(definitions);
  const eager = compile(definitions, { eager: true });
  const values = [1, 2].map((update) => {
    const seed = Int32Array.from([99, update]);
    const drawn = compiled.steps.noise.values({ seed });
    expect(drawn).toEqual(eager.steps.noise.values({ seed }));
    return drawn;
  });
  expect(values[0].normal).not.toEqual(values[1].normal);
  compiled.dispose();
});

test('names a seed of another kind', () => {
  expect(() => seededNormal([2], tf.tensor1d([1, 2]))).toThrow('the seed of noise is float32 [2]: give int32 [2]');
});
