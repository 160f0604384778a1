import { type FrameArray, type FrameStore, type FrameStoreOptions, newFrames } from './frame-store.ts';

const CHUNK_ROWS = 1024;

/** Frames as they are, in a ring of chunks that are taken when the first row in them is written. */
export class RawFrames implements FrameStore {
  private readonly options: FrameStoreOptions;
  private readonly chunks: (FrameArray | undefined)[];

  constructor(options: FrameStoreOptions) {
    this.options = options;
    this.chunks = new Array(Math.ceil(options.rows / CHUNK_ROWS)).fill(undefined);
  }

  append(row: number, frame: FrameArray): void {
    const { rows, frameSize, dtype } = this.options;
    const slot = row % rows;
    const chunkIndex = Math.floor(slot / CHUNK_ROWS);
    const rowsInChunk = Math.min(CHUNK_ROWS, rows - chunkIndex * CHUNK_ROWS);
    this.chunks[chunkIndex] ??= newFrames(dtype, rowsInChunk * frameSize);
    this.chunks[chunkIndex].set(frame, (slot % CHUNK_ROWS) * frameSize);
  }

  read(first: number, last: number, visit: (frame: FrameArray, row: number) => void): void {
    const { rows, frameSize } = this.options;
    for (let row = first; row <= last; row++) {
      const slot = row % rows;
      const start = (slot % CHUNK_ROWS) * frameSize;
      visit(this.chunks[Math.floor(slot / CHUNK_ROWS)]!.subarray(start, start + frameSize), row);
    }
  }
}
