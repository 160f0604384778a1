// @ts-check

// One set-up at a time in a project folder, and no leftovers of one that was killed.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupFault } from './faults.mjs';

/** Every tool that set-up starts carries this environment variable, whose value names the project folder. */
export const markerName = 'WEIGHTNORM_RL_SETUP';

/** @param {string} root */
export function marker(root) {
  return createHash('sha256').update(realpathSync(root)).digest('hex').slice(0, 32);
}

/**
 * Takes the project's lock, waiting for it if need be. The lock is a listening abstract socket: the kernel frees it
 * whenever and however its process ends, so there is no stale lock to clean up.
 *
 * @param {string} root
 * @param {() => void} onWait called once, if another process holds the lock
 * @returns {Promise<() => Promise<void>>} frees the lock
 */
export async function takeLock(root, onWait) {
  // Filled up to the kernel's 108 bytes: Node 20 always sends that many, Node 22 and 24 only the name's own length.
  const name = `\0weightnorm-rl-setup-${marker(root)}`.padEnd(108, '-');
  for (let tries = 0; ; tries++) {
    const server = await listen(name);
    if (server) return () => new Promise((resolve) => server.close(() => resolve()));
    if (tries === 0) onWait();
    await sleep(200);
  }
}

/** @param {string} name @returns {Promise<import('node:net').Server | undefined>} */
function listen(name) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (/** @type {NodeJS.ErrnoException} */ error) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(name, () => {
      server.unref();
      resolve(server);
    });
  });
}

/**
 * Ends the tools that a killed set-up of this project left running. Call it with the lock held: then every marked
 * process is such a leftover.
 *
 * @param {string} root
 */
export async function endLeftovers(root) {
  const deadline = Date.now() + 10_000;
  for (let left = leftovers(root); left.length > 0; left = leftovers(root)) {
    if (Date.now() > deadline) {
      throw new SetupFault(
        `Process ${left[0]} of an interrupted set-up does not end: run "kill -9 ${left[0]}" and try again.`,
      );
    }
    for (const pid of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself.
      }
    }
    await sleep(50);
  }
}

/** @param {string} root @returns {number[]} process ids */
export function leftovers(root) {
  const entry = `\0${markerName}=${marker(root)}\0`;
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid)
    .filter((pid) => {
      try {
        return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`.includes(entry);
      } catch {
        return false; // It ended, or is another user's.
      }
    });
}
