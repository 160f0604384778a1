// Each agent through `train`, `resume` and `evaluate`: bit for bit, with every normalization, in several environments.
import '../node-backend.ts';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { CartPole, vectorize } from 'gymnasium-js-bridge';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { evaluate, resume, type TrainOptions, train } from '../../agents/index.ts';
import { numbersOf } from '../cli/run-folder.ts';

let folder: string;
let tensorsBefore: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agents-'));
  tensorsBefore = tf.memory().numTensors;
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

const small = {
  ...{ learningStarts: 60, hiddenUnits: [12, 12], batchSize: 8, replayCapacity: 200, targetUpdatePeriodSteps: 50 },
  ...{ logPeriodSteps: 50, steps: 200 },
} satisfies TrainOptions;
// Episodes are cut off, so that last observations lie between the others.
const cartPole = (numEnvs: number) => vectorize(() => new CartPole(), { numEnvs, maxEpisodeSteps: 23 });

const agents: [title: string, numEnvs: number, given: TrainOptions][] = [
  ['dqn, dueling and noisy', 2, { agent: 'dqn', dueling: true, noiseScale: 0.5, normalization: 'weight' }],
  [
    'dqn with Munchausen, epsilons spread',
    3,
    { agent: 'dqn', munchausenScale: 0.9, doubleQ: false, normalization: 'none', epsilonSpread: 7 },
  ],
  [
    'c51',
    1,
    {
      agent: 'c51',
      normalization: 'weight+mean-only-batch',
      initialization: 'data-dependent',
      learningRateWarmupSteps: 150,
    },
  ],
  ['qr-dqn', 2, { agent: 'qr-dqn', quantiles: 9, normalization: 'mean-only-batch' }],
  [
    'rainbow',
    2,
    { agent: 'rainbow', noiseScale: 0.5, normalization: 'weight', initialization: 'data-dependent', layerNorm: 'all' },
  ],
  ['iqn', 2, { agent: 'iqn', normalization: 'weight', layerNorm: 'all', priorityExponent: 0.5 }],
];

describe.each(agents)('%s', (_, numEnvs, given) => {
  test('a run that was stopped and resumed has the numbers of one that was not, and can be evaluated', async () => {
    const [whole, broken] = [join(folder, 'whole'), join(folder, 'broken')];
    const options = { ...small, ...given, ...(given.agent === 'rainbow' && { importanceAnnealingSteps: 300 }) };
    const annealing = given.priorityExponent === undefined ? {} : { importanceAnnealingSteps: 300 };
    const start = (runDir: string, steps: number) =>
      train({ ...options, ...annealing, env: cartPole(numEnvs), runDir, steps });
    await (await start(whole, 360)).finish();
    await (await start(broken, 180)).finish();
    await (await resume({ runDir: broken, env: cartPole(numEnvs), steps: 360 })).finish();
    expect(numbersOf(broken, 'numTensors')).toEqual(numbersOf(whole, 'numTensors'));
    for (const name of ['state.json', 'state.safetensors']) {
      const file = (runDir: string) => readFileSync(join(runDir, 'checkpoints/360', name));
      expect(file(broken).equals(file(whole)), name).toBe(true);
    }
    const losses = numbersOf(whole, 'numTensors').filter(({ loss }) => loss !== undefined);
    expect(losses.length).toBeGreaterThan(0);
    for (const { loss } of losses) expect(Number.isFinite(loss)).toBe(true);
    const scores = async () => (await evaluate({ runDir: whole, env: cartPole(2), episodes: 2 })).meanReturn;
    expect(await scores()).toBe(await scores());
  });
});

describe.each(['dqn', 'c51', 'qr-dqn', 'rainbow', 'iqn'])('%s', (agent) => {
  test.each(['none', 'weight', 'mean-only-batch', 'weight+mean-only-batch'] as const)(
    'learns with normalization %s, initialised from data',
    async (normalization) => {
      const initialization = normalization === 'none' ? 'default' : 'data-dependent';
      const given = { ...small, agent, normalization, initialization, steps: 80, diagnosticsPeriodSteps: 40 } as const;
      const run = await train({ ...given, env: cartPole(1) });
      const { position, latest } = await run.finish();
      expect(position).toBe(80);
      expect(Object.keys(latest.diagnostics!).join()).toMatch(/dormantShare/);
      expect(Number.isFinite(latest.progress!.loss)).toBe(true);
    },
  );

  test.each([
    ['nature', [40, 40], 'none'],
    ['minatar', [10, 10, 4], 'channels'],
  ] as const)('learns from images with network %s', async (network, shape, layerNorm) => {
    const pixels = (value: number) => new Array(shape.reduce<number>((a, b) => a * b, 1)).fill(value);
    const images = vectorize(
      () => ({
        ...{ id: 'Images', maxEpisodeSteps: 10, actionSpace: { kind: 'discrete', n: 3 } },
        observationSpace: { kind: 'box', shape: [...shape], dtype: 'uint8', low: 0, high: 255 },
        reset: () => pixels(9),
        step: () => ({ observation: pixels(99), reward: 1, terminated: false }),
      }),
      { numEnvs: 2 },
    );
    const few = {
      learningStarts: 40,
      replayCapacity: 100,
      replayCompression: 'none',
      batchSize: 4,
      steps: 56,
    } as const;
    const run = await train({
      agent,
      preset: 'fast',
      env: images,
      network,
      layerNorm,
      ...few,
      hiddenUnits: [8],
      logPeriodSteps: 8,
    });
    const { latest } = await run.finish();
    expect(Number.isFinite(latest.progress!.loss)).toBe(true);
  });
});
