import { episodeSeed } from './episode-seed.ts';
import { BridgeError, EnvOptionsError, EnvValueError } from './errors.ts';
import { checkIntegers, MAX_SEED } from './options.ts';
import type {
  BoxSpace,
  DiscreteSpace,
  EnvSettings,
  FinishedEpisode,
  ObservationArray,
  ResetResult,
  SidecarInfo,
  StepResult,
  VectorEnv,
  VectorEnvState,
} from './types.ts';

/** Observations, [numEnvs, ...shape], and lives left, [numEnvs], of all environments. */
export interface Batch {
  observations: ObservationArray;
  lives: Int32Array;
}

/**
 * One step of all environments, [numEnvs, ...] each. Where an episode ended: the next one's first observation, and the
 * lives from before that reset.
 */
export interface StepBatch extends Batch {
  rewards: Float64Array;
  terminated: Uint8Array;
  truncated: Uint8Array;
  /** A row for each ended episode, by environment; only where one ended. */
  finalObservations?: ObservationArray;
  /** An entry for each ended episode, by environment; only where the emulator counts frames. */
  lengthFrames?: ObservationArray;
}

/**
 * What runs environments that step together. It need not check arguments, count episodes or derive seeds: the
 * `VectorEnv` around it does. Arrays that it gives are not written to again.
 */
export interface Envs {
  readonly observationSpace: BoxSpace;
  readonly actionSpace: DiscreteSpace;
  readonly settings: EnvSettings;
  readonly info: SidecarInfo;
  /** Starts an episode in each environment where `mask` is true, from its entry of `seeds`. */
  reset(mask: readonly boolean[], seeds: Int32Array): Promise<Batch>;
  /** One action in each; where an episode ends, the next starts at once from its entry of `nextSeeds`. */
  step(actions: Int32Array, nextSeeds: Int32Array): Promise<StepBatch>;
  close(): Promise<void>;
}

/** The largest size of a reward or of an element of an observation. */
const LARGEST_VALUE = 1e9;

/** The episode that an environment is in. */
interface RunningEpisode {
  seed: number;
  index: number;
  return: number;
  lengthSteps: number;
}

/** The `VectorEnv` of environments, whoever runs them. */
export class BatchVectorEnv implements VectorEnv {
  readonly numEnvs: number;
  readonly observationSpace: BoxSpace;
  readonly actionSpace: DiscreteSpace;
  readonly settings: EnvSettings;
  private readonly envs: Envs;
  private readonly seed: number;
  private readonly elements: number;
  private episodesStarted: number[];
  private episodes: RunningEpisode[] = [];
  /** True before the first reset, and where an error left the environments in an unknown state. */
  private needsReset = true;
  private stepUnderWay: Promise<StepResult> | undefined;
  private resetting = false;

  /** @param seed The run's seed, which the seeds of episodes are derived from. */
  constructor(envs: Envs, numEnvs: number, seed: number) {
    this.envs = envs;
    this.seed = seed;
    this.elements = envs.observationSpace.shape.reduce((a, b) => a * b, 1);
    this.episodesStarted = new Array(numEnvs).fill(0);
    this.numEnvs = numEnvs;
    this.observationSpace = envs.observationSpace;
    this.actionSpace = envs.actionSpace;
    this.settings = envs.settings;
  }

  /** That of the newest process, where they have been started again. */
  get info(): SidecarInfo {
    return this.envs.info;
  }

  async reset(options: { mask?: boolean[]; seeds?: number[] } = {}): Promise<ResetResult> {
    this.checkFree();
    const mask = options.mask ?? new Array<boolean>(this.numEnvs).fill(true);
    this.checkLength('mask', mask);
    if (!mask.includes(true)) throw new EnvOptionsError('"mask" is all false; it must name at least one environment');
    if (this.needsReset && mask.includes(false))
      throw new EnvOptionsError('the first reset is of all environments: leave "mask" out');
    const seeds = this.nextSeeds('seeds', options.seeds);

    this.resetting = true;
    try {
      this.needsReset = true; // until it has worked
      const { observations, lives } = await this.envs.reset(mask, seeds);
      this.checkValues('observation', observations);
      this.needsReset = false;
      for (let env = 0; env < this.numEnvs; env++) {
        if (mask[env]) this.beginEpisode(env, seeds[env]!);
      }
      return { observations, lives, seeds: this.episodes.map((episode) => episode.seed) };
    } finally {
      this.resetting = false;
    }
  }

  async step(actions: ArrayLike<number>, options: { nextSeeds?: number[] } = {}): Promise<StepResult> {
    this.send(actions, options);
    return this.receive();
  }

  send(actions: ArrayLike<number>, options: { nextSeeds?: number[] } = {}): void {
    this.checkFree();
    if (this.needsReset) throw new BridgeError('call reset() before the first step, and after an error');
    this.checkLength('actions', actions);
    checkIntegers('actions', actions, 0, this.actionSpace.n - 1);
    const nextSeeds = this.nextSeeds('nextSeeds', options.nextSeeds);

    this.stepUnderWay = this.envs
      .step(Int32Array.from(actions), nextSeeds)
      .then((batch) => this.finishStep(batch, nextSeeds))
      .catch((error) => {
        this.needsReset = true;
        throw error;
      });
    this.stepUnderWay.catch(() => {}); // receive() reports it
  }

  async receive(): Promise<StepResult> {
    if (!this.stepUnderWay) throw new BridgeError('no step is under way: call send() first');
    try {
      return await this.stepUnderWay;
    } finally {
      this.stepUnderWay = undefined;
    }
  }

  getState(): VectorEnvState {
    return { episodesStarted: [...this.episodesStarted] };
  }

  setState({ episodesStarted }: VectorEnvState): void {
    this.checkLength('episodesStarted', episodesStarted);
    checkIntegers('episodesStarted', episodesStarted, 0, MAX_SEED);
    this.episodesStarted = [...episodesStarted];
  }

  close(): Promise<void> {
    return this.envs.close();
  }

  private finishStep({ finalObservations, lengthFrames, ...batch }: StepBatch, nextSeeds: Int32Array): StepResult {
    const { observations, rewards, terminated, truncated } = batch;
    const finished: FinishedEpisode[] = [];
    this.checkValues('reward', rewards);
    this.checkValues('observation', observations);
    if (finalObservations) this.checkValues('final observation', finalObservations);
    for (let env = 0; env < this.numEnvs; env++) {
      const episode = this.episodes[env]!;
      episode.return += rewards[env]!;
      episode.lengthSteps++;
      if (!terminated[env] && !truncated[env]) continue;
      const row = finished.length;
      finished.push({
        env,
        ...episode,
        lengthFrames: lengthFrames?.[row] ?? episode.lengthSteps,
        terminated: terminated[env] === 1,
        truncated: truncated[env] === 1,
        finalObservation: finalObservations!.subarray(row * this.elements, (row + 1) * this.elements),
      });
      this.beginEpisode(env, nextSeeds[env]!);
    }
    return { ...batch, finished };
  }

  private beginEpisode(env: number, seed: number): void {
    const index = this.episodesStarted[env]!;
    this.episodes[env] = { seed, index, return: 0, lengthSteps: 0 };
    this.episodesStarted[env] = index + 1;
  }

  /** The seeds given, or those that the run's seed gives the next episode of each environment. */
  private nextSeeds(name: string, given: number[] | undefined): Int32Array {
    if (!given) return Int32Array.from(this.episodesStarted, (started, env) => episodeSeed(this.seed, env, started));
    this.checkLength(name, given);
    checkIntegers(name, given, 0, MAX_SEED);
    return Int32Array.from(given);
  }

  /**
   * Refuses numbers that would spoil everything learned from them: NaN, infinities, and sizes far beyond what float32
   * can square and sum up.
   */
  private checkValues(what: string, values: ObservationArray): void {
    if (values instanceof Uint8Array || values instanceof Int32Array) return;
    for (const value of values) {
      if (Math.abs(value) <= LARGEST_VALUE) continue; // false for NaN
      const problem = Number.isFinite(value) ? `more than ${LARGEST_VALUE} in size` : 'not finite';
      throw new EnvValueError(
        `the environment ${this.settings.id} gave the ${what} ${value}, which is ${problem}: mend or scale it there`,
      );
    }
  }

  private checkFree(): void {
    if (this.stepUnderWay) throw new BridgeError('a step is under way: call receive() first');
    if (this.resetting) throw new BridgeError('a reset is under way: await it first');
  }

  private checkLength(name: string, values: ArrayLike<unknown>): void {
    if (values.length !== this.numEnvs) {
      throw new EnvOptionsError(
        `"${name}" has ${values.length} entries; it must have one for each of ${this.numEnvs} environments`,
      );
    }
  }
}
