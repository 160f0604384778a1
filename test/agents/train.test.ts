// Training from a program: what is handed in, what is written, what is refused.
import '../node-backend.ts';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { CartPole, makeVectorEnv, vectorize } from 'gymnasium-js-bridge';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { agents, evaluate, resume, type TrainOptions, train } from '../../agents/index.ts';
import { Generator } from '../../src/random/index.ts';
import { readRecording, verifyRecording } from '../../src/recording/index.ts';
import { Replay, type ReplayOptions, uniformSampler } from '../../src/replay/index.ts';
import { readEvents } from '../../src/runs/index.ts';
import { numbersOf } from '../cli/run-folder.ts';

let folder: string;
let tensorsBefore: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'train-'));
  tensorsBefore = tf.memory().numTensors;
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

const small = {
  ...{ learningStarts: 60, hiddenUnits: [16], batchSize: 16, replayCapacity: 300, epsilonDecaySteps: 200 },
  ...{ logPeriodSteps: 100, steps: 300 },
} satisfies TrainOptions;
const cartPole = (seed = 1) => vectorize(() => new CartPole(), { numEnvs: 2, seed });

describe('an environment written in TypeScript', () => {
  test('trains, resumes bit for bit, evaluates and records like any other', async () => {
    const [whole, broken] = [join(folder, 'whole'), join(folder, 'broken')];
    await (await train({ ...small, env: cartPole(), runDir: whole, steps: 600 })).finish();
    await (await train({ ...small, env: cartPole(), runDir: broken })).finish();
    await (await resume({ runDir: broken, env: cartPole(), steps: 600 })).finish();
    expect(numbersOf(broken, 'numTensors')).toEqual(numbersOf(whole, 'numTensors'));
    const state = (runDir: string) => readFileSync(join(runDir, 'checkpoints/600/state.safetensors'));
    expect(state(broken).equals(state(whole))).toBe(true);

    const { episodes, environment } = await evaluate({ runDir: whole, env: cartPole(), episodes: 3, record: true });
    expect(environment).toBe('CartPole-v1');
    const recording = await readRecording(episodes[2].recording!);
    expect(recording.settings.kind).toBe('typescript');
    const again = await verifyRecording(recording, { env: vectorize(() => new CartPole()) });
    expect(again).toMatchObject({ equal: true });
  });

  test('has the numbers of the same one behind a sidecar', async () => {
    const [here, there] = [join(folder, 'here'), join(folder, 'there')];
    await (await train({ ...small, env: cartPole(), runDir: here })).finish();
    await (await train({ ...small, env: 'CartPole-v1', numEnvs: 2, runDir: there })).finish();
    expect(numbersOf(here, 'numTensors')).toEqual(numbersOf(there, 'numTensors'));
  });

  test('is asked for again where its run goes on', async () => {
    const runDir = join(folder, 'run');
    await (await train({ ...small, env: cartPole(), runDir })).finish();
    await expect(resume({ runDir, steps: 400 })).rejects.toThrow(
      `${runDir} is a run in CartPole-v1, an environment written in TypeScript: go on with it`,
    );
    await expect(evaluate({ runDir })).rejects.toThrow('from the program that has this environment');
  });

  test('decides nothing with its own seed: the run has one', async () => {
    const [one, other] = [join(folder, 'one'), join(folder, 'other')];
    await (await train({ ...small, env: cartPole(1), runDir: one })).finish();
    await (await train({ ...small, env: cartPole(99), runDir: other })).finish();
    expect(numbersOf(other, 'numTensors')).toEqual(numbersOf(one, 'numTensors'));
  });
});

describe('handed in', () => {
  test('a network is what learns, and its copies are asked for without normalization', async () => {
    const asked: unknown[] = [];
    const run = await train({
      ...small,
      env: 'CartPole-v1',
      network({ inputShape, outputs, normalization }) {
        asked.push([inputShape, outputs, normalization]);
        return tf.sequential({
          layers: [tf.layers.dense({ inputShape: [...inputShape], units: outputs, kernelInitializer: 'zeros' })],
        });
      },
    });
    const { latest } = await run.finish();
    expect(asked).toEqual([
      [[4], 2, 'weight'],
      [[4], 2, 'none'],
      [[4], 2, 'none'],
    ]);
    expect(latest.progress!.loss).toBeGreaterThan(0);
  });

  test('a loss and a replay take the place of the settings', async () => {
    let sampled = 0;
    const uniform = uniformSampler(new Generator(7, 'own'));
    const sampler = {
      ...uniform,
      sample: (...args: Parameters<typeof uniform.sample>) => {
        sampled += 1;
        uniform.sample(...args);
      },
    };
    const quartic = (errors: tf.Tensor1D) => errors.pow<tf.Tensor1D>(4);
    const replay = (options: ReplayOptions) => new Replay(options, sampler);
    const plain = await (await train({ ...small, env: 'CartPole-v1', replay })).finish();
    const own = await (await train({ ...small, env: 'CartPole-v1', loss: quartic })).finish();
    expect(sampled).toBe(plain.latest.progress!.updates);
    expect(own.latest.progress!.loss).not.toBeCloseTo(plain.latest.progress!.loss, 4);
  });

  test('environments stay open', async () => {
    const env = await makeVectorEnv({ id: 'CartPole-v1', numEnvs: 2 });
    await (await train({ ...small, env })).finish();
    expect((await env.reset()).seeds).toHaveLength(2);
    await env.close();
  });
});

test('without a folder nothing is written, and a run that is left closes its environments', async () => {
  const run = await train({ ...small, env: 'CartPole-v1' });
  for await (const { position } of run) if (position === 70) break;
  expect(run.summary()).toMatchObject({ position: 70, interrupted: true, checkpoint: undefined });
  expect(readdirSync(folder)).toEqual([]);
});

test('evaluations while it learns are on the same episodes, in lines of their own, and change no number', async () => {
  const [plain, watched] = [join(folder, 'plain'), join(folder, 'watched')];
  await (await train({ ...small, env: 'CartPole-v1', runDir: plain })).finish();
  const run = await train({
    ...{ ...small, env: 'CartPole-v1', runDir: watched, evaluationPeriodSteps: 150, evaluationEpisodes: 3 },
  });
  await run.finish();
  const events = await readEvents(join(watched, 'metrics.jsonl'));
  const evaluations = events.filter(({ kind }) => kind === 'evaluation');
  expect(evaluations.map(({ position, numbers: found }) => [position, found])).toEqual(
    [150, 300].map((position) => [position, expect.objectContaining({ episodes: 3, meanReturn: expect.any(Number) })]),
  );
  expect(numbersOf(watched, 'numTensors').filter(({ kind }) => kind !== 'evaluation')).toEqual(
    numbersOf(plain, 'numTensors'),
  );
  // What it found at the end is what evaluating the checkpoint finds, since the seed decides the episodes.
  const { meanReturn } = await evaluate({ runDir: watched, episodes: 3, seed: 1 });
  const found = evaluations.map(({ numbers }) => (numbers as Record<string, number>).meanReturn);
  expect(found[1]).toBe(meanReturn);

  // The best one stays, the first of equals, apart from the newest.
  const best = found[1] > found[0] ? 300 : 150;
  expect(readdirSync(join(watched, 'best'))).toEqual([String(best)]);
  expect(run.summary().numbers).toMatchObject({ bestMeanReturn: Math.max(...found), bestAgentSteps: best });
  expect(await evaluate({ runDir: watched, episodes: 3, seed: 1, checkpoint: 'best' })).toMatchObject({
    ...{ meanReturn: Math.max(...found), checkpointAgentSteps: best, isBest: true },
  });
  await expect(evaluate({ runDir: plain, checkpoint: 'best' })).rejects.toThrow('has no best checkpoint yet');
});

test('training episodes are recorded every so often, and play again', async () => {
  const runDir = join(folder, 'run');
  await (
    await train({
      ...{ ...small, game: 'Pong', numEnvs: 2, maxEpisodeFrames: 200, learningStarts: 200, steps: 600, runDir },
      recordPeriodEpisodes: 2,
    })
  ).finish();
  const files = readdirSync(join(runDir, 'recordings')).sort();
  expect(files.length).toBeGreaterThanOrEqual(2);
  const recording = await readRecording(join(runDir, 'recordings', files[0]));
  expect(recording.seed).toBeGreaterThan(0);
  expect((await verifyRecording(recording)).difference).toBeUndefined();
});

test('a setting that will not do is data: key, value, reason, mend', async () => {
  const runDir = join(folder, 'run');
  const failing = (options: TrainOptions) => expect(train({ runDir, ...options })).rejects;
  await failing({}).toMatchObject({ name: 'SettingError', key: 'game', value: undefined });
  await failing({ env: 'CartPole-v1', learningRate: -1 }).toMatchObject({ key: 'learningRate', value: -1 });
  await failing({ env: 'CartPole-v1', learningStarts: 1 }).toMatchObject({
    message: 'learningStarts 1 is too early: 1 environments and 3-step returns need at least 5 agent steps',
  });
  await failing({ env: 'CartPole-v1', stepz: 5 } as TrainOptions).toMatchObject({
    message: 'stepz 5 is no setting of dqn: did you mean steps?',
  });
  await failing({ env: 'CartPole-v1', agent: 'dnq' }).toMatchObject({
    message: `agent dnq is unknown, did you mean dqn?; there are ${Object.keys(agents).join(', ')}`,
  });
  await failing({ env: 'CartPole-v1', network: 'nature' }).toMatchObject({
    message:
      'network nature: its convolutions take images [height, width] or [height, width, channels], and this ' +
      'environment shows [4]; give network mlp',
  });
  expect(existsSync(runDir)).toBe(false);
});
