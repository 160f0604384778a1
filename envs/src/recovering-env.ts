import { episodeSeed } from './episode-seed.ts';
import { EnvClosedError, NotReproducibleError, SidecarDiedError, SidecarError, SidecarTimeoutError } from './errors.ts';
import type { EnvFault } from './options.ts';
import { playAgain } from './play-again.ts';
import type { ObservationArray, ResetResult, StepResult, VectorEnv, VectorEnvState } from './types.ts';

/** How a `RecoveringVectorEnv` starts environments, and how often in a row. */
export interface RecoveryOptions {
  /** Starts a sidecar with the environments, before their first reset. */
  start: () => Promise<VectorEnv>;
  /** The run's seed. */
  seed: number;
  /** How many starts in a row may bring nothing before the fault is thrown. */
  maxRestarts: number;
  onFault?: ((fault: EnvFault) => void | Promise<void>) | undefined;
}

/** The episode that an environment is in: its seed and what was done since. */
interface CurrentEpisode {
  seed: number;
  actions: number[];
  ended: false;
}

/**
 * Environments that outlive their sidecar. When it dies or hangs, or Python raises, another one is started, the
 * episodes under way are played again from their seeds and actions, and the request is made again: whoever steps the
 * environments sees the numbers that there would have been without the fault.
 */
export class RecoveringVectorEnv implements VectorEnv {
  private readonly options: RecoveryOptions;
  private env: VectorEnv;
  /** Empty before the first reset. */
  private episodes: CurrentEpisode[] = [];
  /** The environments' count of episodes and newest observations after the last request that succeeded. */
  private state: VectorEnvState;
  private observations: ObservationArray | undefined;
  private underWay: { actions: Int32Array; options: { nextSeeds?: number[] } } | undefined;
  private closed = false;

  static async start(options: RecoveryOptions): Promise<RecoveringVectorEnv> {
    return new RecoveringVectorEnv(options, await options.start());
  }

  private constructor(options: RecoveryOptions, env: VectorEnv) {
    this.options = options;
    this.env = env;
    this.state = env.getState();
  }

  get numEnvs() {
    return this.env.numEnvs;
  }

  get observationSpace() {
    return this.env.observationSpace;
  }

  get actionSpace() {
    return this.env.actionSpace;
  }

  get settings() {
    return this.env.settings;
  }

  get info() {
    return this.env.info;
  }

  async reset(options: { mask?: boolean[]; seeds?: number[] } = {}): Promise<ResetResult> {
    const result = await this.recovering((env) => env.reset(options));
    this.remember(result.observations);
    this.episodes = result.seeds.map((seed, lane) =>
      options.mask === undefined || options.mask[lane] ? { seed, actions: [], ended: false } : this.episodes[lane]!,
    );
    return result;
  }

  async step(actions: ArrayLike<number>, options: { nextSeeds?: number[] } = {}): Promise<StepResult> {
    this.send(actions, options);
    return this.receive();
  }

  send(actions: ArrayLike<number>, options: { nextSeeds?: number[] } = {}): void {
    this.env.send(actions, options);
    this.underWay = { actions: Int32Array.from(actions), options };
  }

  async receive(): Promise<StepResult> {
    if (this.underWay === undefined) return this.env.receive(); // which says what is wrong
    const { actions, options } = this.underWay;
    try {
      const result = await this.recovering((env, isFirst) => (isFirst ? env.receive() : env.step(actions, options)));
      this.record(actions, options.nextSeeds, result);
      return result;
    } finally {
      this.underWay = undefined;
    }
  }

  getState(): VectorEnvState {
    return this.env.getState();
  }

  setState(state: VectorEnvState): void {
    this.env.setState(state);
    this.state = this.env.getState();
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.env.close();
  }

  private record(actions: Int32Array, nextSeeds: number[] | undefined, result: StepResult): void {
    for (let lane = 0; lane < actions.length; lane++) {
      this.episodes[lane]!.actions.push(actions[lane]!);
      if (result.terminated[lane] !== 1 && result.truncated[lane] !== 1) continue;
      const seed = nextSeeds?.[lane] ?? episodeSeed(this.options.seed, lane, this.state.episodesStarted[lane]!);
      this.episodes[lane] = { seed, actions: [], ended: false };
    }
    this.remember(result.observations);
  }

  private remember(observations: ObservationArray): void {
    this.observations = observations;
    this.state = this.env.getState();
  }

  /** Makes a request, and after a fault again in environments that stand where the lost ones stood. */
  private async recovering<T>(request: (env: VectorEnv, isFirst: boolean) => Promise<T>): Promise<T> {
    const { maxRestarts, onFault } = this.options;
    for (let restarts = 0; ; restarts++) {
      try {
        if (restarts > 0) await this.restart();
        return await request(this.env, restarts === 0);
      } catch (error) {
        if (this.closed || !isFault(error) || restarts === maxRestarts) throw error;
        await onFault?.({ error, restart: restarts + 1, maxRestarts });
      }
    }
  }

  private async restart(): Promise<void> {
    await this.env.close();
    const env = await this.options.start();
    if (this.closed) {
      await env.close();
      throw new EnvClosedError('the environment is closed');
    }
    this.env = env;
    if (this.episodes.length === 0) {
      env.setState(this.state);
      return;
    }
    const episodes = this.episodes.map((episode) => [episode]);
    const observations = await playAgain(env, episodes, this.state);
    if (!bytesOf(observations).equals(bytesOf(this.observations!))) {
      throw new NotReproducibleError(
        `${this.settings.id}: its episodes, played again from their seeds and actions, show another state than ` +
          'before: its randomness is not decided by reset(seed), so what is lost with a sidecar cannot be brought ' +
          'back',
      );
    }
  }
}

function isFault(error: unknown): error is Error {
  return error instanceof SidecarDiedError || error instanceof SidecarTimeoutError || error instanceof SidecarError;
}

function bytesOf({ buffer, byteOffset, byteLength }: ObservationArray): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}
