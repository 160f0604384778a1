import {
  type FinishedEpisode,
  makeVectorEnv,
  optionsFrom,
  type StepResult,
  type VectorEnvOptions,
} from 'gymnasium-js-bridge';
import { describe, expect, test } from 'vitest';
import {
  actionTable,
  closing,
  play,
  playInPython,
  rowOf,
  sha256,
  type Trace,
  useOwnTemporaryFolder,
} from './helpers.ts';

useOwnTemporaryFolder();

const endedEpisodes = (trace: Trace) => trace.steps.flat().filter((record) => record[5] !== null).length;

/** The part of a trace that belongs to one environment. */
const column = (trace: Trace, env: number) => [trace.first[env], ...trace.steps.map((records) => records[env])];

describe('against Python without the bridge', () => {
  test.each<[string, VectorEnvOptions, number, number]>([
    ['Breakout with sticky actions', { game: 'Breakout', numEnvs: 2, seed: 5, stickyActionProbability: 0.25 }, 300, 2],
    [
      'Pong cut off after 400 frames',
      { game: 'Pong', numEnvs: 2, seed: 6, maxEpisodeFrames: 401, frameStack: 1 },
      250,
      4,
    ],
    [
      'Seaquest in colour',
      { game: 'Seaquest', seed: 7, grayscale: false, height: 210, width: 160, fireReset: true },
      60,
      0,
    ],
    ['CartPole', { id: 'CartPole-v1', numEnvs: 3, seed: 8 }, 300, 10],
    ['CartPole cut off after 7 steps', { id: 'CartPole-v1', seed: 9, maxEpisodeSteps: 7 }, 50, 7],
    ['MountainCar', { id: 'MountainCar-v0', seed: 10 }, 250, 1],
  ])('plays %s with the same frames, rewards, flags, lives and lengths', async (_, options, steps, leastEpisodes) => {
    const env = closing(await makeVectorEnv(options));
    const actions = actionTable(steps, env.numEnvs, env.actionSpace.n);
    const trace = await play(env, actions);
    expect(endedEpisodes(trace)).toBeGreaterThanOrEqual(leastEpisodes);
    expect(trace).toEqual(playInPython(env.settings, options.seed!, actions));
  });
});

describe('seeds', () => {
  test('gives bit-equal streams on 1 and 2 threads, and to environment i however many there are', async () => {
    const options = { game: 'Breakout', seed: 11, stickyActionProbability: 0.25, frameStack: 1 };
    const actions = actionTable(300, 3, 4);
    const traces: Trace[] = [];
    for (const shape of [{ numEnvs: 3, numThreads: 1 }, { numEnvs: 3, numThreads: 2 }, { numEnvs: 1 }]) {
      const env = closing(await makeVectorEnv({ ...options, ...shape }));
      traces.push(
        await play(
          env,
          actions.map((row) => row.slice(0, env.numEnvs)),
        ),
      );
    }
    const [one, two, single] = traces as [Trace, Trace, Trace];
    expect(endedEpisodes(one)).toBeGreaterThan(0);
    expect(two).toEqual(one);
    expect(column(single, 0)).toEqual(column(one, 0));
    expect(column(one, 1)).not.toEqual(column(one, 0));
  });

  test('gives other episodes to another run seed', async () => {
    const starts: string[] = [];
    for (const seed of [1, 2]) {
      const env = closing(await makeVectorEnv({ id: 'CartPole-v1', seed }));
      starts.push(sha256((await env.reset()).observations));
    }
    expect(starts[0]).not.toBe(starts[1]);
  });

  test('plays an episode again, bit for bit, from its settings, seed and actions in a fresh sidecar', async () => {
    const env = closing(await makeVectorEnv({ game: 'Breakout', numEnvs: 2, seed: 12, stickyActionProbability: 0.25 }));
    await env.reset();
    const frames: string[][] = [[], []];
    const actions: number[][] = [[], []];
    let episode: StepResult['finished'][number] | undefined;
    // The second episode of environment 1: it began with a reset in mid-stream.
    for (const row of actionTable(1000, 2, 4)) {
      const { observations, finished } = await env.step(row);
      for (const i of [0, 1]) {
        actions[i]!.push(row[i]!);
        const ended = finished.find((f) => f.env === i);
        frames[i]!.push(sha256(ended?.finalObservation ?? rowOf(observations, i, 2)));
        if (!ended) continue;
        if (i === 1 && ended.index === 1) episode = ended;
        else [frames[i], actions[i]] = [[], []];
      }
      if (episode) break;
    }
    expect(episode).toBeDefined();
    const { seed, lengthSteps, lengthFrames } = episode!;
    expect(actions[1]!.length).toBe(lengthSteps);

    const again = closing(await makeVectorEnv(optionsFrom(env.settings)));
    expect((await again.reset({ seeds: [seed] })).seeds).toEqual([seed]);
    const replayed: string[] = [];
    for (const action of actions[1]!) {
      const { observations, finished } = await again.step([action]);
      replayed.push(sha256(finished[0]?.finalObservation ?? observations));
      if (finished[0]) {
        expect(finished[0]).toMatchObject({
          seed,
          lengthSteps,
          lengthFrames,
          return: episode!.return,
          terminated: true,
        });
      }
    }
    expect(replayed).toEqual(frames[1]);
  });

  test('goes on with the same episodes from a saved state', async () => {
    const options = { id: 'CartPole-v1', numEnvs: 2, seed: 13 };
    const first = closing(await makeVectorEnv(options));
    const { seeds } = await first.reset();
    const ended: FinishedEpisode[] = [];
    for (const row of actionTable(60, 2, 2)) ended.push(...(await first.step(row)).finished);
    expect(ended.length).toBeGreaterThan(2);
    const state = first.getState();
    expect(state.episodesStarted).toEqual([0, 1].map((env) => 1 + ended.filter((f) => f.env === env).length));
    const next = await first.reset();

    const second = closing(await makeVectorEnv(options));
    second.setState(JSON.parse(JSON.stringify(state)));
    expect(await second.reset()).toEqual(next);
    second.setState({ episodesStarted: [0, 0] });
    expect((await second.reset()).seeds).toEqual(seeds);
  });
});

describe('ends of episodes', () => {
  test('flags the frame limit as truncated, not terminated, and counts frames with the no-op start', async () => {
    const env = closing(await makeVectorEnv({ game: 'Pong', maxEpisodeFrames: 100, maxNoops: 0, seed: 1 }));
    await env.reset();
    let result = await env.step([0]);
    for (let step = 2; step <= 25; step++) {
      expect([...result.truncated, ...result.terminated]).toEqual([0, 0]);
      result = await env.step([0]);
    }
    expect([...result.truncated, ...result.terminated]).toEqual([1, 0]);
    expect(result.finished).toHaveLength(1);
    expect(result.finished[0]).toMatchObject({
      truncated: true,
      terminated: false,
      lengthSteps: 25,
      lengthFrames: 100,
    });
    // The next episode starts with one frame and nothing before it; the last one ended with four.
    const frames = (stack: ArrayLike<number>) =>
      [0, 1, 2, 3].map((i) =>
        Array.from(stack)
          .slice(i * 7056, (i + 1) * 7056)
          .some((pixel) => pixel > 0),
      );
    expect(frames(result.finished[0]!.finalObservation)).toEqual([true, true, true, true]);
    expect(frames(result.observations)).toEqual([false, false, false, true]);
  });

  test('keeps the score unclipped, tells a lost life without an end, and lives from before the reset', async () => {
    const env = closing(await makeVectorEnv({ game: 'Breakout', seed: 2 }));
    let before = (await env.reset()).lives[0]!;
    expect(before).toBe(5);
    let lost = 0;
    let score = 0;
    for (const row of actionTable(2000, 1, 4)) {
      const { lives, rewards, finished } = await env.step(row);
      score += rewards[0]!;
      if (lives[0]! < before) lost++;
      before = lives[0]!;
      if (finished[0]) {
        expect(lives[0]).toBe(0);
        expect(finished[0].return).toBe(score);
        expect(finished[0].terminated).toBe(true);
        break;
      }
    }
    expect(lost).toBe(5);
  });

  test('resets the masked environments and leaves the others as they were', async () => {
    const options = { game: 'Breakout', numEnvs: 3, seed: 3, stickyActionProbability: 0.25, frameStack: 1 };
    const touched = closing(await makeVectorEnv(options));
    const untouched = closing(await makeVectorEnv(options));
    const seeds = (await touched.reset()).seeds;
    await untouched.reset();
    for (const [step, row] of actionTable(50, 3, 4).entries()) {
      const a = await touched.step(row);
      const b = await untouched.step(row);
      for (const env of [0, 2])
        expect(sha256(rowOf(a.observations, env, 3))).toBe(sha256(rowOf(b.observations, env, 3)));
      if (step === 20) {
        const reset = await touched.reset({ mask: [false, true, false], seeds: [1, 77, 1] });
        expect(reset.seeds).toEqual([seeds[0], 77, seeds[2]]);
        for (const env of [0, 2]) {
          expect(sha256(rowOf(reset.observations, env, 3))).toBe(sha256(rowOf(a.observations, env, 3)));
        }
        expect(reset.lives[1]).toBe(5);
        expect(touched.getState().episodesStarted).toEqual([1, 2, 1]);
      }
    }
  });

  test('starts the next episode from the seed that was given for it', async () => {
    const env = closing(await makeVectorEnv({ id: 'bridge_test_envs:Counting-v0' }));
    await env.reset({ seeds: [41] });
    for (let step = 1; step < 10; step++) await env.step([1], { nextSeeds: [1000 + step] });
    const { observations, finished } = await env.step([2], { nextSeeds: [42] });
    expect(finished[0]).toMatchObject({ seed: 41, index: 0, lengthSteps: 10, lengthFrames: 10 });
    expect(finished[0]!.return).toBeCloseTo(9 / 3 + 2 / 3, 12);
    expect(finished[0]!.finalObservation[0]).toBe(10);
    const fresh = await env.reset({ seeds: [42] });
    expect(fresh.observations).toEqual(observations);
    expect(fresh.observations).toBeInstanceOf(Float64Array);
  });
});
