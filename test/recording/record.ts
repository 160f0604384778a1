import { type EnvSettings, type FinishedEpisode, makeVectorEnv, type VectorEnvOptions } from 'gymnasium-js-bridge';
import { Generator } from '../../src/random/generator.ts';
import { EpisodeRecorder, type EpisodeRecording } from '../../src/recording/index.ts';

/** What the training loop asks of the bridge. */
export const ATARI: Partial<EnvSettings> = { frameStack: 1, stickyActionProbability: 0.25, maxNoops: 30 };

/**
 * Plays with random actions until environment `lane` has finished `episodes` episodes.
 *
 * @returns their recordings
 */
export async function recordRandomPlay(
  options: VectorEnvOptions,
  { lane = 0, episodes = 1, actor = {} }: { lane?: number; episodes?: number; actor?: EpisodeRecording['actor'] } = {},
): Promise<EpisodeRecording[]> {
  const generator = new Generator(options.seed ?? 0, 'random play');
  const env = await makeVectorEnv(options);
  try {
    const recorder = new EpisodeRecorder(env, actor);
    const size = env.observationSpace.shape.reduce((a, b) => a * b, 1);
    const recordings: EpisodeRecording[] = [];
    recorder.start((await env.reset()).observations.subarray(lane * size, (lane + 1) * size));
    while (recordings.length < episodes) {
      const actions = Array.from({ length: env.numEnvs }, () => generator.integer(env.actionSpace.n));
      const { observations, rewards, finished } = await env.step(actions);
      const observation = observations.subarray(lane * size, (lane + 1) * size);
      const episode: FinishedEpisode | undefined = finished.find(({ env: index }) => index === lane);
      recorder.step(actions[lane], rewards[lane], episode?.finalObservation ?? observation);
      if (episode) {
        recordings.push(recorder.finish(episode));
        recorder.start(observation);
      }
    }
    return recordings;
  } finally {
    await env.close();
  }
}
