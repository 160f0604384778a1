// Waits for a state and never for a time: what is waited for comes at once on one machine and late on another.
import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** Far longer than anything takes on the slowest machine, and shorter than a test may take. */
const LIMIT_MS = 120_000;

/**
 * Looks every few milliseconds until `holds`.
 * @param what is waited for, for the message
 * @param of the process of which it is waited for: when that ends first, there is nothing to wait for
 * @throws If it does not come to be.
 */
export async function until(what: string, holds: () => boolean | Promise<boolean>, of?: ChildProcess): Promise<void> {
  const start = performance.now();
  for (;;) {
    // Before looking: what a process did and then ended is seen.
    const ended = of && (of.exitCode !== null || of.signalCode !== null);
    if (await holds()) return;
    if (ended) throw new Error(`The process ended (${of.exitCode ?? of.signalCode}) before ${what}`);
    if (performance.now() - start > LIMIT_MS) throw new Error(`Not within ${LIMIT_MS / 1000} s: ${what}`);
    await sleep(10);
  }
}
