import { createHash } from 'node:crypto';
import {
  episodeSeed,
  NotReproducibleError,
  playAgain,
  type ResetResult,
  type StepResult,
  type VectorEnv,
} from 'gymnasium-js-bridge';
import { type FrameArray, FrameStacks, Replay, type ReplayOptions } from '../replay/index.ts';
import { EpisodeLog, type LoggedEpisode } from './episode-log.ts';

export interface ExperienceOptions {
  replay: ReplayOptions;
  /** The learner sees the sign of the reward; scores stay unclipped. */
  clipRewards: boolean;
  /** A lost life ends the value of a state, though the episode goes on. */
  lifeLossTerminates: boolean;
  /** The run's seed, from which the bridge derives that of each episode. */
  seed: number;
}

/** What has been played, without a single frame: playing it again gives the frames back. */
export interface ExperienceState {
  episodesStarted: number[];
  /** For each lane the row numbering: how many rows were ever appended, and the oldest that is held. */
  extents: { oldest: number; added: number }[];
  /**
   * SHA-256 over actions, rewards and flags held and each lane's newest frame: tells whether a replay played again is
   * the same one.
   */
  digest: string;
}

/**
 * What the environments have shown so far: the states they are in now, the replay of the past, and the log from which
 * both can be rebuilt.
 */
export class Experience {
  readonly stacks: FrameStacks;
  readonly replay: Replay;
  private readonly options: ExperienceOptions;
  private readonly env: VectorEnv;
  private readonly logs: EpisodeLog[];
  private readonly lives: Int32Array;
  private readonly episodesStarted: number[];

  constructor(env: VectorEnv, options: ExperienceOptions, firstRows: readonly number[] = []) {
    const { frameShape, dtype, frameStack } = options.replay;
    this.env = env;
    this.options = options;
    this.stacks = new FrameStacks(env.numEnvs, frameStack, frameShape, dtype);
    this.replay = new Replay(options.replay, firstRows);
    this.logs = Array.from({ length: env.numEnvs }, () => new EpisodeLog());
    this.lives = new Int32Array(env.numEnvs);
    this.episodesStarted = new Array(env.numEnvs).fill(0);
  }

  /** The first observations of a run. */
  begin({ observations, lives, seeds }: ResetResult): void {
    for (let lane = 0; lane < this.env.numEnvs; lane++) {
      this.beginEpisode(lane, seeds[lane], this.frameOf(observations, lane));
      this.lives[lane] = lives[lane];
    }
  }

  /** One step of every environment: what was done in the states that `stacks` holds, and what came of it. */
  record(actions: ArrayLike<number>, result: StepResult): void {
    for (let lane = 0; lane < this.env.numEnvs; lane++) this.recordLane(lane, actions[lane], result);
  }

  private recordLane(lane: number, action: number, result: StepResult): void {
    const { clipRewards, lifeLossTerminates } = this.options;
    const reward = result.rewards[lane];
    const terminated = result.terminated[lane] === 1;
    const episodeEnds = terminated || result.truncated[lane] === 1;
    const lifeLost = lifeLossTerminates && result.lives[lane] < this.lives[lane];
    const finalFrame = result.finished.find(({ env }) => env === lane)?.finalObservation;
    this.replay.append(lane, {
      frame: this.stacks.newest(lane),
      action,
      reward: clipRewards ? Math.sign(reward) : reward,
      terminal: terminated || lifeLost,
      episodeEnds,
      ...(finalFrame !== undefined && { finalFrame: finalFrame as FrameArray }),
    });
    this.logs[lane].append(action);
    const frame = this.frameOf(result.observations, lane);
    if (episodeEnds) {
      const seed = episodeSeed(this.options.seed, lane, this.episodesStarted[lane]);
      this.beginEpisode(lane, seed, frame);
    } else {
      this.stacks.push(lane, frame, false);
    }
    // After a reset the number of lives is not known before the next step; none can be lost in it.
    this.lives[lane] = episodeEnds ? 0 : result.lives[lane];
  }

  private beginEpisode(lane: number, seed: number, frame: FrameArray): void {
    const { oldest, added } = this.replay.extents()[lane];
    this.logs[lane].dropBefore(oldest);
    this.logs[lane].startEpisode(seed, added);
    this.stacks.push(lane, frame, true);
    this.episodesStarted[lane] += 1;
  }

  private frameOf(observations: ArrayLike<number>, lane: number): FrameArray {
    const size = observations.length / this.env.numEnvs;
    return (observations as FrameArray).subarray(lane * size, (lane + 1) * size);
  }

  /** The episodes to play again, by lane. */
  loggedEpisodes(): LoggedEpisode[][] {
    return this.logs.map((log) => log.held());
  }

  getState(): ExperienceState {
    return { episodesStarted: [...this.episodesStarted], extents: this.replay.extents(), digest: this.digest() };
  }

  private digest(): string {
    const hash = createHash('sha256');
    for (let lane = 0; lane < this.env.numEnvs; lane++) {
      for (const bytes of this.replay.heldValues(lane)) hash.update(bytes);
      const newest = this.stacks.newest(lane);
      hash.update(new Uint8Array(newest.buffer, newest.byteOffset, newest.byteLength));
    }
    return hash.digest('hex');
  }

  /**
   * Rebuilds experience by playing the logged episodes again; the environments end in the state that they were in.
   * `onProgress` hears of agent steps.
   * @throws Error where the emulator does not play the same game any more.
   */
  static async restore(
    env: VectorEnv,
    options: ExperienceOptions,
    episodes: readonly LoggedEpisode[][],
    state: ExperienceState,
    onProgress?: (done: number, total: number) => void,
  ): Promise<Experience> {
    const { episodesStarted } = state;
    const firstRows = episodes.map((lane) => lane[0].firstRow);
    const experience = new Experience(env, options, firstRows);
    episodes.forEach((lane, i) => {
      experience.episodesStarted[i] = episodesStarted[i] - lane.length;
    });
    await playAgain(
      env,
      episodes,
      { episodesStarted },
      {
        onReset(lane, seed, { observations, lives }) {
          experience.beginEpisode(lane, seed, experience.frameOf(observations, lane));
          experience.lives[lane] = lives[lane];
        },
        onStep: (lane, action, result) => experience.recordLane(lane, action, result),
        ...(onProgress && { onProgress }),
      },
    );
    if (experience.digest() !== state.digest) {
      throw new NotReproducibleError(
        `${env.settings.id}: the logged episodes, played again, gave another game than the checkpoint's: the emulator has changed since; install the versions in config.json, or start a new run`,
      );
    }
    return experience;
  }
}
