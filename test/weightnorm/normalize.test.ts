import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ACTIVATION_GAINS,
  batchNormalize,
  centeredWeightNormalize,
  DEFAULT_EPSILON,
  groupNormalize,
  layerNormalize,
  meanOnlyBatchNormalize,
  scaledStandardizeWeights,
  standardizeWeights,
  unitNorms,
  weightNormalize,
} from '../../src/weightnorm/index.ts';
import { scaleOutput } from '../../src/weightnorm/normalize.ts';
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

describe.each([
  ['centeredWeightNormalize', centeredWeightNormalize],
  ['scaledStandardizeWeights', scaledStandardizeWeights],
] as const)('%s', (name, normalize) => {
  test('refuses a gain of another shape, axes that v lacks, one element a unit, integers and a bad epsilon', () => {
    tf.tidy(() => {
      const [v, g] = [tf.ones([2, 3]), tf.ones([3])];
      for (const shape of [[2, 1], [2], [], [1]])
        expect(() => normalize(v, tf.ones(shape))).toThrow(
          /has shape \[.*\], but v of shape \[2,3\] .* of shape \[3\] \(or \[1,3\]\)/,
        );
      expect(() => normalize(v, g, { unitAxis: null })).toThrow(/needs (g|gain) of shape \[\] \(or \[1,1\]\)/);
      expect(() => normalize(v, g, { unitAxis: 2 })).toThrow(/unitAxis 2 does not fit a tensor of shape \[2,3\]/);
      expect(() => normalize(v, g, { unitAxis: [1, -1] })).toThrow(/unitAxis \[1,-1\] does not fit/);
      expect(() => normalize(v, tf.ones([2, 3]), { unitAxis: [0, 1] })).toThrow(
        new RegExp(`${name}: a kernel of shape \\[2,3\\] with unitAxis \\[0,1\\] has one element a unit`),
      );
      expect(() => normalize(v.toInt(), g)).toThrow(`${name}: v has dtype int32: cast it to float32`);
      expect(() => normalize(v, g, { epsilon: 0 })).toThrow(/epsilon is 0/);
    });
  });
});

describe('centeredWeightNormalize', () => {
  test('takes one number for all units, and gives units of that length with mean 0', () => {
    tf.tidy(() => {
      const v = normal([4, 3], 1).add(2);
      const w = centeredWeightNormalize(v, Math.SQRT2);
      expectClose(w.square().sum(0), [2, 2, 2], 1e-6);
      expectClose(w.mean(0), [0, 0, 0], 1e-6);
    });
  });

  test('has the gradient of Huang et al.: (1/||u||) [dw - (w . dw) w - mean(dw)] for s = 1', () => {
    tf.tidy(() => {
      const [v, dw] = [normal([5, 3], 1), normal([5, 3], 2)];
      const [dv] = tf.grads((v) => centeredWeightNormalize(v, 1))([v], dw);
      const w = centeredWeightNormalize(v, 1);
      const norm = unitNorms(v.sub(v.mean(0)));
      expectClose(
        dv,
        dw
          .sub(w.mul(w.mul(dw).sum(0)))
          .sub(dw.mean(0))
          .div(norm),
        1e-6,
      );
    });
  });
});

describe('standardizeWeights', () => {
  test('refuses axes that v lacks, one element a unit, integers and an impossible epsilon', () => {
    tf.tidy(() => {
      const v = tf.ones([2, 3]);
      expect(() => standardizeWeights(v, { unitAxis: -3 })).toThrow(/unitAxis -3 does not fit/);
      expect(() => standardizeWeights(tf.ones([1, 3]))).toThrow(/a kernel of shape \[1,3\] .* has one element a unit/);
      expect(() => standardizeWeights(v.toInt())).toThrow(/v has dtype int32/);
      expect(() => standardizeWeights(v, { epsilon: -1 })).toThrow(/epsilon is -1/);
    });
  });
});

describe('normalizations of kernels that do not vary', () => {
  test('give w = 0 and finite gradients with the default epsilons', () => {
    tf.tidy(() => {
      const [v, g, dw] = [tf.fill([4, 2], 0.5), tf.tensor1d([1, 2]), normal([4, 2], 1)];
      const functions: ((v: tf.Tensor, g: tf.Tensor) => tf.Tensor)[] = [
        centeredWeightNormalize,
        scaledStandardizeWeights,
        (v, g) => standardizeWeights(v).mul(g),
      ];
      for (const run of functions) {
        expectClose(run(v, g), tf.zeros([4, 2]), 0);
        const gradients = tf.grads(run)([v, g], dw);
        for (const gradient of gradients) expect(tf.all(tf.isFinite(gradient)).dataSync()[0]).toBe(1);
        expectClose(gradients[1], [0, 0], 0);
      }
    });
  });
});

describe('normalizations of outputs', () => {
  test('groups that do not divide the units are refused, and an impossible epsilon', () => {
    tf.tidy(() => {
      const t = tf.ones([2, 6]);
      for (const groups of [0, 4, 1.5, -2, Number.NaN])
        expect(() => groupNormalize(t, { groups })).toThrow(
          `groups is ${groups}: give a whole number that divides the 6 units of the layer`,
        );
      for (const run of [batchNormalize, layerNormalize]) expect(() => run(t, { epsilon: 0 })).toThrow(/epsilon is 0/);
      expect(() => groupNormalize(t, { groups: 2, epsilon: 0 })).toThrow(/epsilon is 0/);
    });
  });

  test('tell their statistics, which are freed afterwards', () => {
    const t = normal([5, 3], 1);
    const before = tf.memory().numTensors;
    const heard: number[][] = [];
    const hear = (...moments: tf.Tensor[]) => {
      for (const moment of moments) heard.push(moment.arraySync() as number[]);
    };
    tf.dispose([meanOnlyBatchNormalize(t, hear), batchNormalize(t, {}, hear)]);
    expect(tf.memory().numTensors).toBe(before);
    tf.tidy(() => {
      const { mean, variance } = tf.moments(t, 0);
      expect(heard.length).toBe(3);
      for (const [i, moment] of [mean, mean, variance].entries()) expectClose(moment, heard[i], 1e-6);
    });
    t.dispose();
  });
});

describe('ACTIVATION_GAINS', () => {
  // The names that tfjs has for them.
  const names: Record<string, string> = { silu: 'swish' };
  test.each(Object.entries(ACTIVATION_GAINS))(
    '%s: %f is 1 / std of the activation of N(0, 1), to 1 %%',
    (name, gain) => {
      tf.tidy(() => {
        // The sum over a fine grid; the rest of the density beyond 8 is 1e-15.
        const z = tf.linspace(-8, 8, 4001);
        const layer = tf.layers.activation({ activation: (names[name] ?? name) as 'relu' });
        const y = Array.from((layer.apply(z) as tf.Tensor).dataSync());
        const density = Array.from(z.square().div(-2).exp().dataSync());
        const total = density.reduce((sum, p) => sum + p);
        const mean = (f: (y: number) => number) => y.reduce((sum, value, i) => sum + f(value) * density[i], 0) / total;
        const average = mean((value) => value);
        const std = Math.sqrt(mean((value) => (value - average) ** 2));
        expect(Math.abs(gain * std - 1)).toBeLessThan(0.01);
      });
    },
  );
});

describe('gradients of gradients', () => {
  test('of weightNormalize are right: v = (3, 4), g = 5', () => {
    tf.tidy(() => {
      const g = tf.tensor1d([5]);
      // d/dv of the sum over dw_0/dv. dw_0/dv = (16, -12)/25 at ||v|| = 5, by hand.
      const sumOfRow = (v: tf.Tensor) => tf.sum(tf.grad((x) => weightNormalize(x, g).slice([0, 0], [1, 1]).sum())(v));
      const v = tf.tensor2d([[3], [4]]);
      expectClose(sumOfRow(v), (16 - 12) / 25, 1e-6);
      expectClose(tf.grad(sumOfRow)(v), [[-0.2176], [0.1232]], 1e-6);
    });
  });

  const sumOver = (t: tf.Tensor) => tf.sum(t, [0, 1]);
  const centred = (v: tf.Tensor) => v.sub(v.mean([0, 1], true));
  /** Ours, and the same formula in ops whose derivatives are those of tfjs. */
  const PAIRS: [string, (v: tf.Tensor, g: tf.Tensor) => tf.Tensor, (v: tf.Tensor, g: tf.Tensor) => tf.Tensor][] = [
    [
      'weightNormalize',
      (v, g) => weightNormalize(v, g, { epsilon: 0.1 }),
      (v, g) => v.mul(g).div(sumOver(v.square()).add(0.1).sqrt()),
    ],
    [
      'centeredWeightNormalize',
      (v, g) => centeredWeightNormalize(v, g, { epsilon: 0.1 }),
      (v, g) =>
        centred(v)
          .mul(g)
          .div(sumOver(centred(v).square()).add(0.1).sqrt()),
    ],
    [
      'standardizeWeights',
      (v, g) => standardizeWeights(v, { epsilon: 0.1 }).mul(g),
      (v, g) =>
        centred(v)
          .mul(g)
          .div(centred(v).square().mean([0, 1], true).sqrt().add(0.1)),
    ],
    [
      'scaleOutput',
      (v, g) => scaleOutput(tf.dot(x, v.reshape([6, 4])), v.reshape([6, 4]), g, 0.1),
      (v, g) => tf.dot(x, v.mul(g).div(sumOver(v.square()).add(0.1).sqrt()).reshape([6, 4])),
    ],
  ];
  const x = normal([5, 6], 9);

  test.each(PAIRS)('of %s are those of its formula, in v, g and both', (_, ours, formula) => {
    tf.tidy(() => {
      const [v, g] = [normal([3, 2, 4], 1), normal([4], 2)];
      /** The second derivatives of a loss that is not linear in w, along fixed directions. */
      const second = (f: typeof ours) => {
        const loss = (v: tf.Tensor, g: tf.Tensor) => f(v, g).square().mul(f(v, g).sin()).sum();
        const along = (v: tf.Tensor, g: tf.Tensor) => {
          const [dv, dg] = tf.grads(loss)([v, g]);
          return dv
            .mul(normal([3, 2, 4], 3))
            .sum()
            .add(dg.mul(normal([4], 4)).sum());
        };
        return [...tf.grads(loss)([v, g]), ...tf.grads(along)([v, g])];
      };
      const expected = second(formula);
      for (const [i, derivative] of second(ours).entries()) expectClose(derivative, expected[i], 2e-5);
    });
  });
});
