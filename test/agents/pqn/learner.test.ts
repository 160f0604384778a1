// PQN's update against NumPy in float64, op by op and compiled.
import '../../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import type { PqnSettings } from '../../../agents/pqn/config.ts';
import { pqnUpdate } from '../../../agents/pqn/learner.ts';
import { pqnPresets } from '../../../agents/pqn/presets.ts';
import { settingsOptimizer } from '../../../src/agent/optimizer.ts';
import { type LayerNorm, mlpQNetwork } from '../../../src/networks/index.ts';
import { allVariables, trainableVariables } from '../../../src/networks/variables.ts';
import { Generator } from '../../../src/random/index.ts';
import { compile, defineStep } from '../../../src/runtime/compile/index.ts';
import type { Normalization } from '../../../src/weightnorm/index.ts';
import { arrays } from '../../networks/support.ts';
import { askPython } from '../../python-oracle.ts';
import { expectClose, type Nested } from '../../weightnorm/support.ts';

const [BATCH, SIZE, ACTIONS, UPDATES] = [6, 3, 4, 9];
const optimizerSettings = { learningRate: 0.05, beta1: 0.9, beta2: 0.99, epsilon: 1e-3 };

/** As float32 holds them. */
function batches() {
  const random = new Generator(1, 'batches');
  return Array.from({ length: UPDATES }, (_, update) => ({
    states: Float32Array.from({ length: BATCH * SIZE }, () => random.uniform() * 4 - 2),
    actions: Int32Array.from({ length: BATCH }, () => random.integer(ACTIONS)),
    returns: Float32Array.from({ length: BATCH }, () => random.uniform() * 20 - 5),
    learningRate: Math.fround(0.05 * (1 - update / UPDATES)),
  }));
}

describe.each([
  ['none', 'none', 10, 'none', 1],
  ['none', 'channels', 0.5, 'gain', 1],
  ['weight', 'channels', 0.5, 'none', 1],
  ['weight', 'channels', 10, 'direction', 2],
  ['weight', 'none', 10, 'gain', 4],
  ['weight', 'all', 10, 'direction', 1],
] as [Normalization, LayerNorm, number, PqnSettings['weightProjection'], number][])(
  'normalization %s, layer norm %s, gradients up to a norm of %d, projection %s every %d',
  (normalization, layerNorm, maxGradientNorm, weightProjection, period) => {
    test.each([true, false])('updates are those of the definition in float64, op by op: %s', (eager) => {
      const before = tf.memory().numTensors;
      const options = { inputSize: SIZE, hiddenUnits: [5, 4], numActions: ACTIONS, normalization, layerNorm, seed: 3 };
      const network = mlpQNetwork(options);
      const variables = trainableVariables(network);
      const { epsilon: optimizerEpsilon, ...rates } = optimizerSettings;
      const settings: PqnSettings = {
        ...(pqnPresets['classic-control'].settings as PqnSettings),
        ...{ optimizer: 'radam', optimizerEpsilon, maxGradientNorm, weightProjection, ...rates },
        weightProjectionPeriodUpdates: period,
      };
      const optimizer = settingsOptimizer(settings, network);
      const initial = tf.tidy(() =>
        arrays(Object.fromEntries(variables.map(({ name, variable }) => [name, variable]))),
      );
      const program = compile(
        {
          learn: defineStep(
            {
              states: { shape: [BATCH, 1, SIZE], dtype: 'float32' },
              actions: { shape: [BATCH], dtype: 'int32' },
              returns: { shape: [BATCH], dtype: 'float32' },
              learningRate: { shape: [], dtype: 'float32' },
            },
            pqnUpdate(network, optimizer, settings),
          ),
        },
        { eager },
      );
      expect(program.compiled).toBe(!eager);
      const results = batches().map((batch) => program.steps.learn.values(batch));
      program.pull();

      const epsilon = layerNorm === 'all' ? 1e-5 : 1e-6;
      const expected = askPython<{ weights: Record<string, Nested>; losses: number[]; meanQs: number[] }>(
        new URL('./pqn_oracle.py', import.meta.url),
        {
          ...{ weights: initial, layers: ['dense1', 'dense2', 'q'], layerNorm, epsilon, maxGradientNorm },
          ...{ projection: weightProjection, period },
          optimizer: optimizerSettings,
          batches: batches().map(({ states, actions, returns, learningRate }) => ({
            states: Array.from({ length: BATCH }, (_, i) => Array.from(states.subarray(i * SIZE, (i + 1) * SIZE))),
            ...{ actions: Array.from(actions), returns: Array.from(returns), learningRate },
          })),
        },
      );
      for (const [update, { loss, meanQ }] of results.entries()) {
        expect(loss[0] / expected.losses[update]).toBeCloseTo(1, 4);
        expect(meanQ[0]).toBeCloseTo(expected.meanQs[update], 3);
      }
      for (const { name, variable } of allVariables(network)) expectClose(variable, expected.weights[name], 1e-4);
      program.dispose();
      optimizer.dispose();
      network.dispose();
      expect(tf.memory().numTensors).toBe(before);
    });
  },
);
