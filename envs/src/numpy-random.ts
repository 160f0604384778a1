/**
 * The random numbers of NumPy's `default_rng(seed)`, bit for bit: a seed is spread by `SeedSequence` over the state of
 * the generator PCG64 (XSL-RR, 128 bits of state).
 *
 * Sources: M. E. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number
 * Generation", HMC-CS-2014-0905, 2014, and her "Developing a seed_seq Alternative", pcg-random.org, 2015; NumPy's
 * documentation of `SeedSequence` and `PCG64`, https://numpy.org/doc/stable/reference/random/bit_generators/.
 */

const POOL_WORDS = 4;
const STATE_WORDS = 8;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

/**
 * A stream of random numbers.
 *
 * @param seed An integer in [0, 2^32).
 * @returns A function that gives the next number of `default_rng(seed).uniform(low, high)` with every call.
 */
export function numpyUniform(seed: number): (low: number, high: number) => number {
  const words = seedWords(seed);
  const wide = (first: number) =>
    (BigInt(words[first + 1]!) << 96n) |
    (BigInt(words[first]!) << 64n) |
    (BigInt(words[first + 3]!) << 32n) |
    BigInt(words[first + 2]!);
  const increment = BigInt.asUintN(128, (wide(4) << 1n) | 1n);
  const advance = (state: bigint) => BigInt.asUintN(128, state * MULTIPLIER + increment);
  let state = advance(increment + wide(0));

  return (low, high) => {
    state = advance(state);
    const folded = (state >> 64n) ^ BigInt.asUintN(64, state);
    const rotation = state >> 122n;
    const bits = BigInt.asUintN(64, (folded >> rotation) | (folded << (64n - rotation)));
    return low + (high - low) * (Number(bits >> 11n) / 2 ** 53);
  };
}

/** `SeedSequence(seed).generate_state(8)`: 8 words of 32 bits. */
function seedWords(seed: number): Uint32Array {
  const hash = hasher(0x43b0d7e5, 0x931e8875);
  const pool = Uint32Array.from({ length: POOL_WORDS }, (_, i) => hash(i === 0 ? seed : 0));
  for (let from = 0; from < POOL_WORDS; from++) {
    for (let to = 0; to < POOL_WORDS; to++) {
      if (to !== from) pool[to] = mix(pool[to]!, hash(pool[from]!));
    }
  }
  const spread = hasher(0x8b51f9dd, 0x58f38ded);
  return Uint32Array.from({ length: STATE_WORDS }, (_, i) => spread(pool[i % POOL_WORDS]!));
}

/** A hash of 32-bit words that differs from call to call: its constant is multiplied each time. */
function hasher(constant: number, multiplier: number): (word: number) => number {
  let current = constant;
  return (word) => {
    const mixed = word ^ current;
    current = Math.imul(current, multiplier);
    return fold(Math.imul(mixed, current));
  };
}

function mix(a: number, b: number): number {
  return fold(Math.imul(0xca01f9dd, a) - Math.imul(0x4973f715, b));
}

/** A word with its upper half mixed into the lower one. */
function fold(word: number): number {
  return (word ^ (word >>> 16)) >>> 0;
}
