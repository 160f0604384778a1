import { applyDelta, encodeDelta, longestDelta } from './delta.ts';
import { bytesOf, type FrameArray, type FrameStore, type FrameStoreOptions, newFrames } from './frame-store.ts';

/**
 * At least every 16th frame is kept whole, so a frame is at most 15 changes away from one. On Enduro every 8th takes 50
 * % more memory, every 32nd 25 % less but twice the time to sample.
 */
const KEY_INTERVAL = 16;

/** Whole frames that fit into a chunk: 450 kB for Atari. */
const CHUNK_FRAMES = 64;

/** What finding a row's bytes costs: its chunk and its place in there. */
export const DELTA_INDEX_BYTES = 4 + 4;

/**
 * Frames as changes since the frame before (`delta.ts`). Frames follow one another in chunks, numbered since the
 * beginning. A chunk whose rows have all been overwritten is written anew, so memory only grows where frames become
 * harder to compress. A frame that has changed too much is kept whole: a million of the worst frames take 2 % more than
 * uncompressed ones.
 *
 * A stored frame is one byte that says how many rows back the nearest whole frame is, then the changes, or after a 0
 * the frame itself.
 */
export class DeltaFrames implements FrameStore {
  private readonly frameBytes: number;
  private readonly chunkBytes: number;
  /** Rows that can be found: a few more than are held, since the oldest may need the whole frame before it. */
  private readonly rows: number;
  /** By row, modulo `rows`: the number of its chunk and where it begins in there. */
  private readonly chunkOf: Uint32Array;
  private readonly offsetOf: Uint32Array;
  private readonly chunks = new Map<number, Uint8Array>();
  private readonly spareChunks: Uint8Array[] = [];
  private oldestChunk = 0;
  private newestChunk = -1;
  /** How much of the newest chunk is written; before the first one as if it were full. */
  private end: number;
  private rowsSinceWhole = KEY_INTERVAL;
  private readonly newest: Uint8Array;
  private readonly encoded: Uint8Array;
  private readonly decoded: FrameArray;
  private readonly decodedBytes: Uint8Array;

  constructor({ rows, frameSize, dtype }: FrameStoreOptions) {
    this.decoded = newFrames(dtype, frameSize);
    this.decodedBytes = bytesOf(this.decoded);
    this.frameBytes = this.decodedBytes.length;
    this.newest = new Uint8Array(this.frameBytes);
    this.encoded = new Uint8Array(1 + longestDelta(this.frameBytes));
    this.chunkBytes = CHUNK_FRAMES * (1 + this.frameBytes);
    this.end = this.chunkBytes;
    this.rows = rows + KEY_INTERVAL - 1;
    this.chunkOf = new Uint32Array(this.rows);
    this.offsetOf = new Uint32Array(this.rows);
  }

  append(row: number, frame: FrameArray): void {
    const bytes = this.encode(bytesOf(frame));
    this.recycleChunks(row);
    if (this.end + bytes.length > this.chunkBytes) this.startChunk();
    this.chunks.get(this.newestChunk)!.set(bytes, this.end);
    this.chunkOf[row % this.rows] = this.newestChunk;
    this.offsetOf[row % this.rows] = this.end;
    this.end += bytes.length;
  }

  read(first: number, last: number, visit: (frame: FrameArray, row: number) => void): void {
    const rowsBack = this.chunks.get(this.chunkOf[first % this.rows])![this.offsetOf[first % this.rows]];
    for (let row = first - rowsBack; row <= last; row++) {
      const chunk = this.chunks.get(this.chunkOf[row % this.rows])!;
      const start = this.offsetOf[row % this.rows];
      if (chunk[start] > 0) applyDelta(chunk, start + 1, this.decodedBytes);
      else this.decodedBytes.set(chunk.subarray(start + 1, start + 1 + this.frameBytes));
      if (row >= first) visit(this.decoded, row);
    }
  }

  /** Returns the bytes to be stored. */
  private encode(frame: Uint8Array): Uint8Array {
    this.rowsSinceWhole += 1;
    const wholeEnd = 1 + this.frameBytes;
    let end = wholeEnd;
    if (this.rowsSinceWhole < KEY_INTERVAL) end = encodeDelta(frame, this.newest, this.encoded, 1);
    if (end >= wholeEnd) {
      this.rowsSinceWhole = 0;
      this.encoded.set(frame, 1);
      end = wholeEnd;
    }
    this.encoded[0] = this.rowsSinceWhole;
    this.newest.set(frame);
    return this.encoded.subarray(0, end);
  }

  /** Sets the chunks aside that hold nothing but rows which `newRow` and those before it have overwritten. */
  private recycleChunks(newRow: number): void {
    // The chunk of the oldest row then; 0 before all rows are taken.
    const neededChunk = this.chunkOf[(newRow + 1) % this.rows];
    for (; this.oldestChunk < neededChunk; this.oldestChunk++) {
      this.spareChunks.push(this.chunks.get(this.oldestChunk)!);
      this.chunks.delete(this.oldestChunk);
    }
  }

  private startChunk(): void {
    this.newestChunk += 1;
    this.chunks.set(this.newestChunk, this.spareChunks.pop() ?? new Uint8Array(this.chunkBytes));
    this.end = 0;
  }
}
