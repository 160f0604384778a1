import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { asFrames } from '../experience/index.ts';
import { type FrameArray, newFrames, type ReplayOptions } from '../replay/index.ts';

/** A state before an action, and what came of it. */
interface Moment {
  /** The newest frame of the state, deflated: tens of thousands of them are held. */
  readonly frame: Buffer;
  /** PNG; undefined where there is no screen. */
  readonly screen: Uint8Array | undefined;
  /** The step that its episode began with. */
  readonly start: number;
  action: number;
  reward: number;
}

export type TapeOptions = Pick<ReplayOptions, 'frameShape' | 'frameStack' | 'dtype'>;

/** Steps that were played, with all that is needed to ask a network about them again. */
export class Tape {
  /** The step after the newest one. */
  get end(): number {
    return this.oldest + this.moments.length;
  }

  oldest = 0;
  /** What it takes in memory. */
  bytes = 0;
  private readonly options: TapeOptions;
  private readonly frameSize: number;
  private readonly moments: Moment[] = [];

  constructor(options: TapeOptions) {
    this.options = options;
    this.frameSize = options.frameShape.reduce((product, size) => product * size, 1);
  }

  /** Adds a state; its action and reward are told by `complete`. */
  add(observation: Parameters<typeof asFrames>[0], screen: Uint8Array | undefined, startsEpisode: boolean): void {
    const frame = asFrames(observation, this.options.dtype);
    const deflated = deflateRawSync(new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength), { level: 1 });
    const start = startsEpisode ? this.end : this.moments[this.moments.length - 1].start;
    this.moments.push({ frame: deflated, screen, start, action: 0, reward: 0 });
    this.bytes += deflated.length + (screen?.length ?? 0);
  }

  /** What was done in the newest state, and what it brought. */
  complete(action: number, reward: number): void {
    Object.assign(this.moments[this.moments.length - 1], { action, reward });
  }

  at(step: number): Readonly<Omit<Moment, 'frame'>> {
    return this.moments[step - this.oldest];
  }

  /** The newest frame of a state. */
  frame(step: number): FrameArray {
    const bytes = inflateRawSync(this.moments[step - this.oldest].frame);
    if (this.options.dtype === 'uint8') return bytes;
    return new Float32Array(Uint8Array.from(bytes).buffer);
  }

  /** Stacked states on end, [count, frameStack, ...frameShape]: zeros before an episode's first frame. */
  states(from: number, count: number): FrameArray {
    const { frameStack, dtype } = this.options;
    const states = newFrames(dtype, count * frameStack * this.frameSize);
    for (let step = Math.max(from - frameStack + 1, this.oldest); step < from + count; step++) {
      const frame = this.frame(step);
      // It is the newest of its own state, and an older one of those that follow.
      for (let age = 0; age < frameStack; age++) {
        const of = step + age;
        if (of < from || of >= from + count || step < this.at(of).start) continue;
        states.set(frame, ((of - from) * frameStack + frameStack - 1 - age) * this.frameSize);
      }
    }
    return states;
  }

  /** Forgets the steps before one. */
  dropBefore(step: number): void {
    const gone = this.moments.splice(0, Math.max(step - this.oldest, 0));
    this.oldest += gone.length;
    for (const { frame, screen } of gone) this.bytes -= frame.length + (screen?.length ?? 0);
  }
}
