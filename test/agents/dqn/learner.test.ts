import '../../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DqnSettings } from '../../../agents/dqn/config.ts';
import { dqnUpdate } from '../../../agents/dqn/learner.ts';
import { mlpQNetwork } from '../../../src/networks/index.ts';
import { trainableVariables } from '../../../src/networks/variables.ts';
import { createOptimizer } from '../../../src/optimizers/index.ts';
import type { Normalization } from '../../../src/weightnorm/index.ts';

const BATCH = 6;
const SIZE = 3;
const ACTIONS = 4;

let tensorsBefore: number;
beforeEach(() => {
  tensorsBefore = tf.memory().numTensors;
});
afterEach(() => {
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

function build(
  settings: Partial<Pick<DqnSettings, 'loss' | 'doubleQ' | 'maxGradientNorm'>>,
  normalization: Normalization = 'weight',
) {
  const network = (seed: number) =>
    mlpQNetwork({ inputSize: SIZE, hiddenUnits: [5], numActions: ACTIONS, normalization, seed });
  const networks = { online: network(1), target: network(2) };
  const optimizer = createOptimizer(
    { name: 'sgd', learningRate: 0.1, momentum: 0 },
    trainableVariables(networks.online),
  );
  const learn = dqnUpdate(networks, optimizer, {
    loss: 'huber',
    doubleQ: false,
    maxGradientNorm: 0,
    ...settings,
  });
  const dispose = () => {
    optimizer.dispose();
    networks.online.dispose();
    networks.target.dispose();
  };
  return { networks, learn, dispose };
}

const states = Array.from({ length: BATCH * SIZE }, (_, i) => (i * 7) % 18); // all of 0..17, mixed
const batchValues = {
  states: Array.from(states, (i) => i / 3 - 3),
  nextStates: Array.from(states, (i) => 2 - i / 5),
  actions: [0, 1, 2, 3, 0, 2],
  returns: [0, 1, -1, 30, 2, 0.5], // 30: far outside the quadratic part of Huber
  discounts: [0.97, 0.97, 0, 0.97, 0, 0.9],
  weights: [1, 0.5, 0.25, 0.125, 1, 0.75],
};

const batchTensors = () => ({
  states: tf.tensor(batchValues.states, [BATCH, 1, SIZE]),
  nextStates: tf.tensor(batchValues.nextStates, [BATCH, 1, SIZE]),
  actions: tf.tensor1d(batchValues.actions, 'int32'),
  returns: tf.tensor1d(batchValues.returns),
  discounts: tf.tensor1d(batchValues.discounts),
  weights: tf.tensor1d(batchValues.weights),
});

const qValues = (network: tf.LayersModel, values: number[]) =>
  tf.tidy(() => (network.predict(tf.tensor2d(values, [BATCH, SIZE])) as tf.Tensor2D).arraySync());

/** delta of algorithm 1 of Mnih et al. 2015, one transition after the other. */
function expectedErrors(online: tf.LayersModel, target: tf.LayersModel, doubleQ: boolean): number[] {
  const q = qValues(online, batchValues.states);
  const nextOnline = qValues(online, batchValues.nextStates);
  const nextTarget = qValues(target, batchValues.nextStates);
  return q.map((row, i) => {
    const chooser = doubleQ ? nextOnline[i] : nextTarget[i];
    const [best, second] = chooser.toSorted((a, b) => b - a);
    expect(best - second, 'ahead of every other action by more than rounding').toBeGreaterThan(1e-4);
    const bootstrap = nextTarget[i][chooser.indexOf(best)];
    return row[batchValues.actions[i]] - (batchValues.returns[i] + batchValues.discounts[i] * bootstrap);
  });
}

/** The mean of their losses, each times its importance weight. */
function expectedLoss(
  online: tf.LayersModel,
  target: tf.LayersModel,
  loss: DqnSettings['loss'],
  doubleQ: boolean,
): number {
  const losses = expectedErrors(online, target, doubleQ).map((error, i) => {
    if (loss === 'squared') return batchValues.weights[i] * error ** 2;
    return batchValues.weights[i] * (Math.abs(error) <= 1 ? error ** 2 / 2 : Math.abs(error) - 0.5);
  });
  return losses.reduce((sum, value) => sum + value, 0) / BATCH;
}

describe.each([
  ['huber', false],
  ['huber', true],
  ['squared', false],
  ['squared', true],
] as const)('with %s loss and double Q %s', (loss, doubleQ) => {
  test('the loss is that of the definition, worked out one transition at a time', () => {
    const { networks, learn, dispose } = build({ loss, doubleQ });
    const expected = expectedLoss(networks.online, networks.target, loss, doubleQ);
    const result = tf.tidy(() => learn(batchTensors(), tf.tensor1d([1, 2], 'int32')));
    expect(result.statistics.loss.dataSync()[0]).toBeCloseTo(expected, 4);
    tf.dispose(result);
    dispose();
  });

  test('priorities are the absolute errors, whatever the weights', () => {
    const { networks, learn, dispose } = build({ loss, doubleQ });
    const expected = expectedErrors(networks.online, networks.target, doubleQ).map(Math.abs);
    const result = tf.tidy(() => learn(batchTensors(), tf.tensor1d([1, 2], 'int32')));
    result.priorities.dataSync().forEach((priority, i) => {
      expect(priority).toBeCloseTo(expected[i], 4);
    });
    tf.dispose(result);
    dispose();
  });

  test('an update lowers the loss and leaves the target network alone', () => {
    const { networks, learn, dispose } = build({ loss, doubleQ });
    const before = expectedLoss(networks.online, networks.target, loss, doubleQ);
    const targetBefore = networks.target.getWeights().map((weight) => weight.arraySync());
    for (let update = 0; update < 20; update++)
      tf.dispose(tf.tidy(() => learn(batchTensors(), tf.tensor1d([1, 2], 'int32'))));
    expect(expectedLoss(networks.online, networks.target, loss, doubleQ)).toBeLessThan(before);
    expect(networks.target.getWeights().map((weight) => weight.arraySync())).toEqual(targetBefore);
    dispose();
  });
});

test('the gradient of an update is that of the loss, by finite differences', () => {
  const { networks, learn, dispose } = build({}, 'weight');
  const variables = trainableVariables(networks.online);
  const before = variables.map(({ variable }) => variable.dataSync().slice());
  tf.dispose(tf.tidy(() => learn(batchTensors(), tf.tensor1d([1, 2], 'int32'))));
  // SGD with rate 0.1: the step is -0.1 times the gradient.
  const gradients = variables.map(({ variable }, v) => {
    const after = variable.dataSync();
    return Array.from(before[v], (value, i) => (value - after[i]) / 0.1);
  });
  const setWeights = (v: number, values: Float32Array) =>
    tf.tidy(() => variables[v].variable.assign(tf.tensor(values, variables[v].variable.shape)));
  const lossHere = () => expectedLoss(networks.online, networks.target, 'huber', false);
  for (let v = 0; v < variables.length; v++) setWeights(v, before[v] as Float32Array);
  for (let v = 0; v < variables.length; v++) {
    for (const i of [0, before[v].length - 1]) {
      const shifted = (delta: number) => {
        const values = before[v].slice() as Float32Array;
        values[i] += delta;
        setWeights(v, values);
        return lossHere();
      };
      const numeric = (shifted(1e-2) - shifted(-1e-2)) / 2e-2;
      expect(gradients[v][i], `${variables[v].name}[${i}]`).toBeCloseTo(numeric, 2);
      setWeights(v, before[v] as Float32Array);
    }
  }
  dispose();
});

test('a gradient norm limit shortens the step and keeps its direction', () => {
  const step = (maxGradientNorm: number) => {
    const { networks, learn, dispose } = build({ maxGradientNorm });
    const before = networks.online.getWeights().map((weight) => Array.from(weight.dataSync()));
    tf.dispose(tf.tidy(() => learn(batchTensors(), tf.tensor1d([1, 2], 'int32'))));
    const moved = networks.online
      .getWeights()
      .flatMap((weight, w) => Array.from(weight.dataSync(), (x, i) => x - before[w][i]));
    dispose();
    return moved;
  };
  const free = step(0);
  const limited = step(0.01);
  const norm = (values: number[]) => Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));
  expect(norm(limited)).toBeCloseTo(0.1 * 0.01, 4); // rate times limit
  const cosine = free.reduce((sum, value, i) => sum + value * limited[i], 0) / (norm(free) * norm(limited));
  expect(cosine).toBeGreaterThan(0.999);
});
