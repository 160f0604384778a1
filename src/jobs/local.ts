import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RunFolderError } from '../runs/errors.ts';
import type { AttemptOptions, Ending, Executor } from './executor.ts';
import { argsOf, type Job, type JobState, keepAnswer } from './jobs.ts';
import { runCommandChild } from './run-command.ts';

/**
 * Runs jobs as processes of this machine. None is tried again: what ends a process here says why.
 * @param options `atOnce`: at a time, 1 where undefined. `nice`: whether they leave the processor to whoever else
 *   wants it.
 */
export function localExecutor({ atOnce = 1, nice = false }: { atOnce?: number; nice?: boolean } = {}): Executor {
  return {
    atOnce,
    retries: 0,
    attempt: (job, state, options) => attempt(job, state, { ...options, nice }),
  };
}

async function attempt(
  job: Job,
  state: JobState,
  { runsPath, signal, nice, onStart, onLine }: AttemptOptions & { nice: boolean },
): Promise<Ending> {
  const path = join(runsPath, job.name);
  await mkdir(dirname(path), { recursive: true });
  const startMs = performance.now();
  onStart(state === 'begun' ? 'goes on' : 'starts');
  let args: string[];
  try {
    args = await argsOf(job, state, runsPath);
  } catch (error) {
    if (error instanceof RunFolderError) return { kind: 'failed', reason: error.message };
    throw error;
  }
  const { code, stdout, lastLine } = await runCommandChild(job.command, args, { signal, nice, onLine });
  if (code !== 0) return { kind: 'failed', reason: lastLine || `${job.command} ended with exit code ${code}` };
  // An interrupted evaluation tells of the episodes so far: not what was asked.
  if (job.kind === 'question' && !signal.aborted) {
    await keepAnswer(path, job, stdout, (performance.now() - startMs) / 1000);
  }
  return { kind: 'ended' };
}
