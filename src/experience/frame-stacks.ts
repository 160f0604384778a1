import type { ObservationArray } from 'gymnasium-js-bridge/environments';
import { type FrameArray, newFrames, type ReplayOptions } from '../replay/index.ts';

/**
 * Observations in the type that states and replays have, where they enter both: themselves where they are of that type,
 * else a copy.
 */
export function asFrames(observations: ObservationArray, dtype: ReplayOptions['dtype']): FrameArray {
  if (dtype === 'uint8') return observations instanceof Uint8Array ? observations : Uint8Array.from(observations);
  return observations instanceof Float32Array ? observations : Float32Array.from(observations);
}

/**
 * The states that the environments are in now: for each the newest `frameStack` frames, zeros before an episode's
 * first, as the replay stacks them.
 */
export class FrameStacks {
  /** [lanes, frameStack, ...frameShape], oldest frame first. */
  readonly states: FrameArray;
  private readonly frameSize: number;
  private readonly stackSize: number;

  constructor(lanes: number, frameStack: number, frameShape: readonly number[], dtype: 'uint8' | 'float32') {
    this.frameSize = frameShape.reduce((product, size) => product * size, 1);
    this.stackSize = frameStack * this.frameSize;
    this.states = newFrames(dtype, lanes * this.stackSize);
  }

  /**
   * Puts an observation on the stack of an environment, in place of its oldest.
   * @param lane The environment, from 0 on.
   * @param frame [...frameShape]
   * @param startsEpisode Whether it is the first of an episode: the frames before it become zeros.
   */
  push(lane: number, frame: FrameArray, startsEpisode: boolean): void {
    const start = lane * this.stackSize;
    const end = start + this.stackSize;
    if (startsEpisode) this.states.fill(0, start, end);
    else this.states.copyWithin(start, start + this.frameSize, end);
    this.states.set(frame, end - this.frameSize);
  }

  /** A view of the state of an environment. */
  state(lane: number): FrameArray {
    return this.states.subarray(lane * this.stackSize, (lane + 1) * this.stackSize);
  }

  /** A view of the newest frame of an environment. */
  newest(lane: number): FrameArray {
    const end = (lane + 1) * this.stackSize;
    return this.states.subarray(end - this.frameSize, end);
  }
}
