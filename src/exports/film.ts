// One episode of an exported agent, to show what it does.
import type * as tf from '@tensorflow/tfjs';
import type { AnyAgentDefinition } from '../agent/definition.ts';
import { makeEnv } from '../agent/environment.ts';
import { protocolOf, protocols } from '../agent/evaluate.ts';
import type { NetworkFactory } from '../agent/networks.ts';
import { createPlayer } from '../agent/player.ts';
import type { AgentSettings } from '../agent/settings.ts';
import { stateOptions } from '../agent/states.ts';
import { playEpisodes } from '../evaluation/index.ts';
import type { EpisodeRecording } from '../recording/episode-file.ts';
import { EpisodeRecorder } from '../recording/recorder.ts';
import { renderMp4 } from '../recording/video.ts';
import { InterruptedError } from '../runs/errors.ts';

/** Decides the episode. */
const SEED = 1;

export interface FilmOptions {
  readonly definition: AnyAgentDefinition;
  readonly settings: AgentSettings;
  /** Gives the network its weights. */
  readonly load: (network: tf.LayersModel) => void;
  readonly network?: NetworkFactory | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly note?: ((line: string) => void) | undefined;
}

/** What was filmed. */
export interface FilmedEpisode {
  /** Sum of the unclipped rewards. */
  readonly return: number;
  readonly lengthFrames: number;
}

/**
 * Plays one greedy episode of an Atari game, as evaluations play it but without random actions and never longer than in
 * training, and films it.
 * @param path The video to write, H.264.
 * @throws InterruptedError where it was asked to stop; what `renderMp4` throws.
 */
export async function filmEpisode(path: string, options: FilmOptions): Promise<FilmedEpisode> {
  const { settings, signal, note } = options;
  const protocol = protocols[protocolOf(settings)!].settings;
  const maxEpisodeFrames = Math.min(settings.maxEpisodeFrames, protocol.maxEpisodeFrames);
  const played = { ...settings, ...protocol, maxEpisodeFrames, numEnvs: 1 };
  const recording = await playEpisode(played, options);
  const replay = { ...(signal && { signal }), ...(note && { note }) };
  try {
    await renderMp4(recording, { path, ...replay, timeoutMs: Math.ceil(settings.envTimeoutSeconds * 1000) });
  } catch (error) {
    throw signal?.aborted ? new InterruptedError('interrupted while the video was made') : error;
  }
  return { return: recording.return, lengthFrames: recording.lengthFrames };
}

async function playEpisode(
  settings: AgentSettings,
  { definition, load, network, signal, note }: FilmOptions,
): Promise<EpisodeRecording> {
  const env = await makeEnv(settings, note);
  let recording: EpisodeRecording | undefined;
  try {
    const player = createPlayer(definition, settings, env, load, network);
    const recorder = new EpisodeRecorder(env, { epsilon: 0 });
    try {
      await playEpisodes({
        ...{ env, policy: player.act, episodes: 1, seed: SEED, epsilon: 0, frameStack: settings.frameStack },
        frameShape: stateOptions(settings, env).frameShape,
        listen: () => ({
          start: recorder.start.bind(recorder),
          step: recorder.step.bind(recorder),
          finish(episode) {
            recording = recorder.finish(episode);
          },
        }),
        ...(signal && { signal }),
      });
    } finally {
      player.dispose();
    }
  } finally {
    await env.close();
  }
  if (recording === undefined) throw new InterruptedError('interrupted while the episode was played');
  return recording;
}
