// Prioritized replay through the whole agent: settings, priorities that come back, resuming.
import '../../node-backend.ts';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { CartPole, vectorize } from 'gymnasium-js-bridge';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { resume, type TrainOptions, train } from '../../../agents/index.ts';
import { settingsSampler } from '../../../src/agent/sampler.ts';
import { Generator } from '../../../src/random/index.ts';
import { Replay, type ReplayOptions, uniformSampler } from '../../../src/replay/index.ts';
import { numbersOf } from '../../cli/run-folder.ts';

let folder: string;
let tensorsBefore: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'prioritized-'));
  tensorsBefore = tf.memory().numTensors;
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

const small = {
  ...{ learningStarts: 60, hiddenUnits: [16], batchSize: 16, replayCapacity: 200, epsilonDecaySteps: 200 },
  ...{ logPeriodSteps: 100, steps: 300, priorityExponent: 0.6 },
} satisfies TrainOptions;
// Episodes are cut off, so that rows of last observations lie between the others.
const cartPole = () => vectorize(() => new CartPole(), { numEnvs: 2, maxEpisodeSteps: 23 });

test('a run that was stopped and resumed has the numbers of one that was not', async () => {
  const given = { ...small, importanceAnnealingSteps: 500 };
  const [whole, broken] = [join(folder, 'whole'), join(folder, 'broken')];
  await (await train({ ...given, env: cartPole(), runDir: whole, steps: 700 })).finish();
  await (await train({ ...given, env: cartPole(), runDir: broken, steps: 350 })).finish();
  await (await resume({ runDir: broken, env: cartPole(), steps: 700 })).finish();
  expect(numbersOf(broken, 'numTensors')).toEqual(numbersOf(whole, 'numTensors'));
  for (const name of ['state.json', 'state.safetensors']) {
    const file = (runDir: string) => readFileSync(join(runDir, 'checkpoints/700', name));
    expect(file(broken).equals(file(whole)), name).toBe(true);
  }
  const { experience } = JSON.parse(readFileSync(join(whole, 'checkpoints/700/state.json'), 'utf8'));
  expect(experience.sampling.drawn).toBeGreaterThan(250);
});

test('priorities are the absolute errors of the minibatch, from before its importance weights', async () => {
  const given: [rows: number[], priorities: number[]][] = [];
  const drawn: number[][] = [];
  const run = await train({
    ...small,
    env: cartPole(),
    replay(options: ReplayOptions) {
      const uniform = uniformSampler(new Generator(1, 'own'));
      return new Replay(options, {
        ...uniform,
        sample(held, sampled, take) {
          uniform.sample(held, sampled, take);
          sampled.weights.fill(0); // so nothing is learned, and errors stay what they are
          drawn.push([...sampled.rows]);
        },
        updatePriorities: (rows, priorities) => void given.push([[...rows], Array.from(priorities)]),
      });
    },
  });
  const summary = await run.finish();
  expect(given.map(([rows]) => rows)).toEqual(drawn);
  for (const [, priorities] of given) {
    expect(priorities).toHaveLength(16);
    expect(Math.min(...priorities)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...priorities)).toBeGreaterThan(0);
  }
  expect(summary.latest.progress!.loss).toBe(0);
  expect(Object.keys(summary.latest.progress!)).not.toContain('priorities');
});

test('beta reaches 1 at the end of a new run, or where the settings say', async () => {
  const configOf = async (name: string, options: TrainOptions) => {
    const runDir = join(folder, name);
    await (await train({ ...small, ...options, env: cartPole(), runDir })).finish();
    return JSON.parse(readFileSync(join(runDir, 'config.json'), 'utf8')).settings;
  };
  expect(await configOf('default', {})).toMatchObject({ importanceExponentStart: 0.4, importanceAnnealingSteps: 240 });
  expect(await configOf('given', { importanceAnnealingSteps: 99 })).toMatchObject({ importanceAnnealingSteps: 99 });
  const replay: ReplayOptions = {
    ...{ capacity: 40, lanes: 1, frameShape: [1], dtype: 'float32', frameStack: 1, nStep: 1, discount: 1 },
    batchSize: 1,
  };
  const settings = { seed: 1, priorityExponent: 1, importanceExponentStart: 0, importanceAnnealingSteps: 40 };
  const sampler = settingsSampler({ ...settings, updatePeriodSteps: 4 }, replay);
  sampler.added!(0);
  sampler.added!(1);
  sampler.updatePriorities!(Float64Array.of(0, 1), [1, 3]);
  const sampled = { rows: new Float64Array(2), weights: new Float32Array(2) };
  const least = Array.from({ length: 13 }, () => {
    sampler.sample({ size: 2, rowAt: (row) => row }, sampled, () => true);
    return sampled.rows.includes(0) && sampled.rows.includes(1) ? Math.min(...sampled.weights) : undefined;
  });
  // (1/3)^beta, beta a tenth more each minibatch: one update every 4 of 40 agent steps.
  least.forEach((weight, i) => {
    if (weight !== undefined) expect(weight).toBeCloseTo((1 / 3) ** Math.min(1, i / 10), 4);
  });
  expect(least.some((weight, i) => i >= 10 && weight !== undefined)).toBe(true);
});

test.each(['importanceExponentStart', 'importanceAnnealingSteps'] as const)(
  '%s does nothing without priorities, and is refused',
  async (key) => {
    await expect(train({ ...small, env: cartPole(), priorityExponent: 0, [key]: 1 })).rejects.toThrow(
      `${key} 1 does nothing with priorityExponent 0`,
    );
  },
);
