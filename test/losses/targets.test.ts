import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  distributionsOf,
  greedyActions,
  huber,
  lambdaReturns,
  munchausenTargets,
  qLearningTargets,
  REGRESSION_LOSSES,
  regressionLoss,
  scaledLogPolicy,
  softValues,
  valuesOf,
} from '../../src/losses/index.ts';
import { expectClose } from '../weightnorm/support.ts';

/** Exact in float32, and often equal. */
const finite = fc.integer({ min: -8000, max: 8000 }).map((n) => n / 8);
const batches = fc
  .record({ batch: fc.integer({ min: 1, max: 4 }), actions: fc.integer({ min: 2, max: 5 }) })
  .chain(({ batch, actions }) => {
    const row = fc.array(finite, { minLength: actions, maxLength: actions });
    return fc.array(row, { minLength: batch, maxLength: batch });
  });

describe('action values', () => {
  test('the value of the greedy action is the largest', () => {
    fc.assert(
      fc.property(batches, (rows) =>
        tf.tidy(() => {
          const q = tf.tensor2d(rows);
          const actions = greedyActions(q);
          expect(actions.dtype).toBe('int32');
          expect(Array.from(valuesOf(q, actions).dataSync())).toEqual(rows.map((row) => Math.max(...row)));
        }),
      ),
    );
  });

  test('of one action alone are its values, with their gradient: tf.oneHot takes no single class', () => {
    tf.tidy(() => {
      const [q, actions] = [tf.tensor2d([[3], [-2]]), tf.tensor1d([0, 0], 'int32')];
      expect(Array.from(valuesOf(q, actions).dataSync())).toEqual([3, -2]);
      const gradient = tf.grad((values) =>
        valuesOf(values as tf.Tensor2D, actions)
          .square()
          .sum(),
      )(q);
      expect(gradient.arraySync()).toEqual([[6], [-4]]);
      const logits = tf.tensor3d([[[1, 2]], [[3, 4]]]);
      expect(distributionsOf(logits, actions).arraySync()).toEqual([
        [1, 2],
        [3, 4],
      ]);
      const [returns, discounts] = [tf.tensor1d([1, 1]), tf.tensor1d([0.5, 0])];
      const options = { alpha: 0.9, temperature: 0.03, clipMin: -1 };
      // A policy of one action: its log is 0.
      const targets = munchausenTargets(returns, discounts, q, q, actions, options);
      expect(Array.from(targets.dataSync())).toEqual([2.5, 1]);
      expect(Array.from(qLearningTargets(returns, discounts, q, q).dataSync())).toEqual([2.5, 1]);
    });
  });

  test('of equal values the first one is greedy', () => {
    tf.tidy(() => {
      const actions = greedyActions(
        tf.tensor2d([
          [1, 3, 3],
          [2, 2, 2],
        ]),
      );
      expect(Array.from(actions.dataSync())).toEqual([1, 0]);
    });
  });

  test('double Q-learning whose networks are equal is Q-learning, and never targets more', () => {
    fc.assert(
      fc.property(batches, (rows) =>
        tf.tidy(() => {
          const q = tf.tensor2d(rows);
          const [returns, discounts] = [tf.ones([rows.length]), tf.fill([rows.length], 0.5)] as tf.Tensor1D[];
          const targets = qLearningTargets(returns, discounts, q).dataSync();
          expect(qLearningTargets(returns, discounts, q, q).dataSync()).toEqual(targets);
          const others = qLearningTargets(returns, discounts, q, q.neg()).dataSync();
          others.forEach((target, i) => {
            expect(target).toBeLessThanOrEqual(targets[i]);
          });
        }),
      ),
    );
  });
});

describe('losses of errors', () => {
  test("Huber's loss is that of the squares up to the threshold and straight beyond; its gradient is clipped", () => {
    tf.tidy(() => {
      const errors = tf.tensor1d([-3, -1, -0.5, 0, 0.5, 1, 3]);
      expectClose(huber(errors), [2.5, 0.5, 0.125, 0, 0.125, 0.5, 2.5], 1e-6);
      expectClose(tf.grad((x) => huber(x).sum())(errors), [-1, -1, -0.5, 0, 0.5, 1, 1], 1e-6);
      expectClose(huber(errors, 2), [4, 0.5, 0.125, 0, 0.125, 0.5, 4], 1e-6);
      expectClose(tf.grad((x) => huber(x, 2).sum())(errors), [-2, -1, -0.5, 0, 0.5, 1, 2], 1e-6);
    });
  });

  test('every name has its loss', () => {
    tf.tidy(() => {
      const losses = REGRESSION_LOSSES.map((name) =>
        Array.from(regressionLoss(name, tf.tensor1d([-3, 0.5])).dataSync()),
      );
      expect(losses).toEqual([
        [2.5, 0.125],
        [9, 0.25],
      ]);
    });
  });
});

describe('Munchausen targets', () => {
  test('the policy is one, and soft values lie between the largest value and that plus tau log(actions)', () => {
    fc.assert(
      fc.property(batches, fc.constantFrom(0.01, 0.03, 1, 100), (rows, temperature) =>
        tf.tidy(() => {
          const q = tf.tensor2d(rows);
          const policy = scaledLogPolicy(q, temperature);
          expect(Math.max(...policy.dataSync())).toBeLessThan(1e-3);
          expectClose(policy.div(temperature).exp().sum(1), tf.ones([rows.length]), 1e-4);
          softValues(q, temperature)
            .dataSync()
            .forEach((value, i) => {
              const largest = Math.max(...rows[i]);
              expect(value).toBeGreaterThan(largest - 1e-3);
              expect(value).toBeLessThan(largest + temperature * Math.log(rows[i].length) + 1e-3);
            });
        }),
      ),
    );
  });

  test('without the bonus and near temperature 0 they are those of Q-learning', () => {
    fc.assert(
      fc.property(batches, (rows) =>
        tf.tidy(() => {
          const q = tf.tensor2d(rows);
          const [returns, discounts] = [tf.ones([rows.length]), tf.fill([rows.length], 0.5)] as tf.Tensor1D[];
          const options = { alpha: 0, temperature: 1e-6, clipMin: -1 };
          const targets = munchausenTargets(returns, discounts, q, q, greedyActions(q), options);
          expectClose(targets, qLearningTargets(returns, discounts, q), 1e-5);
        }),
      ),
    );
  });

  test('the bonus is clipped', () => {
    tf.tidy(() => {
      const [q, zeros] = [tf.tensor2d([[0, 1000]]), tf.zeros([1, 2]) as tf.Tensor2D];
      const options = { alpha: 0.5, temperature: 0.03, clipMin: -1 };
      const target = (action: number) =>
        munchausenTargets(tf.tensor1d([2]), tf.tensor1d([0]), zeros, q, tf.tensor1d([action], 'int32'), options);
      expectClose(target(0), [1.5], 1e-6);
      expectClose(target(1), [2], 1e-6);
    });
  });
});

/** What purejaxql's pqn_atari.py computes, with the greedy values given: from the last step backwards. */
function pqnReturns(rewards: number[], dones: number[], nextValues: number[], gamma: number, lambda: number): number[] {
  const last = rewards.length - 1;
  const returns = [...rewards];
  returns[last] += gamma * (1 - dones[last]) * nextValues[last];
  for (let t = last - 1; t >= 0; t--) {
    const bootstrap = rewards[t] + gamma * (1 - dones[t]) * nextValues[t];
    const traced = bootstrap + gamma * lambda * (returns[t + 1] - nextValues[t]);
    returns[t] = (1 - dones[t]) * traced + dones[t] * rewards[t];
  }
  return returns;
}

const rollouts = fc.integer({ min: 1, max: 12 }).chain((steps) => {
  const small = fc.double({ min: -10, max: 10, noNaN: true });
  const list = <T>(element: fc.Arbitrary<T>) => fc.array(element, { minLength: steps, maxLength: steps });
  return fc.record({
    rewards: list(small),
    dones: list(fc.constantFrom(0, 0, 0, 1)),
    nextValues: list(small),
    lambda: fc.constantFrom(0, 0.3, 0.65, 0.95, 1),
  });
});

const column = (values: number[]) => tf.tensor2d(values, [values.length, 1]);

describe('lambda returns', () => {
  test("are those of the paper's code, where every end has discount 0", () => {
    fc.assert(
      fc.property(rollouts, ({ rewards, dones, nextValues, lambda }) =>
        tf.tidy(() => {
          const discounts = column(dones.map((done) => 0.99 * (1 - done)));
          const returns = lambdaReturns(column(rewards), discounts, column(nextValues), lambda);
          const expected = pqnReturns(rewards, dones, nextValues, 0.99, lambda);
          expectClose(returns.squeeze([1]), expected, 1e-4);
        }),
      ),
    );
  });

  test('what comes after a truncation has no part in what comes before', () => {
    fc.assert(
      fc.property(rollouts, rollouts, ({ rewards, nextValues, lambda }, after) =>
        tf.tidy(() => {
          const alone = lambdaReturns(column(rewards), column(rewards.map(() => 0.9)), column(nextValues), lambda);
          const both = [...rewards, ...after.rewards];
          const joined = lambdaReturns(
            column(both),
            column(both.map(() => 0.9)),
            column([...nextValues, ...after.nextValues]),
            lambda,
            column(both.map((_, t) => Number(t === rewards.length - 1))),
          );
          expectClose(joined.slice([0, 0], [rewards.length, 1]), alone, 1e-5);
        }),
      ),
    );
  });

  test('are the values themselves where these are right already', () => {
    // V = 10 of a reward of 1 for ever, discounted by 0.9: any mixture of its n-step returns is 10.
    tf.tidy(() => {
      for (const lambda of [0, 0.5, 1]) {
        const ones = tf.ones([30, 2]) as tf.Tensor2D;
        expectClose(lambdaReturns(ones, ones.mul(0.9), ones.mul(10), lambda), tf.fill([30, 2], 10), 1e-5);
      }
    });
  });
});
