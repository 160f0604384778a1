import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_EPSILON, weightNormalize } from '../../src/weightnorm/index.ts';
import { expectClose, normal, tensorOf, unitAxisOf, vectors } from './support.ts';

/** w, dL/dv and dL/dg. */
function run(v: tf.Tensor, g: tf.Tensor, dw: tf.Tensor, options: Parameters<typeof weightNormalize>[2]) {
  const [dv, dg] = tf.grads((v, g) => weightNormalize(v, g, options))([v, g], dw);
  return { w: weightNormalize(v, g, options), dv, dg };
}

describe('weightNormalize', () => {
  test.each(vectors)('gives the worked values of $name', (vector) => {
    tf.tidy(() => {
      const options = { unitAxis: unitAxisOf(vector) };
      const { w, dv, dg } = run(tensorOf(vector.v), tensorOf(vector.g), tensorOf(vector.dL_dw), options);
      expectClose(w, vector.w, 1e-6);
      expectClose(dg, vector.dL_dg, 1e-6);
      expectClose(dv, vector.dL_dv, 1e-6);
    });
  });

  test('takes g as [units] too, and gives its gradient in that shape', () => {
    tf.tidy(() => {
      const vector = vectors.find(({ name }) => name === 'conv_HWIO')!;
      const flat = (nested: (typeof vector)['g']) => tensorOf(nested).flatten();
      const { w, dg } = run(tensorOf(vector.v), flat(vector.g), tensorOf(vector.dL_dw), {});
      expectClose(w, vector.w, 1e-6);
      expect(dg.shape).toEqual([3]);
      expectClose(dg, flat(vector.dL_dg), 1e-6);
    });
  });

  test('counts a negative unit axis from the end', () => {
    tf.tidy(() => {
      const v = normal([2, 3, 4], 1);
      const g = normal([3], 2);
      expectClose(weightNormalize(v, g, { unitAxis: -2 }), weightNormalize(v, g, { unitAxis: 1 }), 0);
    });
  });

  test('normalises each pair of units when there are two unit axes, as a depthwise kernel needs', () => {
    tf.tidy(() => {
      const v = normal([3, 3, 2, 4], 1); // [height, width, in, multiplier]
      const w = weightNormalize(v, tf.ones([2, 4]), { unitAxis: [2, 3] });
      expectClose(w.square().sum([0, 1]), tf.ones([2, 4]), 1e-6);
    });
  });

  test('with unitAxis null the whole tensor has one length', () => {
    tf.tidy(() => {
      const w = weightNormalize(normal([4, 5], 1), tf.scalar(3), { unitAxis: null });
      expectClose(w.square().sum(), 9, 1e-6);
    });
  });

  test('refuses a g of another shape and says which shape it expects', () => {
    tf.tidy(() => {
      const v = tf.ones([2, 3]);
      const refuse = (g: tf.Tensor, unitAxis: number | null) => () => weightNormalize(v, g, { unitAxis });
      // Each of these would broadcast.
      expect(refuse(tf.ones([2, 1]), 1)).toThrow(/g has shape \[2,1\].*needs g of shape \[3\] \(or \[1,3\]\)/);
      expect(refuse(tf.ones([3]), 0)).toThrow(/needs g of shape \[2\] \(or \[2,1\]\)/);
      expect(refuse(tf.scalar(1), 1)).toThrow(/needs g of shape \[3\]/);
      expect(refuse(tf.ones([3]), null)).toThrow(/needs g of shape \[\] \(or \[1,1\]\)/);
    });
  });

  test('refuses an axis that v lacks, a repeated axis, integers, and an epsilon that is not positive', () => {
    tf.tidy(() => {
      const v = tf.ones([2, 3]);
      const g = tf.ones([3]);
      expect(() => weightNormalize(v, g, { unitAxis: 2 })).toThrow(/unitAxis 2 does not fit a tensor of shape \[2,3\]/);
      expect(() => weightNormalize(v, g, { unitAxis: [1, -1] })).toThrow(/unitAxis \[1,-1\] does not fit/);
      expect(() => weightNormalize(v, g, { unitAxis: 0.5 })).toThrow(/unitAxis 0.5 does not fit/);
      expect(() => weightNormalize(v.toInt(), g)).toThrow(/v has dtype int32/);
      // 1e-50 is zero in float32.
      for (const epsilon of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-50]) {
        expect(() => weightNormalize(v, g, { epsilon })).toThrow(/epsilon is/);
      }
    });
  });

  test('at v = 0, w and dL/dg are 0 and dL/dv is g/sqrt(epsilon) dL/dw', () => {
    tf.tidy(() => {
      const dw = tf.tensor2d([[0.5], [-2]]);
      const { w, dv, dg } = run(tf.zeros([2, 1]), tf.tensor1d([3]), dw, {});
      expect(Array.from(w.dataSync())).toEqual([0, 0]);
      expect(Array.from(dg.dataSync())).toEqual([0]);
      expectClose(dv, [[0.5 * 3e6], [-2 * 3e6]], 1e-6);
      expect(1 / Math.sqrt(DEFAULT_EPSILON)).toBe(1e6);
      const larger = run(tf.zeros([2, 1]), tf.tensor1d([3]), dw, { epsilon: 1e-4 });
      expectClose(larger.dv, [[0.5 * 300], [-2 * 300]], 1e-6);
    });
  });

  test('the default epsilon does not move w by more than float32 rounding from a norm of 0.003 up', () => {
    tf.tidy(() => {
      const v = tf.tensor2d([[0.003]]);
      expect(Math.abs(weightNormalize(v, tf.ones([1])).dataSync()[0] - 1)).toBeLessThanOrEqual(2 ** -23);
    });
  });

  test('keeps no tensor', () => {
    const [v, g, dw] = [normal([4, 3], 1), normal([3], 2), normal([4, 3], 3)];
    const before = tf.memory().numTensors;
    tf.dispose(weightNormalize(v, g));
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose(tf.grads((v, g) => weightNormalize(v, g))([v, g], dw));
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose([v, g, dw]);
  });
});

/** A kernel of 1 to 4 axes, its unit axis and a seed. */
const kernels = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }).chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    unitAxis: fc.nat(shape.length - 1),
    seed: fc.integer({ min: 1, max: 1e6 }),
  }),
);

describe('invariants of weightNormalize over random shapes', () => {
  const check = (property: (k: { shape: number[]; unitAxis: number; seed: number }) => void) =>
    fc.assert(
      fc.property(kernels, (kernel) => void tf.tidy(() => property(kernel))),
      { numRuns: 40, seed: 20260101 },
    );
  const reduced = (shape: number[], unitAxis: number) => shape.map((_, i) => i).filter((i) => i !== unitAxis);
  const inputs = (shape: number[], unitAxis: number, seed: number) => {
    // Away from 0, where the direction is not defined.
    const v = normal(shape, seed).add(tf.sign(normal(shape, seed)).mul(0.1));
    return { v, g: normal([shape[unitAxis]], seed + 1), dw: normal(shape, seed + 2) };
  };

  test('every unit of w has length |g|', () => {
    check(({ shape, unitAxis, seed }) => {
      const { v, g } = inputs(shape, unitAxis, seed);
      const w = weightNormalize(v, g, { unitAxis });
      expectClose(w.square().sum(reduced(shape, unitAxis)).sqrt(), g.abs(), 1e-6);
    });
  });

  test('dL/dv is orthogonal to v', () => {
    check(({ shape, unitAxis, seed }) => {
      const { v, g, dw } = inputs(shape, unitAxis, seed);
      const { dv } = run(v, g, dw, { unitAxis });
      const along = dv.mul(v).sum(reduced(shape, unitAxis)).abs();
      // Against the size of the terms that cancel: g dL/dw.
      const scale = dw.mul(v).abs().sum().mul(g.abs().max()).add(1);
      expect(along.max().div(scale).dataSync()[0]).toBeLessThan(1e-5);
    });
  });

  test('w does not depend on the length of v, and dL/dv shrinks with it', () => {
    check(({ shape, unitAxis, seed }) => {
      const { v, g, dw } = inputs(shape, unitAxis, seed);
      const [short, long] = [run(v, g, dw, { unitAxis }), run(v.mul(8), g, dw, { unitAxis })];
      expectClose(long.w, short.w, 1e-6);
      expectClose(long.dv.mul(8), short.dv, 1e-5);
      expectClose(long.dg, short.dg, 1e-5);
    });
  });

  test('under plain SGD the squared norm grows by the squared step, so v never shrinks', () => {
    check(({ shape, unitAxis, seed }) => {
      const { v, g, dw } = inputs(shape, unitAxis, seed);
      const { dv } = run(v, g, dw, { unitAxis });
      const step = dv.mul(-0.3);
      const squared = (x: tf.Tensor) => x.square().sum(reduced(shape, unitAxis));
      const after = squared(v.add(step));
      expectClose(after, squared(v).add(squared(step)), 1e-5);
      expect(after.div(squared(v)).min().dataSync()[0]).toBeGreaterThan(1 - 1e-5);
    });
  });

  test('g = ||v|| gives v back', () => {
    check(({ shape, unitAxis, seed }) => {
      const { v } = inputs(shape, unitAxis, seed);
      const g = v.square().sum(reduced(shape, unitAxis)).sqrt();
      expectClose(weightNormalize(v, g, { unitAxis }), v, 1e-6);
    });
  });
});
