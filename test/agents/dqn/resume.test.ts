import '../../node-backend.ts';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { resume, type TrainOptions, train } from '../../../agents/index.ts';
import { numbersOf } from '../../cli/run-folder.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'resume-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const cartPole: TrainOptions = {
  env: 'CartPole-v1',
  learningStarts: 100,
  hiddenUnits: [16],
  batchSize: 16,
  replayCapacity: 150, // so that the ring has wrapped when the run is resumed
  epsilonDecaySteps: 300,
  logPeriodSteps: 100,
};

const pong: TrainOptions = {
  game: 'Pong',
  numEnvs: 3,
  stickyActionProbability: 0.25,
  maxEpisodeFrames: 500, // several truncated episodes
  learningStarts: 90,
  hiddenUnits: [16],
  batchSize: 4,
  updatePeriodSteps: 30,
  targetUpdatePeriodSteps: 90,
  replayCapacity: 400,
  epsilonDecaySteps: 200,
  logPeriodSteps: 90,
  learningRateSchedule: 'constant', // one that falls follows from the length of the run
  normalization: 'weight+mean-only-batch',
  layerNorm: 'all',
  initialization: 'data-dependent',
};

/** Stopped while actions are held: at an exponent of 0.5 and a longest hold of 40 most of the time one is. */
const heldActions: TrainOptions = {
  ...cartPole,
  numEnvs: 2,
  exploration: 'temporally-extended',
  holdExponent: 0.5,
  longestHoldSteps: 40,
};

test.each([
  ['CartPole, its replay overwritten', cartPole, 400, 800],
  ['Pong in 3 environments with sticky actions', pong, 330, 600],
  ['CartPole with held actions', heldActions, 300, 600],
])('%s: a resumed run gives bit for bit what an unbroken one does', async (_, given, stop, end) => {
  const tensorsBefore = tf.memory().numTensors;
  const [whole, broken] = [join(folder, 'whole'), join(folder, 'broken')];
  await (await train({ ...given, steps: end, runDir: whole })).finish();
  await (await train({ ...given, steps: stop, runDir: broken })).finish();
  const summary = await (await resume({ steps: end, runDir: broken })).finish();
  expect(summary.position).toBe(end);

  const file = (runDir: string, name: string) => readFileSync(join(runDir, 'checkpoints', String(end), name));
  expect(JSON.parse(file(broken, 'state.json').toString())).toEqual(JSON.parse(file(whole, 'state.json').toString()));
  expect(file(broken, 'state.safetensors').equals(file(whole, 'state.safetensors'))).toBe(true);
  expect(numbersOf(broken)).toEqual(numbersOf(whole));
  expect(numbersOf(whole).some((line) => 'episodeReturn' in line)).toBe(true);
  expect(numbersOf(whole).some((line) => 'loss' in line)).toBe(true);
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

test('what was written after the last checkpoint is written again, once', async () => {
  const runDir = join(folder, 'run');
  const run = await train({ ...cartPole, steps: 500, checkpointPeriodSteps: 200, keepCheckpoints: 5, runDir });
  await run.finish();
  const expected = numbersOf(runDir);
  // As after a kill -9 at step 500: the newest checkpoint is older than the metrics.
  rmSync(join(runDir, 'checkpoints', '500'), { recursive: true });
  await (await resume({ runDir })).finish();
  expect(numbersOf(runDir)).toEqual(expected);
});

test('periodic checkpoints stay however often a run is stopped: one of a stop makes way', async () => {
  const runDir = join(folder, 'run');
  const made = { steps: 500, checkpointPeriodSteps: 100, keepCheckpoints: 3 };
  const stops = [130, 150, 310, 390];
  for (const [i, stop] of stops.entries()) {
    const controller = new AbortController();
    const { signal } = controller;
    const run = await (i === 0 ? train({ ...cartPole, ...made, runDir, signal }) : resume({ runDir, signal }));
    for await (const { position } of run) if (position === stop) controller.abort();
    expect((await run.folder!.checkpoints.list()).map(({ step }) => step)).toEqual(
      [
        [100, 130],
        [100, 150],
        [200, 300, 310],
        [200, 300, 390],
      ][i],
    );
  }
  const last = await resume({ runDir });
  await last.finish();
  expect((await last.folder!.checkpoints.list()).map(({ step }) => step)).toEqual([300, 400, 500]);
});

test('an interrupted run saves and can be resumed; a finished one has nothing left to do', async () => {
  const runDir = join(folder, 'run');
  const controller = new AbortController();
  const run = await train({ ...cartPole, steps: 600, runDir, signal: controller.signal });
  for await (const { position } of run) if (position === 250) controller.abort();
  const summary = run.summary();
  expect(summary).toMatchObject({ interrupted: true, position: 250 });
  expect((await (await resume({ runDir })).finish()).position).toBe(600);
  expect(await (await resume({ runDir })).finish()).toMatchObject({ position: 600, interrupted: false });
});

test('a run from before exploration was a setting goes on as it was', async () => {
  const [whole, broken] = [join(folder, 'whole'), join(folder, 'broken')];
  await (await train({ ...cartPole, steps: 400, runDir: whole })).finish();
  await (await train({ ...cartPole, steps: 200, runDir: broken })).finish();
  const description = JSON.parse(readFileSync(join(broken, 'config.json'), 'utf8'));
  for (const key of ['exploration', 'holdExponent', 'longestHoldSteps']) {
    expect(description.settings).toHaveProperty(key);
    delete description.settings[key];
  }
  writeFileSync(join(broken, 'config.json'), JSON.stringify(description));
  await (await resume({ steps: 400, runDir: broken })).finish();
  expect(numbersOf(broken)).toEqual(numbersOf(whole));
});

test('a run that is stopped while its environments do not answer goes on in the midst of that step', async () => {
  const [whole, broken] = [join(folder, 'whole'), join(folder, 'broken')];
  const given = { ...heldActions, steps: 600 };
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
    setTimeout(() => controller.abort(), 1); // when the next step has sent its actions and made its updates
  }
  const summary = run.summary();
  expect(summary).toMatchObject({ interrupted: true, position: 300 });
  const agent = JSON.parse(readFileSync(join(broken, 'checkpoints/300/state.json'), 'utf8'));
  expect(agent.underWay).toMatchObject({ actions: [expect.any(Number), expect.any(Number)] });
  await (await resume({ runDir: broken })).finish();
  expect(numbersOf(broken)).toEqual(numbersOf(whole));
});

test('settings that decide what is learned cannot be changed on resume', async () => {
  const runDir = join(folder, 'run');
  await (await train({ ...cartPole, steps: 120, runDir })).finish();
  await expect(resume({ seed: 2, runDir })).rejects.toThrow(
    'seed 2: a resumed run keeps its settings, and this one has 1',
  );
});
