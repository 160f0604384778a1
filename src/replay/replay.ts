import type { FrameArray } from './frame-store.ts';
import { type TransitionBatch, TransitionReader } from './n-step.ts';
import type { ReplayOptions } from './options.ts';
import type { SampledRows, Sampler } from './sampler.ts';
import { type ReplayStep, ReplayStorage } from './storage.ts';

/**
 * Experience replay over single frames: each frame is stored once and stacked when sampled, so a million Atari steps
 * take 7.06 GB instead of 56, and about 1 GB with `replayCompression`. Stacks never reach across an episode's start
 * (zeros stand there) and never into overwritten rows; a truncated episode keeps its last observation, so that it
 * bootstraps from what really followed.
 */
export class Replay {
  readonly options: Readonly<ReplayOptions>;
  readonly storage: ReplayStorage;
  readonly sampler: Sampler;
  private readonly reader: TransitionReader;
  private readonly sampled: SampledRows;

  /**
   * @param sampler Chooses what to learn from, such as `uniformSampler(generator)`.
   * @throws RangeError where the capacity is too small for one transition.
   */
  constructor(options: ReplayOptions, sampler: Sampler) {
    this.options = options;
    this.storage = new ReplayStorage(options);
    this.sampler = sampler;
    this.reader = new TransitionReader(this.storage);
    const { batchSize } = options;
    this.sampled = { rows: new Float64Array(batchSize), weights: new Float32Array(batchSize) };
  }

  /** Agent steps held now. */
  get size(): number {
    return this.storage.size;
  }

  /** Appends one step of the environment `lane`. */
  append(lane: number, step: ReplayStep): void {
    const row = this.storage.append(lane, step);
    this.sampler.added?.(row);
  }

  /**
   * Draws a minibatch; its arrays are reused by the next one.
   * @throws Error where the replay holds no transition that is complete.
   */
  sample(): TransitionBatch & SampledRows {
    this.sampler.sample(this.storage, this.sampled, (row, index) => this.reader.read(row, index));
    return { ...this.reader.batch, ...this.sampled };
  }

  /**
   * Up to so many of the states that are held, evenly spread over them: [n, frameStack, ...frameShape]. Those of which
   * no whole transition is held are left out. It draws nothing.
   */
  someStates(count: number): FrameArray {
    const wanted = Math.min(count, this.size);
    const reader = new TransitionReader(this.storage, wanted);
    let read = 0;
    for (let i = 0; i < wanted; i++) {
      if (reader.read(this.storage.rowAt(Math.floor((i * this.size) / wanted)), read)) read += 1;
    }
    const { states } = reader.batch;
    return states.subarray(0, (states.length / Math.max(1, wanted)) * read);
  }

  /** Gives rows of the last minibatch new priorities, where the sampler has such. */
  updatePriorities(rows: Float64Array, priorities: ArrayLike<number>): void {
    this.sampler.updatePriorities?.(rows, priorities);
  }
}
