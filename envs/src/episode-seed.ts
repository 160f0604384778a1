/**
 * Seed of the `episode`-th episode of environment `env` in a run seeded with `seed`: MurmurHash3 (x86, 32 bits, hash
 * seed 0) of the three numbers as little-endian 32-bit words, without its lowest bit. Stateless, so environment i sees
 * the same episodes whatever the number of environments, and any episode's seed is known without running the ones
 * before it.
 *
 * @param seed Run seed, an integer in [0, 2^31).
 * @param env Index of the environment.
 * @param episode How many episodes that environment started before.
 * @returns An integer in [0, 2^31).
 */
export function episodeSeed(seed: number, env: number, episode: number): number {
  let hash = 0;
  for (const word of [seed, env, episode]) {
    let k = Math.imul(word, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    hash ^= Math.imul(k, 0x1b873593);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  hash ^= 12; // length of the hashed bytes
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 1;
}
