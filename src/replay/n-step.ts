import { type FrameArray, newFrames } from './frame-store.ts';
import { FINAL, type Lane, START, TERMINAL } from './lane.ts';
import { elements } from './options.ts';
import type { ReplayStorage } from './storage.ts';

/**
 * A minibatch of n-step transitions. Names follow time: the state s_t, the action a_t, R_t = r_t + gamma r_{t+1} + ...,
 * and the state n steps on. The arrays are reused by the next minibatch.
 */
export interface TransitionBatch {
  /** [batch, frameStack, ...frameShape], oldest frame first. */
  states: FrameArray;
  /** [batch] */
  actions: Int32Array;
  /** Discounted sum of up to n rewards, [batch]. */
  returns: Float32Array;
  /** gamma^steps, or 0 where the transition must not bootstrap, [batch]. */
  discounts: Float32Array;
  /** [batch, frameStack, ...frameShape]; zeros where `discounts` is 0. */
  nextStates: FrameArray;
}

/** Puts n-step transitions together from the rows of a storage, at the time when they are sampled. */
export class TransitionReader {
  /** What has been read. */
  readonly batch: TransitionBatch;
  private readonly storage: ReplayStorage;
  private readonly frameSize: number;

  /** @param batchSize Transitions that it holds; as many as in the storage's minibatches unless given. */
  constructor(storage: ReplayStorage, batchSize = storage.options.batchSize) {
    const { frameStack, frameShape, dtype } = storage.options;
    this.storage = storage;
    this.frameSize = elements(frameShape);
    const stateSize = batchSize * frameStack * this.frameSize;
    this.batch = {
      states: newFrames(dtype, stateSize),
      actions: new Int32Array(batchSize),
      returns: new Float32Array(batchSize),
      discounts: new Float32Array(batchSize),
      nextStates: newFrames(dtype, stateSize),
    };
  }

  /** Writes the transition that starts in a row into the batch at `index`; false where it is not complete. */
  read(row: number, index: number): boolean {
    const { nStep, discount } = this.storage.options;
    const { lane, place } = this.storage.locate(row);
    if (lane.has(place, FINAL)) return false;
    const stackStart = this.stackStart(lane, place);
    if (stackStart === undefined) return false;
    let sum = 0;
    let factor = 1; // gamma^j
    let next = place;
    let terminal = false;
    for (let j = 0; j < nStep; j++) {
      sum += factor * lane.reward(next);
      factor *= discount;
      terminal = lane.has(next, TERMINAL);
      if (terminal) break;
      next += 1;
      if (next >= lane.added) return false;
      if (lane.has(next, FINAL)) break;
    }
    this.batch.actions[index] = lane.action(place);
    this.batch.returns[index] = sum;
    this.batch.discounts[index] = terminal ? 0 : factor;
    this.readStacks(lane, stackStart, place, terminal ? undefined : next, index);
    return true;
  }

  /** The oldest row in the state at `row`; undefined where it has been overwritten. */
  private stackStart(lane: Lane, row: number): number | undefined {
    const { frameStack } = this.storage.options;
    let start = row;
    while (row - start < frameStack - 1 && start >= lane.oldest && !lane.has(start, START)) start -= 1;
    return start < lane.oldest ? undefined : start;
  }

  /**
   * Writes the state at `row`, whose oldest frame is that of `start`, and the one at `next`, in the same episode, in
   * one pass over their frames. Without `next` the next state is zeros.
   */
  private readStacks(lane: Lane, start: number, row: number, next: number | undefined, index: number): void {
    const { frameSize } = this;
    const { frameStack } = this.storage.options;
    const { states, nextStates } = this.batch;
    const first = index * frameStack;
    const newest = first + frameStack - 1;
    // Where a row's frame stands in the batch, counted in frames: its number plus these.
    const toState = newest - row;
    const toNext = next === undefined ? 0 : newest - next;
    const nextStart = next === undefined ? Number.POSITIVE_INFINITY : Math.max(start, next - frameStack + 1);
    states.fill(0, first * frameSize, (toState + start) * frameSize);
    nextStates.fill(0, first * frameSize, Math.min(toNext + nextStart, newest + 1) * frameSize);
    lane.frames.read(start, next ?? row, (frame, source) => {
      if (source <= row) states.set(frame, (toState + source) * frameSize);
      if (source >= nextStart) nextStates.set(frame, (toNext + source) * frameSize);
    });
  }
}
