/** Frames of observations, row-major: bytes for pictures, else floats. */
export type FrameArray = Uint8Array | Float32Array;

/**
 * How frames are kept: `none` as they are; `delta` as what changed since the frame before, exact and several times
 * smaller.
 */
export const REPLAY_COMPRESSIONS = ['none', 'delta'] as const;
/** The name of a way. */
export type ReplayCompression = (typeof REPLAY_COMPRESSIONS)[number];

/**
 * The frames of one lane's newest rows. Memory is taken as rows are appended, and taken once: what old rows leave is
 * used again.
 */
export interface FrameStore {
  /** Keeps the frame of `row`, the one after the newest. The oldest row gives way where all rows are taken. */
  append(row: number, frame: FrameArray): void;
  /**
   * Calls `visit` with the frames of the rows `first` to `last`, in this order. A frame may only be read during its
   * call.
   */
  read(first: number, last: number, visit: (frame: FrameArray, row: number) => void): void;
}

export interface FrameStoreOptions {
  /** Rows that are held. */
  rows: number;
  /** Elements of a frame. */
  frameSize: number;
  dtype: 'uint8' | 'float32';
}

/** Frames of zeros: `elements` numbers of the type `dtype`. */
export function newFrames(dtype: 'uint8' | 'float32', elements: number): FrameArray {
  return dtype === 'uint8' ? new Uint8Array(elements) : new Float32Array(elements);
}

/** The same memory as bytes. */
export function bytesOf(frame: FrameArray): Uint8Array {
  return frame instanceof Uint8Array ? frame : new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength);
}
