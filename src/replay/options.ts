import { DELTA_INDEX_BYTES } from './delta-frames.ts';
import type { ReplayCompression } from './frame-store.ts';

/** The sizes of a replay, and what its transitions are. */
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
  /** How many actions there are; up to 256, the default, an action takes one byte. */
  numActions?: number;
  /** How frames are kept, `none` unless given. It changes memory and time, never what is sampled. */
  replayCompression?: ReplayCompression;
}

/** What a row costs beside its frame: action, reward, flags, hash. */
const ROW_OVERHEAD_BYTES = 1 + 4 + 1 + 4;

/**
 * What uint8 frames take compressed, as a part of their size: as much as the most demanding of 36 Atari games measured
 * with random actions, so that a replay that is said to fit does. Most games take less than half of it.
 */
const COMPRESSED_PART = 0.3;

/**
 * Bytes that a full replay takes. With compression it is an estimate on the safe side for Atari, not a bound: the bound
 * is 2 % above the uncompressed size. Floats are counted uncompressed.
 */
export function replayBytes({
  capacity,
  frameShape,
  dtype,
  replayCompression,
}: Pick<ReplayOptions, 'capacity' | 'frameShape' | 'dtype' | 'replayCompression'>): number {
  const frameBytes = elements(frameShape) * (dtype === 'uint8' ? 1 : 4);
  if (replayCompression !== 'delta') return capacity * (frameBytes + ROW_OVERHEAD_BYTES);
  const part = dtype === 'uint8' ? COMPRESSED_PART : 1;
  return capacity * (frameBytes * part + DELTA_INDEX_BYTES + ROW_OVERHEAD_BYTES);
}

/**
 * The fewest rows of an environment that can be learned from. The newest `nStep` and the oldest `frameStack` - 1 start
 * no complete transition, and drawing at random finds one for certain only where at least 1 row in 20 does.
 */
export function leastRows({ frameStack, nStep }: Pick<ReplayOptions, 'frameStack' | 'nStep'>): number {
  return Math.max(frameStack + nStep + 1, Math.ceil(((frameStack + nStep) * 20) / 19));
}

/** How many elements an array of this shape has. */
export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
