// The update of each agent as one TensorFlow graph gives what it gives op by op, noise included.
import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { CartPole, vectorize } from 'gymnasium-js-bridge';
import { expect, test } from 'vitest';
import { dqnUpdate } from '../../agents/dqn/learner.ts';
import { agents } from '../../agents/index.ts';
import { iqnUpdate } from '../../agents/iqn/learner.ts';
import { qrDqnUpdate } from '../../agents/qr-dqn/learner.ts';
import { categoricalUpdate } from '../../src/agent/categorical.ts';
import { learningStep } from '../../src/agent/value-learner.ts';
import { allVariables, trainableVariables } from '../../src/networks/variables.ts';
import { createOptimizer } from '../../src/optimizers/index.ts';
import { compile } from '../../src/runtime/compile/index.ts';
import { resolveSettings } from '../../src/settings/index.ts';
import { relativeError } from './learning-steps.ts';

const BATCH = 8;
const UPDATES = 3;
const wave = (length: number, phase: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin(1.7 * i + 0.9 * phase) * 2);

test.each([
  ['dqn', dqnUpdate, { dueling: true, noiseScale: 0.5, normalization: 'weight' }],
  ['dqn', dqnUpdate, { munchausenScale: 0.9, doubleQ: false, normalization: 'mean-only-batch' }],
  ['c51', categoricalUpdate, { normalization: 'none' }],
  ['qr-dqn', qrDqnUpdate, { normalization: 'weight+mean-only-batch' }],
  ['rainbow', categoricalUpdate, { normalization: 'weight' }],
  ['iqn', iqnUpdate, { normalization: 'weight' }],
  ['iqn', iqnUpdate, { munchausenScale: 0.9, doubleQ: false, normalization: 'none' }],
  // biome-ignore lint/suspicious/noExplicitAny: each update takes its own settings
] as [string, any, object][])('%s: compiled updates equal eager ones (%#)', async (name, update, given) => {
  const tensorsBefore = tf.memory().numTensors;
  const env = vectorize(() => new CartPole(), { numEnvs: 1 });
  const definition = agents[name];
  const { settings } = resolveSettings(definition, 'classic-control', {
    ...{ envId: 'CartPole', hiddenUnits: [6, 6], batchSize: BATCH, ...given },
    // biome-ignore lint/suspicious/noExplicitAny: of any agent
  } as any);
  const start = (eager: boolean) => {
    const online = definition.createNetwork(settings, env);
    const target = definition.createNetwork({ ...settings, normalization: 'none', seed: 2 }, env);
    const variables = trainableVariables(online);
    const optimizer = createOptimizer({ name: 'sgd', learningRate: 0.01, momentum: 0 }, variables);
    const states = { frameShape: [4], frameStack: 1, dtype: 'float32' } as const;
    const learn = learningStep({ ...states, batchSize: BATCH }, update({ online, target }, optimizer, settings));
    const program = compile({ learn }, { eager });
    expect(program.compiled).toBe(!eager);
    const weights = () => {
      program.pull();
      return allVariables(online).map(({ name: of, variable }) => [of, variable.dataSync().slice()] as const);
    };
    const dispose = () => {
      program.dispose();
      for (const part of [optimizer, online, target]) part.dispose();
    };
    return { program, weights, dispose };
  };
  const [compiled, eager] = [start(false), start(true)];
  for (let number = 0; number < UPDATES; number++) {
    const batch = {
      states: wave(BATCH * 4, number),
      actions: Int32Array.from({ length: BATCH }, (_, i) => (i + number) % 2),
      returns: wave(BATCH, number + 1),
      discounts: Float32Array.from({ length: BATCH }, (_, i) => (i % 3 === 0 ? 0 : 0.97)),
      nextStates: wave(BATCH * 4, number + 2),
      weights: Float32Array.from(wave(BATCH, number + 3), (x) => 0.1 + Math.abs(x)),
      noiseSeed: Int32Array.of(3, number),
      learningRate: 0.01,
    };
    const [actual, expected] = [compiled, eager].map(({ program }) => program.steps.learn.values(batch));
    expect(Object.keys(actual).sort()).toEqual(['loss', 'meanQ', 'priorities']);
    for (const key of Object.keys(expected)) {
      expect(relativeError(actual[key], expected[key]), `${key} of update ${number}`).toBeLessThan(1e-4);
    }
  }
  const [actual, expected] = [compiled.weights(), eager.weights()];
  actual.forEach(([of, values], i) => {
    expect(relativeError(values, expected[i][1]), of).toBeLessThan(1e-4);
  });
  compiled.dispose();
  eager.dispose();
  await env.close();
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});
