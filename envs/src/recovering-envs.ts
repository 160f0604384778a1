import { type Batch, BatchVectorEnv, type Envs, type StepBatch } from './batch-vector-env.ts';
import { closedError } from './connection.ts';
import {
  NotReproducibleError,
  SidecarDiedError,
  SidecarError,
  SidecarReplyError,
  SidecarTimeoutError,
  WorkerLostError,
} from './errors.ts';
import type { EnvFault } from './options.ts';
import { playAgain } from './play-again.ts';
import type { ObservationArray } from './types.ts';

/** How `RecoveringEnvs` start environments, and how often in a row. */
export interface RecoveryOptions {
  /** Has the environments made anew, before their first reset. */
  start: () => Promise<Envs>;
  /** How many starts in a row may bring nothing before the fault is thrown. */
  maxRestarts: number;
  onFault?: ((fault: EnvFault) => void | Promise<void>) | undefined;
  /** Whether the environments would be better off elsewhere now, so that they are started again without a fault. */
  shouldMove?: ((envs: Envs) => boolean) | undefined;
}

/** The episode that an environment is in: its seed and what was done since. */
interface CurrentEpisode {
  seed: number;
  actions: number[];
  ended: false;
}

/**
 * Environments that outlive the process that runs them. When it dies or hangs, or Python raises, they are started
 * elsewhere, the episodes under way are played again from their seeds and actions, and the request is made again:
 * whoever steps the environments sees the numbers that there would have been without the fault.
 */
export class RecoveringEnvs implements Envs {
  private readonly options: RecoveryOptions;
  private envs: Envs;
  /** Empty before the first reset. */
  private episodes: CurrentEpisode[] = [];
  /** The newest observations, after the last request that succeeded. */
  private observations: ObservationArray | undefined;
  private closed = false;

  static async start(options: RecoveryOptions): Promise<RecoveringEnvs> {
    return new RecoveringEnvs(options, await options.start());
  }

  private constructor(options: RecoveryOptions, envs: Envs) {
    this.options = options;
    this.envs = envs;
  }

  get observationSpace() {
    return this.envs.observationSpace;
  }

  get actionSpace() {
    return this.envs.actionSpace;
  }

  get settings() {
    return this.envs.settings;
  }

  get info() {
    return this.envs.info;
  }

  async reset(mask: readonly boolean[], seeds: Int32Array): Promise<Batch> {
    const batch = await this.recovering((envs) => envs.reset(mask, seeds));
    this.observations = batch.observations;
    this.episodes = mask.map((isReset, lane) => (isReset ? begun(seeds[lane]!) : this.episodes[lane]!));
    return batch;
  }

  async step(actions: Int32Array, nextSeeds: Int32Array): Promise<StepBatch> {
    const batch = await this.recovering((envs) => envs.step(actions, nextSeeds));
    for (let lane = 0; lane < actions.length; lane++) {
      this.episodes[lane]!.actions.push(actions[lane]!);
      if (batch.terminated[lane] || batch.truncated[lane]) this.episodes[lane] = begun(nextSeeds[lane]!);
    }
    this.observations = batch.observations;
    return batch;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.envs.close();
  }

  /** Makes a request, and after a fault again in environments that stand where the lost ones stood. */
  private async recovering<T>(request: (envs: Envs) => Promise<T>): Promise<T> {
    const { maxRestarts, onFault, shouldMove } = this.options;
    for (let restarts = 0; ; restarts++) {
      try {
        if (restarts > 0 || shouldMove?.(this.envs)) await this.restart();
        return await request(this.envs);
      } catch (error) {
        if (this.closed || !isFault(error) || restarts === maxRestarts) throw error;
        await onFault?.({ error, restart: restarts + 1, maxRestarts });
      }
    }
  }

  private async restart(): Promise<void> {
    await this.envs.close();
    const envs = await this.options.start();
    if (this.closed) {
      await envs.close();
      throw closedError();
    }
    this.envs = envs;
    const { length } = this.episodes;
    if (length === 0) return;
    const episodes = this.episodes.map((episode) => [episode]);
    // Seeds are given here, so the run's own is not needed, and each environment has begun one episode.
    const played = new BatchVectorEnv(envs, length, 0);
    const observations = await playAgain(played, episodes, { episodesStarted: new Array(length).fill(1) });
    if (!bytesOf(observations).equals(bytesOf(this.observations!))) {
      throw new NotReproducibleError(
        `${this.settings.id}: its episodes, played again from their seeds and actions, show another state than ` +
          'before: its randomness is not decided by reset(seed), so what is lost with a sidecar cannot be brought ' +
          'back',
      );
    }
  }
}

const begun = (seed: number): CurrentEpisode => ({ seed, actions: [], ended: false });

const FAULTS = [SidecarDiedError, SidecarTimeoutError, SidecarError, SidecarReplyError, WorkerLostError];

function isFault(error: unknown): error is Error {
  return FAULTS.some((kind) => error instanceof kind);
}

function bytesOf({ buffer, byteOffset, byteLength }: ObservationArray): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}
