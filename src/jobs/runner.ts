import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { replaceFileWith } from '../files/atomic.ts';
import { duration } from '../report/duration.ts';
import { RunFolderError } from '../runs/errors.ts';
import { type Answer, argsOf, type Job, type JobState, stateOf } from './jobs.ts';
import { runCommandChild } from './run-command.ts';

export interface RunnerOptions {
  /** The folder of all runs. */
  runsPath: string;
  /** Stops after the runs that are under way have saved themselves. */
  signal: AbortSignal;
  /** Jobs at a time; 1 where undefined. */
  atOnce?: number;
  /** Whether jobs leave the processor to whoever else wants it. */
  nice?: boolean;
  /** Shows how far so many runs have come. */
  progressOf: (total: number) => RunsProgress;
  /** Hears what the user should know, a line each. */
  note: (line: string) => void;
}

/** Shows how far several runs have come. */
export interface RunsProgress {
  /** `done` runs are over; `doing` says in words which one is next. */
  update(done: number, doing: string): void;
  /** Prints a line. */
  note(line: string): void;
  stop(): void;
}

export interface Outcome {
  interrupted: boolean;
  /** Why a job failed, by its name. */
  failures: Record<string, string>;
}

/** Does the jobs that are not done yet, in their order; one that fails does not keep the others from theirs. */
export async function runJobs(jobs: readonly Job[], options: RunnerOptions): Promise<Outcome> {
  const { runsPath, signal, note, progressOf, atOnce = 1 } = options;
  const states = new Map<Job, JobState>();
  for (const job of new Map(jobs.map((job) => [job.name, job])).values()) {
    states.set(job, await stateOf(job, runsPath));
  }
  const open = [...states].filter(([, state]) => state !== 'finished');
  if (open.length < states.size) note(`${states.size - open.length} of ${states.size} runs are there already`);
  const failures: Record<string, string> = {};
  const progress = progressOf(open.length);
  let done = 0;
  const queue = open.entries();
  const work = async () => {
    for (const [index, [job, state]] of queue) {
      if (signal.aborted) break;
      progress.note(`${job.name}: ${state === 'begun' ? 'goes on' : 'starts'} (run ${index + 1} of ${open.length})`);
      const startMs = performance.now();
      const failure = await runJob(job, state, {
        ...options,
        onLine: (line) => progress.update(done, `${job.name}: ${line}`),
      });
      if (signal.aborted) break;
      done += 1;
      if (failure !== undefined) failures[job.name] = failure;
      const time = duration((performance.now() - startMs) / 1000);
      progress.note(`${job.name}: ${failure === undefined ? `done in ${time}` : `failed after ${time}: ${failure}`}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(atOnce, open.length) }, work));
  } finally {
    progress.stop();
  }
  return { interrupted: signal.aborted, failures };
}

/** Returns what went wrong, in one line. */
async function runJob(
  job: Job,
  state: JobState,
  {
    runsPath,
    onLine,
    ...options
  }: Pick<RunnerOptions, 'runsPath' | 'signal' | 'nice'> & { onLine: (line: string) => void },
): Promise<string | undefined> {
  const path = join(runsPath, job.name);
  await mkdir(dirname(path), { recursive: true });
  const startMs = performance.now();
  let args: string[];
  try {
    args = await argsOf(job, state, runsPath);
  } catch (error) {
    if (error instanceof RunFolderError) return error.message;
    throw error;
  }
  const { code, stdout, lastLine } = await runCommandChild(job.command, args, { ...options, onLine });
  if (code !== 0) return lastLine || `${job.command} ended with exit code ${code}`;
  // An interrupted evaluation tells of the episodes so far: not what was asked.
  if (job.kind === 'question' && !options.signal.aborted) {
    const answer: Answer = {
      args: [...job.args],
      seconds: (performance.now() - startMs) / 1000,
      result: JSON.parse(stdout),
    };
    await replaceFileWith(`${path}.json`, (file) => file.writeFile(`${JSON.stringify(answer)}\n`));
  }
  return undefined;
}
