import { DeltaFrames } from './delta-frames.ts';
import type { FrameArray } from './frame-store.ts';
import { FINAL, Lane, START, TERMINAL } from './lane.ts';
import { elements, leastRows, type ReplayOptions } from './options.ts';
import { RawFrames } from './raw-frames.ts';
import type { HeldRows } from './sampler.ts';

/** One step of one environment, as a replay keeps it. */
export interface ReplayStep {
  /** The newest frame of the state that the action was taken in. */
  frame: FrameArray;
  action: number;
  reward: number;
  /** The value of what follows is zero. */
  terminal: boolean;
  /** The next row of this lane starts another episode. */
  episodeEnds: boolean;
  /** The observation that the last action of a truncated episode led to. */
  finalFrame?: FrameArray;
}

/**
 * The rows of a replay: single frames with actions, rewards and flags, a lane for each environment. A row is named by
 * one number over all lanes, that of its lane plus the number of lanes times its place in the lane, which never wraps.
 */
export class ReplayStorage implements HeldRows {
  readonly options: Readonly<ReplayOptions>;
  readonly lanes: readonly Lane[];
  private readonly startPending: boolean[];

  /** @throws RangeError where a lane is too short to hold one transition. */
  constructor(options: ReplayOptions) {
    const { capacity, lanes, frameStack, nStep, dtype, replayCompression, frameShape, numActions = 256 } = options;
    const rows = Math.floor(capacity / lanes);
    const least = leastRows({ frameStack, nStep });
    if (rows < least) {
      throw new RangeError(
        `A replay of ${capacity} agent steps over ${lanes} environments is too small for ${nStep}-step returns: each ` +
          `needs at least ${least}`,
      );
    }
    this.options = options;
    const Frames = replayCompression === 'delta' ? DeltaFrames : RawFrames;
    this.lanes = Array.from({ length: lanes }, () => {
      const frames = new Frames({ rows, frameSize: elements(frameShape), dtype });
      return new Lane(rows, frames, numActions > 256 ? Int32Array : Uint8Array);
    });
    this.startPending = new Array(lanes).fill(true);
  }

  /** Rows held now. */
  get size(): number {
    return this.lanes.reduce((sum, lane) => sum + lane.added - lane.oldest, 0);
  }

  /** For each lane the oldest row still held and the number of rows ever appended. */
  extents(): { oldest: number; added: number }[] {
    return this.lanes.map(({ oldest, added }) => ({ oldest, added }));
  }

  /** Begins each lane's numbering elsewhere than at 0, for an empty replay that is about to be restored. */
  begin(firstRows: readonly number[]): void {
    for (const [i, lane] of this.lanes.entries()) lane.begin(firstRows[i]);
  }

  /** The row at a position from 0 to `size` - 1: lane after lane, oldest first. */
  rowAt(position: number): number {
    let left = position;
    for (const [i, lane] of this.lanes.entries()) {
      const held = lane.added - lane.oldest;
      if (left < held) return (lane.oldest + left) * this.lanes.length + i;
      left -= held;
    }
    throw new RangeError(`position ${position} of ${this.size} rows`);
  }

  /** The lane of a row, and the row's place in there. */
  locate(row: number): { lane: Lane; place: number } {
    const index = row % this.lanes.length;
    return { lane: this.lanes[index], place: (row - index) / this.lanes.length };
  }

  /**
   * Appends one step of the environment `lane`.
   * @returns The row of the step.
   */
  append(lane: number, step: ReplayStep): number {
    const target = this.lanes[lane];
    const flags = (this.startPending[lane] ? START : 0) | (step.terminal ? TERMINAL : 0);
    const row = target.added * this.lanes.length + lane;
    target.append(step.frame, step.action, step.reward, flags);
    if (!step.terminal && step.episodeEnds) {
      if (step.finalFrame === undefined)
        throw new Error('A truncated episode needs its final frame, to bootstrap from');
      target.append(step.finalFrame, 0, 0, FINAL);
    }
    this.startPending[lane] = step.episodeEnds;
    return row;
  }

  /** The bytes of the actions, rewards and flags that a lane holds, oldest first, for comparing two replays. */
  heldValues(lane: number): Uint8Array[] {
    return this.lanes[lane].heldValues();
  }

  /** The bytes of the hashes of the frames that a lane holds, oldest first, 4 bytes a row, for the same. */
  heldHashes(lane: number): Uint8Array[] {
    return this.lanes[lane].heldHashes();
  }
}
