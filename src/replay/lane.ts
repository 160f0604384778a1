import type { FrameArray, FrameStore } from './frame-store.ts';
import { rowHash } from './row-hash.ts';

/** The row is the first of an episode: stacks do not reach behind it. */
export const START = 1;
/** The row's transition must not bootstrap: the game ended, or a life was lost where that counts as the end. */
export const TERMINAL = 2;
/** The row holds only the last observation of a truncated episode: no action was taken in it. */
export const FINAL = 4;

/**
 * One environment's stream of single frames, a ring of rows in time order. Rows are named by how many were appended
 * before them, a number that never wraps.
 */
export class Lane {
  /** Rows appended since the beginning; the newest row is `added - 1`. */
  added: number;
  readonly rows: number;
  readonly frames: FrameStore;
  private readonly actions: Uint8Array | Int32Array;
  private readonly rewards: Float32Array;
  private readonly flags: Uint8Array;
  /** A hash of each row's frame, so that a replay that was played again can be compared without its frames. */
  private readonly hashes: Uint32Array;
  private firstRow = 0;

  constructor(rows: number, frames: FrameStore, Actions: Uint8ArrayConstructor | Int32ArrayConstructor = Uint8Array) {
    this.rows = rows;
    this.frames = frames;
    this.added = 0;
    this.actions = new Actions(rows);
    this.rewards = new Float32Array(rows);
    this.flags = new Uint8Array(rows);
    this.hashes = new Uint32Array(rows);
  }

  /** Names the first row to be appended, for an empty lane that is being restored. */
  begin(firstRow: number): void {
    this.firstRow = firstRow;
    this.added = firstRow;
  }

  /** The oldest row still held. */
  get oldest(): number {
    return Math.max(this.firstRow, this.added - this.rows);
  }

  append(frame: FrameArray, action: number, reward: number, flags: number): void {
    const slot = this.added % this.rows;
    this.frames.append(this.added, frame);
    this.actions[slot] = action;
    this.rewards[slot] = reward;
    this.flags[slot] = flags;
    this.hashes[slot] = rowHash(frame);
    this.added += 1;
  }

  action(row: number): number {
    return this.actions[row % this.rows];
  }

  reward(row: number): number {
    return this.rewards[row % this.rows];
  }

  has(row: number, flag: number): boolean {
    return (this.flags[row % this.rows] & flag) !== 0;
  }

  /** The bytes of the actions, rewards and flags of the rows held, oldest first. */
  heldValues(): Uint8Array[] {
    return this.heldBytes([this.actions, this.rewards, this.flags]);
  }

  /** The bytes of the hashes of the frames of the rows held, oldest first. */
  heldHashes(): Uint8Array[] {
    return this.heldBytes([this.hashes]);
  }

  private heldBytes(arrays: (Uint8Array | Int32Array | Float32Array | Uint32Array)[]): Uint8Array[] {
    const from = this.oldest % this.rows;
    const count = this.added - this.oldest;
    const untilEnd = Math.min(count, this.rows - from);
    return [
      [from, from + untilEnd],
      [0, count - untilEnd],
    ].flatMap(([start, end]) => {
      return arrays.map((values) => {
        const held = values.subarray(start, end);
        return new Uint8Array(held.buffer, held.byteOffset, held.byteLength);
      });
    });
  }
}
