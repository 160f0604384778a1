// What agents make of environments: images of any kind, limits, options, and what they refuse.
import '../node-backend.ts';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { type Env, makeVectorEnv, vectorize } from 'gymnasium-js-bridge';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { dqnPresets } from '../../agents/dqn/presets.ts';
import { evaluate, networkInput, resume, type TrainOptions, train } from '../../agents/index.ts';
import { checkReplay } from '../../src/agent/value-settings.ts';
import { Experience } from '../../src/experience/index.ts';
import { Generator } from '../../src/random/index.ts';
import { readRecording, verifyRecording } from '../../src/recording/index.ts';
import { Replay, type ReplayOptions, uniformSampler } from '../../src/replay/index.ts';
import type { StoredTensors } from '../../src/runs/trainable.ts';
import { testEnvironments } from '../processes.ts';

let folder: string;
const savedPath = process.env.PYTHONPATH;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agents-'));
  process.env.PYTHONPATH = [testEnvironments, savedPath].filter(Boolean).join(delimiter);
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  if (savedPath === undefined) delete process.env.PYTHONPATH;
  else process.env.PYTHONPATH = savedPath;
});

const id = (name: string) => `bridge_test_envs:${name}-v0`;
const small = {
  ...{ learningStarts: 40, hiddenUnits: [8], batchSize: 4, replayCapacity: 100, updatePeriodSteps: 10, steps: 60 },
  ...{ logPeriodSteps: 20, numEnvs: 1, replayCompression: 'none' },
} satisfies TrainOptions;
const config = (runDir: string) => JSON.parse(readFileSync(join(runDir, 'config.json'), 'utf8'));

/** An environment in TypeScript that shows images of one value. */
const images = (shape: number[], dtype: 'uint8' | 'float32', high: number, value: number) => (): Env => {
  const observation = new Array(shape.reduce((a, b) => a * b, 1)).fill(value);
  return {
    ...{ id: 'Images', observationSpace: { kind: 'box', shape, dtype, low: 0, high } },
    ...{ actionSpace: { kind: 'discrete', n: 2 }, maxEpisodeSteps: 10 },
    reset: () => observation,
    step: () => ({ observation, reward: 1, terminated: false }),
  };
};

describe('images', () => {
  test('in colour are stacked by channels, the oldest first, and learned from', async () => {
    const { latest } = await (await train({ ...small, env: id('Image'), network: 'nature', frameStack: 2 })).finish();
    expect(latest.progress!.loss).toBeGreaterThanOrEqual(0);
    const network = tf.sequential({ layers: [tf.layers.flatten({ inputShape: [2, 2, 4] })] });
    const states = tf.range(0, 16).reshape([1, 2, 2, 2, 2]); // [n, k, h, w, c]
    const stacked = networkInput(network, states).arraySync() as number[][][][];
    expect(stacked[0][0][0]).toEqual([0, 1, 8, 9]);
    expect(stacked[0][1][1]).toEqual([6, 7, 14, 15]);
    network.dispose();
  });

  test.each([
    ['bytes from 0 to 255', 'uint8', 255],
    ['floats from 0 to 1', 'float32', 1],
    ['bytes from 0 to 4', 'uint8', 4],
  ] as const)('of %s are scaled to [0, 1] by their bounds', async (_, dtype, high) => {
    const env = vectorize(images([40, 40, 3], dtype, high, high));
    const run = await train({ ...small, env, network: 'nature', frameStack: 1, steps: 20 });
    const network = run.trainable as unknown as { currentNetwork(): tf.LayersModel };
    const scale = network.currentNetwork().getLayer('scale');
    tf.tidy(() => {
      const scaled = scale.apply(tf.fill([1, 40, 40, 3], high)) as tf.Tensor;
      expect(scaled.max().arraySync()).toBeCloseTo(1);
      expect((scale.apply(tf.zeros([1, 40, 40, 3])) as tf.Tensor).min().arraySync()).toBe(0);
    });
    await run.finish();
  });

  test.each([
    ['too small', [16, 16, 3], 'network nature: its convolutions take images of at least 36 x 36 with padding valid'],
    ['a vector', [4], 'network nature: its convolutions take images [height, width] or [height, width, channels]'],
    ['of four axes', [2, 40, 40, 3], 'and this environment shows [2,40,40,3]; give network mlp'],
  ])('%s: the network that fits is named', async (_, shape, message) => {
    const env = vectorize(images(shape, 'float32', 1, 1));
    await expect(train({ ...small, env, network: 'nature' })).rejects.toThrow(message);
    const { position } = await (await train({ ...small, env, network: 'mlp', steps: 50 })).finish();
    expect(position).toBe(50);
  });

  test('with infinite bounds cannot be scaled', async () => {
    const env = vectorize(images([40, 40], 'float32', Infinity, 1));
    await expect(train({ ...small, env, network: 'nature' })).rejects.toThrow('those of this environment are infinite');
  });

  test('that are small are taken with padding same', async () => {
    const env = vectorize(images([16, 16, 3], 'uint8', 255, 9));
    const run = await train({ ...small, env, network: 'nature', padding: 'same', steps: 50 });
    expect((await run.finish()).position).toBe(50);
  });
});

describe('names', () => {
  test('a game has one name in config.json, however it is spelled', async () => {
    for (const [i, game] of ['Pong', 'ALE/Pong-v5', 'PongNoFrameskip-v4'].entries()) {
      const runDir = join(folder, String(i));
      await (await train({ ...small, learningStarts: 50, steps: 8, game, runDir })).finish();
      expect(config(runDir).settings.game).toBe('Pong');
    }
  });

  test('an id without a version is stored with it', async () => {
    const runDir = join(folder, 'run');
    await (await train({ ...small, env: 'CartPole', runDir })).finish();
    expect(config(runDir).settings.envId).toBe('CartPole-v1');
    expect((await (await resume({ runDir, steps: 80 })).finish()).position).toBe(80);
  });

  test('environments of a game that stack frames themselves are refused with the mend', async () => {
    const env = await makeVectorEnv({ game: 'Pong' });
    await expect(train({ ...small, env })).rejects.toThrow('make it with frameStack 1');
    await env.close();
  });

  test('an environment in TypeScript may be called as a game is', async () => {
    const env = vectorize(() => ({ ...images([3], 'float32', 1, 1)(), id: 'Pong' }));
    expect((await (await train({ ...small, env })).finish()).position).toBe(60);
  });
});

describe('options and limits', () => {
  test('go into config.json, evaluations and recordings', async () => {
    const runDir = join(folder, 'run');
    const envOptions = { size: 3, label: 'abc' };
    await (await train({ ...small, env: id('Sized'), envOptions, maxEpisodeSteps: 6, runDir })).finish();
    expect(config(runDir).settings).toMatchObject({ envOptions, maxEpisodeSteps: 6 });
    await (await resume({ runDir, trustModules: true, steps: 80 })).finish();
    const { episodes, settings } = await evaluate({ runDir, trustModules: true, episodes: 2 });
    expect(settings).toMatchObject({ envOptions, maxEpisodeSteps: 6 });
    for (const { lengthSteps, truncated } of episodes)
      expect({ lengthSteps, truncated }).toEqual({ lengthSteps: 6, truncated: true });
  });

  test('of environments that were handed in are kept, for who goes on without them', async () => {
    const runDir = join(folder, 'run');
    const env = await makeVectorEnv({ id: id('Sized'), envOptions: { size: 3 } });
    await (await train({ ...small, env, runDir })).finish();
    await env.close();
    expect(config(runDir).settings.envOptions).toEqual({ size: 3 });
    expect((await (await resume({ runDir, trustModules: true, steps: 80 })).finish()).position).toBe(80);
  });

  test('of a recording make its environment again', async () => {
    const runDir = join(folder, 'run');
    await (await train({ ...small, env: 'CartPole-v1', envOptions: { sutton_barto_reward: true }, runDir })).finish();
    const { episodes } = await evaluate({ runDir, trustModules: true, episodes: 1, record: true, maxEpisodeSteps: 7 });
    const recording = await readRecording(episodes[0].recording!);
    expect(recording.settings).toMatchObject({ envOptions: { sutton_barto_reward: true }, maxEpisodeSteps: 7 });
    expect(recording.rewards[0]).toBe(0); // as Sutton and Barto have it, where Gymnasium's own is 1
    expect(await verifyRecording(recording)).toMatchObject({ equal: true });
  });

  test.each([
    ['an environment that never ends', { env: id('Endless') }],
    ['a game', { game: 'Pong', learningStarts: 50 }],
  ] as const)('cut %s off, in training and in evaluation', async (_, given) => {
    const runDir = join(folder, 'run');
    const lengths: number[] = [];
    const run = await train({ ...small, ...given, maxEpisodeSteps: 20, runDir });
    for await (const { result } of run) for (const { lengthSteps } of result.finished) lengths.push(lengthSteps);
    expect(lengths).toEqual([20, 20, 20]);
    const { episodes } = await evaluate({ runDir, trustModules: true, episodes: 1, maxEpisodeSteps: 15 });
    expect(episodes[0]).toMatchObject({ lengthSteps: 15, truncated: true });
  });

  test.each<[TrainOptions, string]>([
    [{ env: 'CartPole-v1', stickyActionProbability: 0.25 }, 'does nothing with envId CartPole-v1: leave it out'],
    [{ env: 'CartPole-v1', maxNoops: 0 }, 'maxNoops 0 does nothing with envId CartPole-v1'],
    [{ env: 'CartPole-v1', maxEpisodeFrames: 100 }, 'does nothing with envId CartPole-v1: give maxEpisodeSteps'],
    [{ game: 'Pong', envOptions: { a: 1 } }, 'envOptions {"a":1} does nothing with game Pong'],
    [{ env: 'ALE/Pong-v5' }, 'envId ALE/Pong-v5 names an Atari game: give game Pong'],
    [{ env: 'PongNoFrameskip-v4' }, 'envId PongNoFrameskip-v4 names an Atari game: give game Pong'],
    [{ env: 'Pong' }, 'envId Pong names an Atari game: give game Pong'],
    [{ game: 'CartPole-v1' }, 'game CartPole-v1 names no Atari game: give envId CartPole-v1'],
    [{ env: id('OneAction') }, 'has 1 action, so there is nothing to choose'],
  ])('%j is refused', async (options, message) => {
    await expect(train(options)).rejects.toThrow(message);
  });

  test('a limit for environments that were handed in does nothing', async () => {
    const env = vectorize(images([3], 'float32', 1, 1));
    await expect(train({ ...small, env, maxEpisodeSteps: 5 })).rejects.toThrow('give it to vectorize');
    const runDir = join(folder, 'run');
    await (await train({ ...small, env, runDir })).finish();
    await expect(evaluate({ runDir, env, maxEpisodeSteps: 5 })).rejects.toThrow('give it to vectorize');
    await expect(evaluate({ runDir, env, maxEpisodeFrames: 5 })).rejects.toThrow('give maxEpisodeSteps');
  });
});

describe('observations of other types than the replay', () => {
  test.each(['int32', 'float64', 'int64', 'float32'])('%s: a truncated episode keeps its last one', async (dtype) => {
    const env = await makeVectorEnv({ id: id('Typed'), envOptions: { dtype }, maxEpisodeSteps: 3 });
    const options: ReplayOptions = {
      ...{ capacity: 40, lanes: 1, frameShape: [2], dtype: 'float32', frameStack: 1, nStep: 1, discount: 1 },
      ...{ batchSize: 1, replayCompression: 'delta' },
    };
    const replay = new Replay(options, uniformSampler(new Generator(1, 'sampling')));
    const experience = new Experience(env, replay, { clipRewards: false, lifeLossTerminates: false, seed: 1 });
    await experience.begin();
    for (let step = 0; step < 6; step++) experience.record([1], await env.step([1]));
    const seen = new Map<number, number[]>();
    for (let draw = 0; draw < 100; draw++) {
      const { states, nextStates } = replay.sample();
      seen.set(states[0], [...nextStates]);
    }
    expect(seen).toEqual(
      new Map(
        [
          [0, [10, 20]],
          [10, [20, 40]],
          [20, [30, 60]],
        ].map(([a, b]) => [a, b] as [number, number[]]),
      ),
    );
    await env.close();
  });
});

describe('randomness that reset(seed) does not decide', () => {
  test('is noticed in any frame of the replay, with the likely cause', async () => {
    const runDir = join(folder, 'run');
    await (await train({ ...small, env: id('PartlySeeded'), runDir })).finish();
    await expect(resume({ runDir, trustModules: true, steps: 80 })).rejects.toThrow(
      'most likely the environment draws random numbers that reset(seed) does not decide',
    );
  });

  test('is looked for as it was where a run is from before the frames were', async () => {
    const make = async () => {
      const env = await makeVectorEnv({ id: id('PartlySeeded') });
      onTestFinished(() => env.close());
      const options: ReplayOptions = {
        ...{ capacity: 40, lanes: 1, frameShape: [2], dtype: 'float32', frameStack: 1, nStep: 1, discount: 1 },
        ...{ batchSize: 1 },
      };
      const replay = new Replay(options, uniformSampler(new Generator(1, 'sampling')));
      return {
        env,
        experience: new Experience(env, replay, { clipRewards: false, lifeLossTerminates: false, seed: 1 }),
      };
    };
    const { env, experience } = await make();
    await experience.begin();
    for (let step = 0; step < 8; step++) experience.record([1], await env.step([1]));
    const { values, tensors } = experience.getState();
    const stored = Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => [name, { ...tensor, data: [tensor.data].flat()[0] }]),
    ) as unknown as StoredTensors;
    expect(values.framesDigest).toMatch(/^[0-9a-f]{64}$/);
    await expect((await make()).experience.setState({ values, tensors: stored })).rejects.toThrow('reset(seed)');
    const { framesDigest, ...before } = values;
    await (await make()).experience.setState({ values: before, tensors: stored });
    const otherDigest = { ...before, digest: '0'.repeat(64) };
    await expect((await make()).experience.setState({ values: otherDigest, tensors: stored })).rejects.toThrow(
      'reset(seed)',
    );
  });
});

describe('a replay', () => {
  const settings = { ...dqnPresets['classic-control'].settings, numEnvs: 2 };
  test.each([
    [{ nStep: 1000, learningStarts: 2010 }, 'learningStarts'],
    [{ nStep: 1000, learningStarts: 50_000, replayCapacity: 2010 }, 'replayCapacity'],
  ])('that finds a transition by luck alone is refused: %j', (given, key) => {
    expect(checkReplay({ ...settings, ...given })).toMatchObject({ key });
    expect(checkReplay({ ...settings, nStep: 1000, learningStarts: 2200, replayCapacity: 2200 })).toBeUndefined();
  });

  test('of a library user is refused too', () => {
    const options = { capacity: 1010, lanes: 1, frameShape: [1], dtype: 'float32', frameStack: 1 } as const;
    const make = () =>
      new Replay({ ...options, nStep: 1000, discount: 1, batchSize: 1 }, uniformSampler(new Generator(1, 'sampling')));
    expect(make).toThrow('too small for 1000-step returns: each needs at least 1054');
  });
});
