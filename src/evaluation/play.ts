import { EnvClosedError, type FinishedEpisode, type ObservationArray, type VectorEnv } from 'gymnasium-js-bridge';
import { asFrames, FrameStacks } from '../experience/index.ts';
import { deriveSeed, Generator } from '../random/index.ts';
import type { FrameArray } from '../replay/index.ts';
import { afterGrace } from '../runs/stop.ts';

/** Chooses actions for stacked states [n, frameStack, ...frameShape]. */
export type Policy = (states: FrameArray) => ArrayLike<number>;

/** Hears every step of an episode, to record it. */
export interface EpisodeListener {
  /** Called once, before the first step. */
  start(firstObservation: ObservationArray): void;
  /**
   * Called with each action, the unclipped reward and the observation that it led to, `finalObservation` in the
   * last one.
   */
  step(action: number, reward: number, observation: ObservationArray): void;
  /** Called once, at the end. */
  finish(episode: FinishedEpisode): unknown;
}

/** What is played: environments, a policy, and how many episodes. */
export interface PlayOptions {
  env: VectorEnv;
  policy: Policy;
  episodes: number;
  /** Decides each episode's start and random actions. */
  seed: number;
  /** Probability of a random action. */
  epsilon: number;
  frameStack: number;
  frameShape: readonly number[];
  /** Made for each episode, numbered from 0, where given. */
  listen?: (episode: number) => EpisodeListener;
  /** Hears of each episode that has ended, and its number, from 0 on. */
  onEpisode?: (episode: FinishedEpisode, number: number) => void;
  signal?: AbortSignal;
}

/** Seed that evaluation episode `number` is reset with. */
function evaluationSeed(seed: number, number: number): number {
  return deriveSeed(seed, `evaluation episode ${number}`);
}

/**
 * Plays whole episodes with a policy that does not learn. Environment i plays episodes i, i + numEnvs, ...; each has
 * its own seed and random numbers, so the same seed gives the same scores.
 * @returns The first episodes in their order: all that were asked for, or, where it was asked to stop, those before the
 *   first that had not ended. So what is left does not lean to short episodes.
 */
export async function playEpisodes(options: PlayOptions): Promise<FinishedEpisode[]> {
  const { env, policy, episodes, seed, epsilon, listen } = options;
  const { numEnvs } = env;
  const dtype = env.observationSpace.dtype === 'uint8' ? 'uint8' : 'float32';
  const stacks = new FrameStacks(numEnvs, options.frameStack, options.frameShape, dtype);
  const numbers = Array.from({ length: numEnvs }, (_, lane) => lane);
  const generators = numbers.map((number) => new Generator(evaluationSeed(seed, number), 'actions'));
  const listeners = numbers.map((number) => (number < episodes ? listen?.(number) : undefined));
  const finished = new Array<FinishedEpisode | undefined>(episodes).fill(undefined);
  let left = episodes;

  const observationOf = (observations: ObservationArray, lane: number) => {
    const size = observations.length / numEnvs;
    return observations.subarray(lane * size, (lane + 1) * size);
  };
  const first = await env.reset({ seeds: numbers.map((number) => evaluationSeed(seed, number)) });
  for (let lane = 0; lane < numEnvs; lane++) {
    const observation = observationOf(first.observations, lane);
    stacks.push(lane, asFrames(observation, dtype), true);
    listeners[lane]?.start(observation);
  }

  // The environments end where a request to stop finds that they do not answer.
  const forget = afterGrace(options.signal, () => void env.close());
  while (left > 0 && options.signal?.aborted !== true) {
    const greedy = policy(stacks.states);
    const actions = generators.map((random, lane) =>
      random.uniform() < epsilon ? random.integer(env.actionSpace.n) : greedy[lane],
    );
    const nextSeeds = numbers.map((number) => evaluationSeed(seed, number + numEnvs));
    const result = await env.step(actions, { nextSeeds }).catch((error) => {
      if (!(error instanceof EnvClosedError)) throw error;
    });
    if (result === undefined) break;
    for (let lane = 0; lane < numEnvs; lane++) {
      const observation = observationOf(result.observations, lane);
      const episode = result.finished.find((candidate) => candidate.env === lane);
      listeners[lane]?.step(actions[lane], result.rewards[lane], episode?.finalObservation ?? observation);
      stacks.push(lane, asFrames(observation, dtype), episode !== undefined);
      if (episode === undefined) continue;
      const number = numbers[lane];
      if (number < episodes) {
        listeners[lane]?.finish(episode);
        finished[number] = episode;
        left -= 1;
        options.onEpisode?.(episode, number);
      }
      numbers[lane] += numEnvs;
      generators[lane] = new Generator(nextSeeds[lane], 'actions');
      listeners[lane] = numbers[lane] < episodes ? listen?.(numbers[lane]) : undefined;
      listeners[lane]?.start(observation);
    }
  }
  forget();
  const missing = finished.indexOf(undefined);
  return finished.slice(0, missing === -1 ? episodes : missing) as FinishedEpisode[];
}
