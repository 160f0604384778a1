import { DELTA_INDEX_BYTES, DeltaFrames } from './delta-frames.ts';
import { type FrameArray, newFrames, type ReplayCompression } from './frame-store.ts';
import { FINAL, Lane, START, TERMINAL } from './lane.ts';
import { RawFrames } from './raw-frames.ts';

export interface ReplayOptions {
  /** Rows (agent steps) held, over all lanes. */
  capacity: number;
  /** Environments that write into it, each in its own lane. */
  lanes: number;
  /** Shape of a single frame: [84, 84] for Atari, [4] for CartPole. */
  frameShape: readonly number[];
  dtype: 'uint8' | 'float32';
  /** Frames in a state. */
  frameStack: number;
  /** Steps of reward summed into a transition, at least 1. */
  nStep: number;
  /** gamma, in [0, 1]. */
  discount: number;
  batchSize: number;
  /** How frames are kept, `none` unless given. It changes memory and time, never what is sampled. */
  replayCompression?: ReplayCompression;
}

/** Where randomness comes from. */
export interface RandomSource {
  /** An integer in [0, n). */
  integer(n: number): number;
}

/**
 * A minibatch of n-step transitions. Names follow time: the state s_t, the action a_t, R_t = r_t + gamma r_{t+1} + ..., and the state n steps on.
 * The arrays are reused by the next `sample`.
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

/** What a row costs beside its frame: action, reward, flags. */
const ROW_OVERHEAD_BYTES = 1 + 4 + 1;

/**
 * What uint8 frames take compressed, as a part of their size: as much as the most demanding of 36 Atari games measured with random actions, so that a
 * replay that is said to fit does. Most games take less than half of it.
 */
const COMPRESSED_PART = 0.3;

/**
 * Bytes that a full replay takes. With compression it is an estimate on the safe side for Atari, not a bound: the bound is 2 % above the uncompressed
 * size. Floats are counted uncompressed.
 */
export function replayBytes({ capacity, frameShape, dtype, replayCompression }: ReplayOptions): number {
  const frameBytes = elements(frameShape) * (dtype === 'uint8' ? 1 : 4);
  if (replayCompression !== 'delta') return capacity * (frameBytes + ROW_OVERHEAD_BYTES);
  const part = dtype === 'uint8' ? COMPRESSED_PART : 1;
  return capacity * (frameBytes * part + DELTA_INDEX_BYTES + ROW_OVERHEAD_BYTES);
}

/**
 * Uniform experience replay over single frames (Mnih et al. 2015): each frame is stored once and stacked when sampled, so a million Atari steps take
 * 7.06 GB instead of 56, and about 1 GB with `replayCompression`. Stacks never reach across an episode's start (zeros stand there) and never into
 * overwritten rows; a truncated episode keeps its last observation, so that it bootstraps from what really followed.
 */
export class Replay {
  readonly options: Readonly<ReplayOptions>;
  private readonly lanes: Lane[];
  private readonly frameSize: number;
  private readonly batch: TransitionBatch;
  private readonly startPending: boolean[];

  /** `firstRows`: where each lane's numbering begins, for a replay that is being restored. */
  constructor(options: ReplayOptions, firstRows: readonly number[] = []) {
    const { capacity, lanes, frameStack, nStep, batchSize, dtype, replayCompression } = options;
    const rowsPerLane = Math.floor(capacity / lanes);
    if (rowsPerLane < frameStack + nStep + 1) {
      throw new RangeError(
        `A replay of ${capacity} agent steps over ${lanes} environments is too small: each needs at least ${frameStack + nStep + 1}`,
      );
    }
    this.options = options;
    this.frameSize = elements(options.frameShape);
    const Frames = replayCompression === 'delta' ? DeltaFrames : RawFrames;
    this.lanes = Array.from({ length: lanes }, (_, lane) => {
      const frames = new Frames({ rows: rowsPerLane, frameSize: this.frameSize, dtype });
      return new Lane(rowsPerLane, frames, firstRows[lane] ?? 0);
    });
    this.startPending = new Array(lanes).fill(true);
    const stateSize = batchSize * frameStack * this.frameSize;
    this.batch = {
      states: newFrames(dtype, stateSize),
      actions: new Int32Array(batchSize),
      returns: new Float32Array(batchSize),
      discounts: new Float32Array(batchSize),
      nextStates: newFrames(dtype, stateSize),
    };
  }

  /** Rows held now. */
  get size(): number {
    return this.lanes.reduce((sum, lane) => sum + lane.added - lane.oldest, 0);
  }

  /** For each lane the oldest row still held and the number of rows ever appended. */
  extents(): { oldest: number; added: number }[] {
    return this.lanes.map(({ oldest, added }) => ({ oldest, added }));
  }

  /** The bytes of the actions, rewards and flags that a lane holds, oldest first, for comparing two replays. */
  heldValues(lane: number): Uint8Array[] {
    return this.lanes[lane].heldValues();
  }

  /**
   * Appends one step of environment `lane`: `frame` is the newest frame of the state the action was taken in. `terminal`: the value of what follows is
   * zero. `episodeEnds`: the next row of this lane starts another episode. `finalFrame`: the observation that the last action of a truncated episode led to.
   */
  append(
    lane: number,
    step: {
      frame: FrameArray;
      action: number;
      reward: number;
      terminal: boolean;
      episodeEnds: boolean;
      finalFrame?: FrameArray;
    },
  ): void {
    const target = this.lanes[lane];
    const flags = (this.startPending[lane] ? START : 0) | (step.terminal ? TERMINAL : 0);
    target.append(step.frame, step.action, step.reward, flags);
    if (!step.terminal && step.episodeEnds) {
      if (step.finalFrame === undefined)
        throw new Error('A truncated episode needs its final frame, to bootstrap from');
      target.append(step.finalFrame, 0, 0, FINAL);
    }
    this.startPending[lane] = step.episodeEnds;
  }

  /** Draws `batchSize` transitions uniformly, with replacement. Throws where the replay holds none that is complete. */
  sample(random: RandomSource): TransitionBatch {
    const { batchSize } = this.options;
    for (let index = 0; index < batchSize; index++) this.sampleInto(index, random);
    return this.batch;
  }

  private sampleInto(index: number, random: RandomSource): void {
    const size = this.size;
    for (let attempt = 0; attempt < 1000 && size > 0; attempt++) {
      let position = random.integer(size);
      for (const lane of this.lanes) {
        const held = lane.added - lane.oldest;
        if (position < held) {
          if (this.readTransition(lane, lane.oldest + position, index)) return;
          break;
        }
        position -= held;
      }
    }
    throw new Error(`The replay holds no complete transition yet: ${size} rows`);
  }

  /** Writes the transition that starts in `row` into the batch; false where it is not complete. */
  private readTransition(lane: Lane, row: number, index: number): boolean {
    const { nStep, discount } = this.options;
    if (lane.has(row, FINAL)) return false;
    const stackStart = this.stackStart(lane, row);
    if (stackStart === undefined) return false;
    let sum = 0;
    let factor = 1; // gamma^j
    let next = row;
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
    this.batch.actions[index] = lane.action(row);
    this.batch.returns[index] = sum;
    this.batch.discounts[index] = terminal ? 0 : factor;
    this.readStacks(lane, stackStart, row, terminal ? undefined : next, index);
    return true;
  }

  /** The oldest row in the state at `row`; undefined where it has been overwritten. */
  private stackStart(lane: Lane, row: number): number | undefined {
    const { frameStack } = this.options;
    let start = row;
    while (row - start < frameStack - 1 && start >= lane.oldest && !lane.has(start, START)) start -= 1;
    return start < lane.oldest ? undefined : start;
  }

  /**
   * Writes the state at `row`, whose oldest frame is that of `start`, and the one at `next`, in the same episode, in one pass over their frames. Without
   * `next` the next state is zeros.
   */
  private readStacks(lane: Lane, start: number, row: number, next: number | undefined, index: number): void {
    const { frameSize } = this;
    const { frameStack } = this.options;
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

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
