import type { FinishedEpisode, ObservationArray, VectorEnv } from 'gymnasium-js-bridge';
import { type EpisodeRecording, frameHash } from './episode-file.ts';

/**
 * Records the episodes of one environment of a `VectorEnv`, one after the other, from what a loop that steps it sees
 * anyway:
 *
 *     recorder.start(firstObservation);
 *     recorder.step(action, reward, observation);            // each step; finalObservation with the last one
 *     const recording = recorder.finish(finishedEpisode);
 *
 * An observation is hashed as it was delivered (about 10 us for a frame of 84 x 84) and not kept.
 */
export class EpisodeRecorder {
  private readonly env: Pick<VectorEnv, 'settings' | 'info'>;
  private readonly actor: EpisodeRecording['actor'];
  private actions: number[] = [];
  private rewards: number[] = [];
  private frameHashes: bigint[] = [];

  /** @param actor Who chooses the actions; stored with each recording as it is when the episode ends. */
  constructor(env: Pick<VectorEnv, 'settings' | 'info'>, actor: EpisodeRecording['actor'] = {}) {
    this.env = env;
    this.actor = actor;
  }

  /** Begins an episode; an unfinished one is dropped. */
  start(firstObservation: ObservationArray): void {
    this.actions = [];
    this.rewards = [];
    this.frameHashes = [frameHash(firstObservation)];
  }

  /**
   * Takes a step into the recording.
   * @param observation What the action led to: where the episode ended, its `finalObservation`, not the first one of
   * the next.
   */
  step(action: number, reward: number, observation: ObservationArray): void {
    if (this.frameHashes.length === 0)
      throw new Error('EpisodeRecorder.step: call start() with the first observation before');
    this.actions.push(action);
    this.rewards.push(reward);
    this.frameHashes.push(frameHash(observation));
  }

  /**
   * Ends the episode.
   * @param episode What the environment says of it.
   * @returns The recording, ready to be written.
   * @throws Error where the episode has another number of agent steps than were recorded.
   */
  finish(episode: FinishedEpisode): EpisodeRecording {
    if (episode.lengthSteps !== this.actions.length) {
      throw new Error(
        `EpisodeRecorder.finish: the episode has ${episode.lengthSteps} agent steps, ${this.actions.length} were ` +
          'recorded',
      );
    }
    const { settings, info } = this.env;
    const recording: EpisodeRecording = {
      settings: { ...settings },
      packages: { ...info.packages },
      python: info.python,
      ...(info.rom && { rom: { ...info.rom } }),
      seed: episode.seed,
      actions: Int32Array.from(this.actions),
      rewards: Float64Array.from(this.rewards),
      frameHashes: BigUint64Array.from(this.frameHashes),
      return: episode.return,
      lengthSteps: episode.lengthSteps,
      lengthFrames: episode.lengthFrames,
      terminated: episode.terminated,
      truncated: episode.truncated,
      actor: { ...this.actor },
    };
    this.frameHashes = [];
    return recording;
  }
}
