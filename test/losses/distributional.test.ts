import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  categoricalCrossEntropy,
  expectedValues,
  projectDistribution,
  quantileHuberLoss,
  quantileMidpoints,
  supportAtoms,
} from '../../src/losses/index.ts';
import { expectClose } from '../weightnorm/support.ts';

const weights = fc.integer({ min: 0, max: 1000 });
const supports = fc
  .record({ vMin: fc.integer({ min: -1000, max: 1000 }), width: fc.integer({ min: 1, max: 1000 }) })
  .chain(({ vMin, width }) =>
    fc.record({
      support: fc.integer({ min: 2, max: 101 }).map((atoms) => ({ vMin, vMax: vMin + width, atoms })),
      discount: fc.constantFrom(0, 0.5, 0.99, 1),
      /** Where the least possible return goes, in widths from vMin. */
      shift: fc.double({ min: -2, max: 2, noNaN: true }),
    }),
  )
  .chain((settings) =>
    fc
      .array(weights, { minLength: settings.support.atoms, maxLength: settings.support.atoms })
      .filter((values) => values.some((value) => value > 0))
      .map((values) => {
        const sum = values.reduce((total, value) => total + value, 0);
        return { ...settings, distribution: values.map((value) => value / sum) };
      }),
  );

const sumOf = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0);

describe('the categorical projection', () => {
  test('keeps the total probability, and gives no negative one', () => {
    fc.assert(
      fc.property(supports, ({ support, discount, shift, distribution }) =>
        tf.tidy(() => {
          const r = support.vMin * (1 - discount) + shift * (support.vMax - support.vMin);
          const projected = projectDistribution(
            tf.tensor2d([distribution]),
            tf.tensor1d([r]),
            tf.tensor1d([discount]),
            support,
          ).dataSync();
          expect(projected).toHaveLength(support.atoms);
          expect(Math.min(...projected)).toBeGreaterThanOrEqual(0);
          expect(Math.abs(sumOf(projected) - 1)).toBeLessThan(1e-5);
        }),
      ),
    );
  });

  test('keeps the mean where nothing is clipped', () => {
    fc.assert(
      fc.property(supports, fc.double({ min: 0, max: 1, noNaN: true }), ({ support, discount, distribution }, place) =>
        tf.tidy(() => {
          const { vMin, vMax, atoms } = support;
          const width = vMax - vMin;
          // The shifted support, of discount x width, lies at any place inside of the support.
          const r = vMin * (1 - discount) + place * (1 - discount) * width;
          const mean = sumOf(distribution.map((p, i) => p * (vMin + (i * width) / (atoms - 1))));
          const projected = projectDistribution(
            tf.tensor2d([distribution]),
            tf.tensor1d([r]),
            tf.tensor1d([discount]),
            support,
          );
          // In float64: the mean of a narrow support far from 0 is a difference of large numbers.
          const after = sumOf(Array.from(projected.dataSync(), (p, i) => p * ((i * width) / (atoms - 1)))) + vMin;
          expect(Math.abs(after - (r + discount * mean))).toBeLessThan(1e-4 * width + 1e-5 * Math.abs(vMin));
        }),
      ),
    );
  });

  test('an atom that falls on an atom keeps its probability there, at both ends too', () => {
    tf.tidy(() => {
      const support = { vMin: -2, vMax: 2, atoms: 5 };
      const p = [0.1, 0.2, 0.3, 0.25, 0.15];
      const projected = projectDistribution(
        tf.tensor2d([p, p, p, p, p]),
        tf.tensor1d([0, 1, -1, 2, 100]),
        tf.tensor1d([1, 1, 1, 0, 1]),
        support,
      );
      expectClose(
        projected,
        [p, [0, 0.1, 0.2, 0.3, 0.4], [0.3, 0.3, 0.25, 0.15, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1]],
        1e-6,
      );
    });
  });
});

test('the expected value of a certain return is that return', () => {
  tf.tidy(() => {
    const support = { vMin: -10, vMax: 10, atoms: 51 };
    const certain = tf.eye(51).mul<tf.Tensor2D>(1000).expandDims<tf.Tensor3D>(0);
    expectClose(expectedValues(certain, support), supportAtoms(support).expandDims(0), 1e-6);
  });
});

test('the cross-entropy is least, and its gradient 0, where the prediction is the target', () => {
  const logits = fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: 7, maxLength: 7 });
  fc.assert(
    fc.property(logits, logits, (predicted, wanted) =>
      tf.tidy(() => {
        const targets = tf.softmax(tf.tensor2d([wanted]));
        const lossOf = (x: tf.Tensor) => categoricalCrossEntropy(x as tf.Tensor2D, targets);
        const [entropy, loss] = [wanted, predicted].map((x) => lossOf(tf.tensor2d([x])).dataSync()[0]);
        expect(loss).toBeGreaterThan(entropy - 1e-4);
        expectClose(tf.grad((x) => lossOf(x).sum())(tf.tensor2d([wanted])), tf.zeros([1, 7]), 1e-5);
      }),
    ),
  );
});

const values = (count: number) =>
  fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: count, maxLength: count });
const kappas = fc.constantFrom(0, 0.25, 1, 3);

describe('the quantile Huber loss', () => {
  test('is 0 where all estimates and targets are one value, and never negative', () => {
    fc.assert(
      fc.property(values(1), values(4), values(3), kappas, ([value], estimates, targets, kappa) =>
        tf.tidy(() => {
          const taus = quantileMidpoints(4);
          const certain = quantileHuberLoss(tf.fill([2, 4], value), taus, tf.fill([2, 3], value), kappa);
          expect(Array.from(certain.dataSync(), Math.abs)).toEqual([0, 0]);
          const loss = quantileHuberLoss(tf.tensor2d([estimates]), taus, tf.tensor2d([targets]), kappa);
          expect(loss.dataSync()[0]).toBeGreaterThanOrEqual(0);
        }),
      ),
    );
  });

  test('pulls an estimate up with tau where targets lie above, and down with 1 - tau where they lie below', () => {
    fc.assert(
      fc.property(values(1), fc.double({ min: 0.01, max: 0.99, noNaN: true }), kappas, ([estimate], tau, kappa) =>
        tf.tidy(() => {
          const gradientAt = (error: number) =>
            tf
              .grad((x) =>
                quantileHuberLoss(x as tf.Tensor2D, tf.tensor1d([tau]), tf.tensor2d([[estimate + error]]), kappa).sum(),
              )(tf.tensor2d([[estimate]]))
              .dataSync()[0];
          // Beyond kappa.
          expect(gradientAt(4)).toBeCloseTo(-tau, 4);
          expect(gradientAt(-4)).toBeCloseTo(1 - tau, 4);
        }),
      ),
    );
  });

  test('descending it with kappa 0 finds the quantiles of a sample', () => {
    tf.tidy(() => {
      const sample = tf.tensor2d([Array.from({ length: 100 }, (_, i) => ((i * 37) % 100) / 100)]);
      const taus = tf.tensor1d([0.105, 0.505, 0.905]);
      let estimates: tf.Tensor = tf.zeros([1, 3]);
      const gradient = tf.grad((x) => quantileHuberLoss(x as tf.Tensor2D, taus, sample, 0).sum());
      for (let i = 0; i < 200; i++) estimates = estimates.sub(gradient(estimates).mul(0.1));
      expectClose(estimates, [[0.1, 0.5, 0.9]], 0.03);
    });
  });
});
