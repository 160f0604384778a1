import '../../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { dqnFunctions } from '../../../agents/dqn/functions.ts';
import { DqnRunner } from '../../../agents/dqn/runner.ts';
import { mlpQNetwork } from '../../../src/networks/index.ts';
import { trainableVariables } from '../../../src/networks/variables.ts';
import { createOptimizer } from '../../../src/optimizers/index.ts';
import { Generator } from '../../../src/random/index.ts';
import type { ReplayOptions } from '../../../src/replay/index.ts';
import type { Normalization } from '../../../src/weightnorm/index.ts';
import { shortfall } from './greedy.ts';

const [BATCH, LANES, SIZE, ACTIONS] = [8, 64, 4, 6];

test('the acting network is never stale: not after updates, nor after weights were loaded or initialised from data', () => {
  const tensorsBefore = tf.memory().numTensors;
  const network = (normalization: Normalization) =>
    mlpQNetwork({ inputSize: SIZE, hiddenUnits: [16], numActions: ACTIONS, normalization, seed: 1 });
  const networks = {
    online: network('weight+mean-only-batch'),
    target: network('none'),
    acting: network('none'),
  };
  const optimizer = createOptimizer({ name: 'sgd', learningRate: 1, momentum: 0 }, trainableVariables(networks.online));
  const functions = dqnFunctions(networks, optimizer, { loss: 'huber', doubleQ: false, maxGradientNorm: 0 });
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
  const runner = new DqnRunner(functions, networks, replay, 'float32');
  const random = new Generator(1, 'test');
  const floats = (length: number) => Float32Array.from({ length }, () => random.uniform() * 4 - 2);
  const states = floats(LANES * SIZE);
  let before: number[] | undefined;
  const expectFresh = () => {
    const actions = Array.from(runner.act(states));
    runner.pull();
    const values = tf.tidy(() =>
      (networks.online.predict(tf.tensor2d(states, [LANES, SIZE])) as tf.Tensor2D).arraySync(),
    );
    expect(shortfall(actions, values)).toBeLessThan(1e-5);
    expect(Array.from(runner.act(states))).toEqual(actions); // again, without an update between
    if (before) expect(shortfall(before, values), 'of stale actions').toBeGreaterThan(0.01);
    before = actions;
  };

  expectFresh();
  for (let update = 0; update < 3; update++) {
    runner.learn({
      states: floats(BATCH * SIZE),
      actions: Int32Array.from({ length: BATCH }, () => random.integer(ACTIONS)),
      returns: floats(BATCH),
      discounts: new Float32Array(BATCH).fill(0.9),
      nextStates: floats(BATCH * SIZE),
    });
    expectFresh();
  }
  tf.tidy(() => networks.online.setWeights(networks.online.getWeights().map((weight) => tf.neg(weight))));
  runner.push();
  expectFresh();
  const batch = {
    states,
    actions: new Int32Array(LANES),
    returns: new Float32Array(LANES),
    discounts: new Float32Array(LANES),
    nextStates: states,
  };
  runner.initializeFromData(batch, replay);
  expectFresh();

  runner.dispose();
  optimizer.dispose();
  for (const model of Object.values(networks)) model.dispose();
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});
