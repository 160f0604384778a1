import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/** Mixes 32 bits so that neighbouring inputs give unrelated outputs (the finaliser of MurmurHash3). */
function mix32(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}

/** A 31-bit seed for a component, derived from the run's seed and the component's name. */
export function deriveSeed(seed: number, component: string): number {
  let h = mix32(seed ^ 0x9e3779b9);
  for (const char of component) h = mix32(h ^ char.codePointAt(0)!);
  return h >>> 1;
}

/**
 * A seeded stream of random numbers (xoroshiro128+). Each component of a run has its own, so that drawing more in one
 * never moves another.
 */
export class Generator {
  private source: ReturnType<typeof xoroshiro128plusFromState>;

  /** `seed`: the run's seed, an integer in [0, 2^31). `component`: what draws from it, such as "exploration". */
  constructor(seed: number, component: string);
  /** Continues from a state that `getState` returned. */
  constructor(state: readonly number[]);
  constructor(seedOrState: number | readonly number[], component = '') {
    if (typeof seedOrState === 'number') {
      const start = deriveSeed(seedOrState, component);
      const state = [1, 2, 3, 4].map((word) => mix32(start + Math.imul(word, 0x9e3779b9)));
      this.source = xoroshiro128plusFromState(state);
    } else {
      this.source = xoroshiro128plusFromState([...seedOrState]);
    }
  }

  /** A number in [0, 1). */
  uniform(): number {
    return uniformFloat64(this.source);
  }

  /** An integer in [0, n). */
  integer(n: number): number {
    return uniformInt(this.source, 0, n - 1);
  }

  /** The state, a list of integers, from which `setState` goes on with the same numbers. */
  getState(): number[] {
    return [...this.source.getState()];
  }

  /** Goes on from a state that `getState` returned. */
  setState(state: readonly number[]): void {
    this.source = xoroshiro128plusFromState([...state]);
  }
}
