import '../../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { actionValues, dqnUpdate } from '../../../agents/dqn/learner.ts';
import { createValueLearner, type ValueNetworks } from '../../../src/agent/value-learner.ts';
import { mlpQNetwork } from '../../../src/networks/index.ts';
import { trainableVariables } from '../../../src/networks/variables.ts';
import { createOptimizer } from '../../../src/optimizers/index.ts';
import { Generator } from '../../../src/random/index.ts';
import type { ReplayOptions } from '../../../src/replay/index.ts';
import type { NewTensors, StoredTensors } from '../../../src/runs/trainable.ts';
import type { Normalization } from '../../../src/weightnorm/index.ts';
import { shortfall } from './greedy.ts';

const [BATCH, LANES, SIZE, ACTIONS] = [8, 64, 4, 6];

test('the learning rate is an input: one step of gradient descent is as long as it says', () => {
  const networks = Object.fromEntries(
    ['online', 'target'].map((name) => [
      name,
      mlpQNetwork({ inputSize: SIZE, hiddenUnits: [16], numActions: ACTIONS, normalization: 'none', seed: 1 }),
    ]),
  ) as unknown as ValueNetworks;
  const optimizer = createOptimizer({ name: 'sgd', learningRate: 1, momentum: 0 }, trainableVariables(networks.online));
  const update = dqnUpdate(networks, optimizer, { loss: 'squared', doubleQ: false, maxGradientNorm: 0 });
  const replay: ReplayOptions = {
    ...{ capacity: 1000, lanes: LANES, frameShape: [SIZE], dtype: 'float32', frameStack: 1, nStep: 1 },
    ...{ discount: 0.9, batchSize: BATCH },
  };
  const learner = createValueLearner({
    ...{ networks, optimizer, replay, precision: 'float32', seed: 1, update },
    actionValues: (network, of, noise) => actionValues(network, of, false, noise),
  });
  const random = new Generator(1, 'test');
  const floats = (length: number) => Float32Array.from({ length }, () => random.uniform() * 4 - 2);
  const batch = {
    ...{ states: floats(BATCH * SIZE), actions: Int32Array.from({ length: BATCH }, () => random.integer(ACTIONS)) },
    ...{ returns: floats(BATCH), discounts: new Float32Array(BATCH), nextStates: floats(BATCH * SIZE) },
    weights: new Float32Array(BATCH).fill(1),
  };
  const first = stored(learner.getState().tensors);
  const moved = (learningRate?: number) => {
    learner.setState({ tensors: first });
    learner.learn(batch, 0, learningRate);
    const after = learner.getState().tensors['online/q/bias'].data as Float32Array;
    return Array.from(after, (value, i) => value - (first['online/q/bias'].data as Float32Array)[i]);
  };
  const whole = moved(1);
  expect(moved()).toEqual(whole);
  expect(Math.max(...whole.map(Math.abs))).toBeGreaterThan(0.01);
  for (const [i, value] of moved(0.25).entries()) expect(value).toBeCloseTo(whole[i] / 4, 6);
  learner.dispose();
});

/** Tensors as they are read from a file. */
function stored(tensors: NewTensors): StoredTensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { shape, data }]) => [
      name,
      { dtype: 'F32', shape: [...shape], data: Float32Array.from(data as Float32Array) } as const,
    ]),
  );
}

test('the acting network is never stale: after updates, and after weights were loaded or initialised from data', () => {
  const tensorsBefore = tf.memory().numTensors;
  const network = (normalization: Normalization) =>
    mlpQNetwork({ inputSize: SIZE, hiddenUnits: [16], numActions: ACTIONS, normalization, seed: 1 });
  const networks = {
    online: network('weight+mean-only-batch'),
    target: network('none'),
    acting: network('none'),
  };
  const optimizer = createOptimizer({ name: 'sgd', learningRate: 1, momentum: 0 }, trainableVariables(networks.online));
  const update = dqnUpdate(networks, optimizer, { loss: 'huber', doubleQ: false, maxGradientNorm: 0 });
  const replay: ReplayOptions = {
    capacity: 1000,
    lanes: LANES,
    frameShape: [SIZE],
    dtype: 'float32',
    frameStack: 1,
    nStep: 1,
    discount: 0.9,
    batchSize: BATCH,
  };
  const learner = createValueLearner({
    networks,
    optimizer,
    replay,
    precision: 'float32',
    seed: 1,
    actionValues: (...given) => actionValues(given[0], given[1]),
    update,
  });
  const random = new Generator(1, 'test');
  const floats = (length: number) => Float32Array.from({ length }, () => random.uniform() * 4 - 2);
  const states = floats(LANES * SIZE);
  let before: number[] | undefined;
  const expectFresh = () => {
    const actions = Array.from(learner.act(states, 0));
    const values = tf.tidy(() =>
      (learner.currentNetwork().predict(tf.tensor2d(states, [LANES, SIZE])) as tf.Tensor2D).arraySync(),
    );
    expect(shortfall(actions, values)).toBeLessThan(1e-5);
    expect(Array.from(learner.act(states, 0))).toEqual(actions); // again, without an update between
    if (before) expect(shortfall(before, values), 'of stale actions').toBeGreaterThan(0.01);
    before = actions;
  };

  expectFresh();
  for (let update = 0; update < 3; update++) {
    learner.learn(
      {
        states: floats(BATCH * SIZE),
        actions: Int32Array.from({ length: BATCH }, () => random.integer(ACTIONS)),
        returns: floats(BATCH),
        discounts: new Float32Array(BATCH).fill(0.9),
        nextStates: floats(BATCH * SIZE),
        weights: new Float32Array(BATCH).fill(1),
      },
      update,
    );
    expectFresh();
  }
  // Weights that were loaded: each is negated.
  const tensors = Object.fromEntries(
    Object.entries(learner.getState().tensors).map(([name, { shape, data }]) => [
      name,
      { dtype: 'F32', shape: [...shape], data: Float32Array.from(data as Float32Array, (value) => -value) } as const,
    ]),
  );
  learner.setState({ tensors });
  expectFresh();
  learner.initializeFromData(states);
  expectFresh();

  learner.dispose();
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});
