import { type State, StateError, type StoredTensors } from '../runs/trainable.ts';

/** Where randomness comes from, with a state that a checkpoint keeps. */
export interface RandomSource {
  /** An integer in [0, n). */
  integer(n: number): number;
  /** The state, for a checkpoint. */
  getState(): readonly number[];
  /** Goes on from a state that `getState` returned. */
  setState(state: readonly number[]): void;
}

/** The rows that a replay holds now. */
export interface HeldRows {
  readonly size: number;
  /** The row at a position from 0 to `size` - 1. */
  rowAt(position: number): number;
}

/** The rows of a minibatch, and how much each counts. */
export interface SampledRows {
  /** `[batch]`: names for `updatePriorities`. */
  readonly rows: Float64Array;
  /** `[batch]`: importance-sampling weights, 1 where all rows are as likely. */
  readonly weights: Float32Array;
}

/** Chooses what an update learns from. */
export interface Sampler {
  /** Hears of every row that is appended. */
  added?(row: number): void;
  /**
   * Fills a minibatch.
   * @param held The rows to choose from.
   * @param sampled Gets the chosen rows and their weights.
   * @param take Reads a row's transition into the minibatch at an index; false where it is not complete, so that
   *   another row is to be chosen.
   */
  sample(held: HeldRows, sampled: SampledRows, take: (row: number, index: number) => boolean): void;
  /** Takes the priorities of sampled rows, such as their absolute TD errors. */
  updatePriorities?(rows: Float64Array, priorities: ArrayLike<number>): void;
  /** What a checkpoint keeps: all that is not a function of the appended rows, such as priorities. */
  getState(): State;
  /**
   * Takes up what `getState` gave, before the rows are appended again: those that it covers keep what it says of them.
   * @throws StateError for another sampler's.
   */
  setState(state: State<StoredTensors>): void;
}

export function noCompleteTransition({ size }: HeldRows): Error {
  return new Error(`The replay holds no complete transition yet: ${size} rows`);
}

/** In a row, rows that turn out to be no complete transition. */
const MOST_ATTEMPTS = 1000;

/** Every row as likely as every other, with replacement (Mnih et al. 2015). */
export function uniformSampler(random: RandomSource): Sampler {
  return {
    sample(held, { rows, weights }, take) {
      weights.fill(1);
      for (let index = 0; index < rows.length; index++) {
        let found = false;
        for (let attempt = 0; attempt < MOST_ATTEMPTS && held.size > 0 && !found; attempt++) {
          rows[index] = held.rowAt(random.integer(held.size));
          found = take(rows[index], index);
        }
        if (!found) throw noCompleteTransition(held);
      }
    },
    getState: () => ({ values: { generator: random.getState() }, tensors: {} }),
    setState({ values: { generator } }) {
      if (!Array.isArray(generator)) throw new StateError('the stored state is not one of a uniform sampler');
      random.setState(generator);
    },
  };
}
