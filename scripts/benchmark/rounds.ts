import { setTimeout as pause } from 'node:timers/promises';
import type { Variant } from './plan.ts';

/** A pause between turns, in milliseconds: it lets the threads of the last variant fall asleep, and signals through. */
const PAUSE_MS = 20;
const LEAST_ROUNDS = 3;

export interface RoundOptions {
  rounds: number;
  turnMs: number;
  /** No round begins later than this, but the first three do. */
  maxMs?: number;
  /** Rounds before those that count. */
  warmUpRounds?: number;
  /** Hears of each round that begins; 0 is warm-up. */
  onRound?: (round: number) => void;
}

/**
 * Every variant has a turn in every round, every other round backwards (A B C, C B A, ...): what slows the machine down
 * for a while slows all of them, and none always follows the same one. Returns for each variant the milliseconds of
 * each round.
 */
export async function interleave(
  variants: readonly Variant[],
  { rounds, turnMs, maxMs = Number.POSITIVE_INFINITY, warmUpRounds = 1, onRound }: RoundOptions,
): Promise<Record<string, number[]>> {
  const times = Object.fromEntries(variants.map(({ name }) => [name, [] as number[]]));
  const startMs = performance.now();
  for (let round = 1 - warmUpRounds; round <= rounds; round++) {
    if (round > LEAST_ROUNDS && performance.now() - startMs > maxMs) break;
    onRound?.(Math.max(0, round));
    for (const variant of round % 2 === 0 ? variants.toReversed() : variants) {
      await pause(PAUSE_MS);
      const ms = await variant.turn(turnMs);
      if (round >= 1) times[variant.name].push(ms);
    }
  }
  return times;
}

/**
 * Milliseconds a call, over about `turnMs`, after one call that does not count: it fetches code and data back into the
 * caches.
 */
export function timeCalls(call: () => void, turnMs: number): number {
  call();
  const startMs = performance.now();
  for (let calls = 1; ; calls++) {
    call();
    const elapsedMs = performance.now() - startMs;
    if (elapsedMs >= turnMs) return elapsedMs / calls;
  }
}

/** The same for calls that are awaited. */
export async function timeAsyncCalls(call: () => Promise<unknown>, turnMs: number): Promise<number> {
  await call();
  const startMs = performance.now();
  for (let calls = 1; ; calls++) {
    await call();
    const elapsedMs = performance.now() - startMs;
    if (elapsedMs >= turnMs) return elapsedMs / calls;
  }
}
