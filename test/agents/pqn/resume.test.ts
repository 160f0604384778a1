import '../../node-backend.ts';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { vectorize } from 'gymnasium-js-bridge';
import { CartPole } from 'gymnasium-js-bridge/environments';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { resume, type TrainOptions, train } from '../../../agents/index.ts';
import { numbersOf } from '../../cli/run-folder.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'resume-pqn-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A rollout is 64 agent steps; episodes are cut off after 25, so that some end in each way. */
const cartPole: TrainOptions = {
  ...{ agent: 'pqn', env: 'CartPole-v1', numEnvs: 4, maxEpisodeSteps: 25, normalization: 'weight' },
  ...{ rolloutSteps: 16, epochs: 2, minibatches: 4, hiddenUnits: [16], epsilonDecaySteps: 300, logPeriodSteps: 100 },
};

const pong: TrainOptions = {
  ...{ agent: 'pqn', game: 'Pong', numEnvs: 3, stickyActionProbability: 0.25, maxEpisodeFrames: 200 },
  ...{ rolloutSteps: 8, epochs: 1, minibatches: 4, hiddenUnits: [16], epsilonDecaySteps: 200, logPeriodSteps: 30 },
  ...{ normalization: 'weight+mean-only-batch', initialization: 'data-dependent', exploration: 'temporally-extended' },
};

const inTypeScript = () => vectorize(() => new CartPole(), { numEnvs: 4, maxEpisodeSteps: 25 });

function expectEqual(broken: string, whole: string, end: number): void {
  const file = (runDir: string, name: string) => readFileSync(join(runDir, 'checkpoints', String(end), name));
  expect(JSON.parse(file(broken, 'state.json').toString())).toEqual(JSON.parse(file(whole, 'state.json').toString()));
  expect(file(broken, 'state.safetensors').equals(file(whole, 'state.safetensors'))).toBe(true);
  expect(numbersOf(broken)).toEqual(numbersOf(whole));
  expect(numbersOf(whole).some((line) => 'episodeReturn' in line)).toBe(true);
  expect(numbersOf(whole).some((line) => 'loss' in line)).toBe(true);
}

test.each([
  ['CartPole, in the midst of the first rollout', cartPole, 40, 400],
  ['CartPole, in the midst of one', { ...cartPole, exploration: 'temporally-extended' }, 348, 620],
  ['Pong, in the midst of one', pong, 105, 201],
] as const)('%s: a resumed run gives bit for bit what an unbroken one does', async (_, given, stop, end) => {
  const tensorsBefore = tf.memory().numTensors;
  const [whole, broken] = [join(folder, 'whole'), join(folder, 'broken')];
  await (await train({ ...given, steps: end, runDir: whole })).finish();
  await (await train({ ...given, steps: stop, runDir: broken })).finish();
  const summary = await (await resume({ steps: end, runDir: broken })).finish();
  expect(summary.position).toBe(end);
  expectEqual(broken, whole, end);
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

test('CartPole in TypeScript, its rate falling: interrupted amid a rollout, it goes on as if it were not', async () => {
  const [whole, broken] = [join(folder, 'whole'), join(folder, 'broken')];
  const given = { ...cartPole, learningRateSchedule: 'linear', normalization: 'none', steps: 620 } as const;
  const { maxEpisodeSteps, ...rest } = given;
  await (await train({ ...rest, env: inTypeScript(), runDir: whole })).finish();
  const controller = new AbortController();
  const run = await train({ ...rest, env: inTypeScript(), runDir: broken, signal: controller.signal });
  for await (const { position } of run) if (position === 348) controller.abort();
  expect(run.summary()).toMatchObject({ interrupted: true, position: 348 });
  await (await resume({ env: inTypeScript(), runDir: broken })).finish();
  expectEqual(broken, whole, 620);
  expect(numbersOf(whole).some((line) => 'learningRate' in line)).toBe(true);
});

test('a run that is stopped while its environments do not answer goes on in the midst of that step', async () => {
  const [whole, broken] = [join(folder, 'whole'), join(folder, 'broken')];
  const given = { ...cartPole, steps: 600 };
  await (await train({ ...given, runDir: whole })).finish();
  const controller = new AbortController();
  let sidecar = 0;
  const run = await train({
    ...given,
    runDir: broken,
    signal: controller.signal,
    onStart: ({ env }) => {
      sidecar = env.info.pid;
    },
  });
  for await (const { position } of run) {
    if (position !== 300) continue;
    process.kill(sidecar, 'SIGSTOP');
    setTimeout(() => controller.abort(), 1); // when the next step has sent its actions
  }
  expect(run.summary()).toMatchObject({ interrupted: true, position: 300 });
  const agent = JSON.parse(readFileSync(join(broken, 'checkpoints/300/state.json'), 'utf8'));
  expect(agent.underWay).toMatchObject({ actions: Array(4).fill(expect.any(Number)) });
  await (await resume({ runDir: broken })).finish();
  expectEqual(broken, whole, 600);
});

test('a replay that is handed in, and minibatches that do not divide a rollout, are refused', async () => {
  const replay = () => {
    throw new Error('not asked for');
  };
  await expect(train({ ...cartPole, replay })).rejects.toThrow('replay was handed in, and pqn has none: leave it out');
  await expect(train({ ...cartPole, minibatches: 5 })).rejects.toThrow(
    'minibatches 5 does not divide a rollout of 64 agent steps (numEnvs 4 x rolloutSteps 16): give a divisor of 64',
  );
});
