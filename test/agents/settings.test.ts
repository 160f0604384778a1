// Settings of the agents: presets, what follows from others, and what is refused since it would do nothing.
import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { CartPole, vectorize } from 'gymnasium-js-bridge';
import { describe, expect, test } from 'vitest';
import { agents, type HeadSettings, type TrainOptions, train, type ValueSettings } from '../../agents/index.ts';
import { resolveSettings } from '../../src/settings/index.ts';

const names = ['dqn', 'c51', 'qr-dqn', 'rainbow', 'iqn'];
const resolve = (agent: string, preset: string, given: object = {}) =>
  resolveSettings<ValueSettings & Partial<HeadSettings>>(agents[agent], preset, { game: 'Pong', ...given }).settings;

describe.each(names)('%s', (agent) => {
  test.each(Object.keys(agents[agent].presets))('preset %s holds together', (preset) => {
    const settings = resolve(agent, preset);
    const { noiseScale = 0 } = settings;
    expect(settings.exploration === 'none').toBe(noiseScale > 0);
    expect(settings.importanceAnnealingSteps).toBe(Math.max(1, settings.steps - settings.learningStarts));
  });

  test('fast comes first, and classic-control is for vectors', () => {
    expect(Object.keys(agents[agent].presets)[0]).toBe('fast');
    expect(agents[agent].defaultPreset({ envId: 'CartPole-v1' })).toBe('classic-control');
    expect(agents[agent].defaultPreset({ game: 'Pong' })).toBe('fast');
  });
});

test('the rate falls over the whole run where docs/results.md has a long one', () => {
  const longest = { learningRateSchedule: 'linear', learningRateEnd: 0, steps: 2_000_000 };
  expect(resolve('dqn', 'fast')).toMatchObject(longest);
  expect(resolve('dqn', 'nature')).toMatchObject({ learningRateSchedule: 'constant', steps: 1_000_000 });
});

test('presets have the numbers of their papers', () => {
  expect(resolve('c51', 'paper')).toMatchObject({ atoms: 51, vMin: -10, vMax: 10, learningRate: 2.5e-4, nStep: 1 });
  expect(resolve('qr-dqn', 'paper')).toMatchObject({ quantiles: 200, kappa: 1, learningRate: 5e-5 });
  expect(resolve('qr-dqn', 'dopamine')).toMatchObject({ nStep: 3, stickyActionProbability: 0.25 });
  expect(resolve('iqn', 'paper')).toMatchObject({
    quantiles: 64,
    targetQuantiles: 64,
    policyQuantiles: 32,
    cosines: 64,
  });
  expect(resolve('iqn', 'fast')).toMatchObject({ quantiles: 8, targetQuantiles: 8 });
  expect(resolve('iqn', 'munchausen')).toMatchObject({ munchausenScale: 0.9, nStep: 1 });
  const six = { atoms: 51, nStep: 3, doubleQ: true, dueling: true, noiseScale: 0.5, priorityExponent: 0.5 };
  expect(resolve('rainbow', 'paper')).toMatchObject({ ...six, exploration: 'none', learningRate: 6.25e-5 });
  const three = { nStep: 3, doubleQ: false, dueling: false, noiseScale: 0, priorityExponent: 0.5 };
  expect(resolve('rainbow', 'dopamine')).toMatchObject({ ...three, exploration: 'epsilon-greedy' });
  const munchausen = { munchausenScale: 0.9, munchausenTemperature: 0.03, munchausenClip: -1, learningRate: 5e-5 };
  expect(resolve('dqn', 'munchausen')).toMatchObject(munchausen);
});

test('noise in the network takes the place of random actions, unless both are asked for', () => {
  expect(resolve('dqn', 'fast', { noiseScale: 0.5 }).exploration).toBe('none');
  expect(resolve('dqn', 'fast', { noiseScale: 0.5, exploration: 'epsilon-greedy' }).exploration).toBe('epsilon-greedy');
  expect(resolve('rainbow', 'paper', { noiseScale: 0 }).exploration).toBe('epsilon-greedy');
  expect(resolve('dqn', 'fast', { exploration: 'none' }).exploration).toBe('none');
});

test.each([
  ['dqn', { noiseScale: 0.5, epsilonEnd: 0.1 }, 'epsilonEnd 0.1 does nothing with exploration none'],
  ['rainbow', { exploration: 'none', epsilonSpread: 7 }, 'epsilonSpread 7 does nothing with exploration none'],
  ['c51', { exploration: 'none', holdExponent: 3 }, 'holdExponent 3 does nothing with exploration none'],
  ['iqn', { numEnvs: 1, epsilonSpread: 7 }, 'epsilonSpread 7 does nothing with numEnvs 1'],
  ['dqn', { munchausenClip: -2 }, 'munchausenClip -2 does nothing with munchausenScale 0'],
  ['iqn', { munchausenTemperature: 0.1 }, 'munchausenTemperature 0.1 does nothing with munchausenScale 0'],
  ['dqn', { munchausenScale: 0.9 }, 'munchausenScale 0.9 and doubleQ exclude each other'],
  ['c51', { vMin: 10, vMax: 10 }, 'vMax 10: the largest return has to be above the smallest, vMin 10'],
  ['qr-dqn', { importanceExponentStart: 0.5 }, 'importanceExponentStart 0.5 does nothing with priorityExponent 0'],
  ['iqn', { noiseScale: 0.5 }, 'noiseScale 0.5 is no setting of iqn'],
])('%s refuses %o', (agent, given, message) => {
  expect(() => resolve(agent, 'fast', given)).toThrow(message);
});

test.each([
  [{ agent: 'dqn', dueling: true, network: () => tf.sequential() }, 'dueling true does nothing with a network'],
  [{ agent: 'dqn', noiseScale: 0.5, network: () => tf.sequential() }, 'noiseScale 0.5 does nothing with a network'],
  [{ agent: 'iqn', network: () => tf.sequential() }, 'iqn has networks of its own shape'],
  [{ agent: 'c51', loss: (errors: tf.Tensor1D) => errors.abs() }, 'was handed in, and c51 has its own'],
] as [TrainOptions, string][])('what does nothing beside what was handed in is refused: %o', async (given, message) => {
  await expect(train({ ...given, env: vectorize(() => new CartPole(), { numEnvs: 1 }) })).rejects.toThrow(message);
});

test.each([
  ['c51', { atoms: 1_000_000 }, /^atoms 1000000 needs .* and this machine has .*: give at most \d+$/],
  ['qr-dqn', { quantiles: 1_000_000 }, /^quantiles 1000000 needs /],
  ['iqn', { quantiles: 100_000, targetQuantiles: 1_000_000 }, /^quantiles 100000 needs /],
])('%s refuses more than the machine holds', async (agent, given, message) => {
  const env = vectorize(() => new CartPole(), { numEnvs: 1 });
  await expect(train({ agent, ...given, env, steps: 1000 })).rejects.toThrow(message);
  await env.close();
});
