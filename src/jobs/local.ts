import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { RunFolderError } from '../runs/errors.ts';
import type { AttemptOptions, Ending, Executor } from './executor.ts';
import { argsOf, type Job, type JobState, keepAnswer } from './jobs.ts';
import { type ChildOptions, runCommandChild } from './run-command.ts';

/**
 * Runs jobs as processes of this machine. None is tried again: what ends a process here says why.
 * @param options `atOnce`: at a time, 1 where undefined; several have TensorFlow threads for their share of the cores
 *   each, unless TF_NUM_INTRAOP_THREADS and TF_NUM_INTEROP_THREADS say how many. `nice`: whether they leave the
 *   processor to whoever else wants it.
 */
export function localExecutor({ atOnce = 1, nice = false }: { atOnce?: number; nice?: boolean } = {}): Executor {
  const env = atOnce === 1 ? {} : threadsEach(Math.max(1, Math.floor(availableParallelism() / atOnce)));
  return {
    atOnce,
    retries: 0,
    attempt: (job, state, options) => attempt(job, state, { ...options, nice, env }),
  };
}

/** With more threads than cores those that wait for work, which they do in loops, keep others from theirs. */
function threadsEach(count: number): Record<string, string> {
  return { TF_NUM_INTRAOP_THREADS: String(count), TF_NUM_INTEROP_THREADS: String(count) };
}

async function attempt(
  job: Job,
  state: JobState,
  { runsPath, signal, nice, env, onStart, onLine }: AttemptOptions & Pick<ChildOptions, 'nice' | 'env'>,
): Promise<Ending> {
  const startMs = performance.now();
  // Before anything is waited for, so that jobs are said to start in the order in which they are taken.
  onStart(state === 'begun' ? 'goes on' : 'starts');
  const path = join(runsPath, job.name);
  await mkdir(dirname(path), { recursive: true });
  let args: string[];
  try {
    args = await argsOf(job, state, runsPath);
  } catch (error) {
    if (error instanceof RunFolderError) return { kind: 'failed', reason: error.message };
    throw error;
  }
  const { code, stdout, lastLine } = await runCommandChild(job.command, args, { signal, nice, env, onLine });
  if (code !== 0) return { kind: 'failed', reason: lastLine || `${job.command} ended with exit code ${code}` };
  // An interrupted evaluation tells of the episodes so far: not what was asked.
  if (job.kind === 'question' && !signal.aborted) {
    await keepAnswer(path, job, stdout, (performance.now() - startMs) / 1000);
  }
  return { kind: 'ended' };
}
