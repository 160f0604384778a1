import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import {
  episodeSeed,
  NotReproducibleError,
  type ObservationArray,
  playAgain,
  type StepResult,
  type VectorEnv,
} from 'gymnasium-js-bridge/environments';
import { z } from 'zod';
import type { FrameArray, Replay, ReplayOptions, ReplayStep, ReplayStorage, Sampler } from '../replay/index.ts';
import { type State, StateError, type StoredTensors } from '../runs/trainable.ts';
import { EpisodeLog } from './episode-log.ts';
import { packEpisodes, unpackEpisodes } from './episode-tensors.ts';
import { asFrames, FrameStacks } from './frame-stacks.ts';

/** How what environments give becomes experience. */
export interface ExperienceOptions {
  /** The learner sees the sign of the reward; scores stay unclipped. */
  clipRewards: boolean;
  /** A lost life ends the value of a state, though the episode goes on. */
  lifeLossTerminates: boolean;
  /** The run's seed, from which the bridge derives that of each episode. */
  seed: number;
}

/** What an experience writes to, a replay or a rollout: what it still holds of each lane must be played again. */
export interface Memory {
  readonly options: Pick<ReplayOptions, 'frameShape' | 'dtype' | 'frameStack'>;
  /** Agent steps held. */
  readonly size: number;
  /** Appends one step. @param step.state The stacked state that the action was taken in, a view. */
  append(lane: number, step: ReplayStep & { readonly state: FrameArray }): void;
  sample(): unknown;
  /** Hears how much there was to learn from rows; a memory that draws all alike has none. */
  updatePriorities?(...given: Parameters<Replay['updatePriorities']>): void;
  /** As in `Experience`. */
  someStates(count: number): FrameArray;
  readonly storage: Pick<ReplayStorage, 'extents' | 'begin' | 'heldValues' | 'heldHashes'>;
  /** What playing again does not give. */
  readonly sampler: Pick<Sampler, 'getState' | 'setState'>;
}

/** What has been played, without a single frame: playing the logged episodes again gives the frames back. */
const valuesSchema = z.strictObject({
  episodesStarted: z.array(z.int().min(0)),
  /** For each lane the row numbering: how many rows were ever appended, and the oldest that is held. */
  extents: z.array(z.strictObject({ oldest: z.int().min(0), added: z.int().min(0) })),
  /**
   * SHA-256 over actions, rewards and flags held and each lane's newest frame: tells, with the next one, whether a
   * replay played again is the same one.
   */
  digest: z.string(),
  /** SHA-256 over the hashes of all frames held; runs from before it have none. */
  framesDigest: z.exactOptional(z.string()),
  /** That of the replay's sampler; version 0.1.0 kept the generator alone. */
  sampling: z.union([
    z.array(z.number()).transform((generator): Record<string, unknown> => ({ generator })),
    z.record(z.string(), z.unknown()),
  ]),
});
/** Before the names of the sampler's tensors in a checkpoint. */
const SAMPLER_PREFIX = 'sampler/';

/**
 * What the environments have shown so far: the states they are in now, the replay of the past, and the log from which
 * both can be rebuilt.
 */
export class Experience<M extends Memory = Replay> {
  private readonly stacks: FrameStacks;
  private readonly replay: M;
  private readonly options: ExperienceOptions;
  private readonly env: VectorEnv;
  private readonly logs: EpisodeLog[];
  private readonly lives: Int32Array;
  private readonly episodesStarted: number[];

  /** @param replay An empty replay or rollout with a lane for each environment. */
  constructor(env: VectorEnv, replay: M, options: ExperienceOptions) {
    const { frameShape, dtype, frameStack } = replay.options;
    this.env = env;
    this.options = options;
    this.stacks = new FrameStacks(env.numEnvs, frameStack, frameShape, dtype);
    this.replay = replay;
    this.logs = Array.from({ length: env.numEnvs }, () => new EpisodeLog(env.actionSpace.n));
    this.lives = new Int32Array(env.numEnvs);
    this.episodesStarted = new Array(env.numEnvs).fill(0);
  }

  /** The states that the environments are in now: [numEnvs, frameStack, ...frameShape]. */
  get states(): FrameArray {
    return this.stacks.states;
  }

  /** Agent steps held to learn from. */
  get size(): number {
    return this.replay.size;
  }

  /** The seeds of the episodes that come next, should those under way end: they follow from the run's seed alone. */
  get nextSeeds(): number[] {
    return this.episodesStarted.map((started, lane) => episodeSeed(this.options.seed, lane, started));
  }

  /** A minibatch to learn from. */
  sample(): ReturnType<M['sample']> {
    return this.replay.sample() as ReturnType<M['sample']>;
  }

  /**
   * Up to so many of the states that are held to learn from, evenly spread over them: [n, frameStack, ...frameShape].
   * It draws nothing.
   */
  someStates(count: number): FrameArray {
    return this.replay.someStates(count);
  }

  /** Says how much there was to learn from rows of the last minibatch, for a sampler that draws by it. */
  updatePriorities(...given: Parameters<Replay['updatePriorities']>): void {
    this.replay.updatePriorities?.(...given);
  }

  /** Starts the first episodes of a run. */
  async begin(): Promise<void> {
    const { observations, lives, seeds } = await this.env.reset({ seeds: this.nextSeeds });
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
      state: this.stacks.state(lane),
      action,
      reward: clipRewards ? Math.sign(reward) : reward,
      terminal: terminated || lifeLost,
      episodeEnds,
      ...(finalFrame !== undefined && { finalFrame: asFrames(finalFrame, this.replay.options.dtype) }),
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
    const { oldest, added } = this.replay.storage.extents()[lane];
    this.logs[lane].dropBefore(oldest);
    this.logs[lane].startEpisode(seed, added);
    this.stacks.push(lane, frame, true);
    this.episodesStarted[lane] += 1;
  }

  private frameOf(observations: ObservationArray, lane: number): FrameArray {
    const size = observations.length / this.env.numEnvs;
    return asFrames(observations.subarray(lane * size, (lane + 1) * size), this.replay.options.dtype);
  }

  /**
   * What a checkpoint holds: seeds and actions of the episodes that the replay covers, and the state of its
   * sampler.
   */
  getState(): State {
    const extents = this.replay.storage.extents();
    const sampler = this.replay.sampler.getState();
    const named = Object.entries(sampler.tensors).map(([name, tensor]) => [`${SAMPLER_PREFIX}${name}`, tensor]);
    return {
      values: {
        episodesStarted: [...this.episodesStarted],
        extents,
        digest: this.digest(),
        framesDigest: this.framesDigest(),
        sampling: sampler.values,
      },
      tensors: { ...packEpisodes(this.logs.map((log) => log.held())), ...Object.fromEntries(named) },
    };
  }

  /**
   * Takes up a state by playing the logged episodes again; the environments end in the state that they were in.
   * @param onProgress Hears how many agent steps of how many have been played.
   * @throws NotReproducibleError where the environments do not play the same game any more; StateError for a state that
   *   is not one of an experience with so many environments.
   */
  async setState(
    { values, tensors }: State<StoredTensors>,
    onProgress?: (done: number, total: number) => void,
  ): Promise<void> {
    const { env } = this;
    const parsed = valuesSchema.safeParse(values);
    if (!parsed.success) throw new StateError(`experience: ${z.prettifyError(parsed.error)}`);
    const { episodesStarted, digest, framesDigest, sampling } = parsed.data;
    if (episodesStarted.length !== env.numEnvs) {
      throw new StateError(`experience of ${episodesStarted.length} environments, while there are ${env.numEnvs}`);
    }
    const own = Object.entries(tensors).filter(([name]) => name.startsWith(SAMPLER_PREFIX));
    this.replay.sampler.setState({
      values: sampling,
      tensors: Object.fromEntries(own.map(([name, tensor]) => [name.slice(SAMPLER_PREFIX.length), tensor])),
    });
    const episodes = unpackEpisodes(tensors, env.numEnvs);
    this.replay.storage.begin(episodes.map((lane) => lane[0].firstRow));
    episodes.forEach((lane, i) => {
      this.episodesStarted[i] = episodesStarted[i] - lane.length;
    });
    await playAgain(
      env,
      episodes,
      { episodesStarted },
      {
        onReset: (lane, seed, { observations, lives }) => {
          this.beginEpisode(lane, seed, this.frameOf(observations, lane));
          this.lives[lane] = lives[lane];
        },
        onStep: (lane, action, result) => this.recordLane(lane, action, result),
        ...(onProgress && { onProgress }),
      },
    );
    const isSame = this.digest() === digest && (framesDigest === undefined || this.framesDigest() === framesDigest);
    if (isSame) return;
    const cause =
      env.settings.kind === 'atari'
        ? 'the emulator has changed since: install the versions in config.json'
        : 'most likely the environment draws random numbers that reset(seed) does not decide: let it draw all of ' +
          'them from what its seed gives (self.np_random in Python). Or it has changed since: install the ' +
          'versions in config.json';
    throw new NotReproducibleError(
      `${env.settings.id}: the logged episodes, played again, gave another game than the checkpoint's: ${cause}, or ` +
        'start a new run',
    );
  }

  /** Covers every frame that is held, by its hash. */
  private framesDigest(): string {
    const hash = sha256.create();
    for (let lane = 0; lane < this.env.numEnvs; lane++) {
      for (const bytes of this.replay.storage.heldHashes(lane)) hash.update(bytes);
    }
    return bytesToHex(hash.digest());
  }

  private digest(): string {
    const hash = sha256.create();
    for (let lane = 0; lane < this.env.numEnvs; lane++) {
      for (const bytes of this.replay.storage.heldValues(lane)) hash.update(bytes);
      const newest = this.stacks.newest(lane);
      hash.update(new Uint8Array(newest.buffer, newest.byteOffset, newest.byteLength));
    }
    return bytesToHex(hash.digest());
  }
}
