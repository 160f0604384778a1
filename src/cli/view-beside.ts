import type { Socket } from 'node:net';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageFolder } from '../files/package-folder.ts';
import { startChild } from '../jobs/child-process.ts';
import { OWNER_VARIABLE } from '../jobs/run-command.ts';

/** Leaves the processor to the run where both want it. */
const NICENESS = 10;

/**
 * Shows a run in a page while it trains: `view-runs` in a process of its own, which ends with this one at the latest.
 * Whatever happens to it, the run goes on.
 * @param note Hears where the page is, or why there is none.
 * @returns Ends it.
 */
export function viewBeside(runDir: string, note: (line: string) => void): () => void {
  try {
    return startBeside(runDir, note);
  } catch (error) {
    note(`the run cannot be seen in a page, it goes on: ${(error as Error).message}`);
    return () => {};
  }
}

function startBeside(runDir: string, note: (line: string) => void): () => void {
  const script = join(packageFolder(), 'dist/scripts/view-runs.js');
  const child = startChild(process.execPath, [script, '--json', '--', runDir], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, [OWNER_VARIABLE]: String(process.pid) },
  });
  let isWanted = true;
  let lastLine = '';
  child.once('error', (error) => {
    lastLine = error.message;
  });
  child.once('close', () => {
    if (isWanted) note(`the run can be seen in a page no more, it goes on: ${lastLine}`);
  });
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const address = /"address":"([^"]+)"/.exec(line)?.[1];
    if (address !== undefined) note(`the run can be seen at ${address} while it trains`);
  });
  createInterface({ input: child.stderr! }).on('line', (line) => {
    lastLine = line;
  });
  // A run that has ended waits for nobody who looks at it.
  child.unref();
  for (const stream of [child.stdout, child.stderr]) (stream as Socket).unref();
  try {
    if (child.pid !== undefined) setPriority(child.pid, NICENESS);
  } catch {
    // It is as fast as the run then.
  }
  return () => {
    isWanted = false;
    child.kill('SIGTERM');
  };
}
