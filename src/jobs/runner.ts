import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { replaceFileWith } from '../files/atomic.ts';
import { duration } from '../report/duration.ts';
import { type Answer, argsOf, type Job, type JobState, stateOf } from './jobs.ts';
import { runCommandChild } from './run-command.ts';

export interface RunnerOptions {
  /** The folder of all runs. */
  runsPath: string;
  /** Stops after the run that is under way has saved itself. */
  signal: AbortSignal;
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

/** Does the jobs that are not done yet, one after the other; one that fails does not keep the others from theirs. */
export async function runJobs(jobs: readonly Job[], options: RunnerOptions): Promise<Outcome> {
  const { runsPath, signal, note, progressOf } = options;
  const states = new Map<Job, JobState>();
  for (const job of new Map(jobs.map((job) => [job.name, job])).values()) {
    states.set(job, await stateOf(job, runsPath));
  }
  const open = [...states].filter(([, state]) => state !== 'finished');
  if (open.length < states.size) note(`${states.size - open.length} of ${states.size} runs are there already`);
  const failures: Record<string, string> = {};
  const progress = progressOf(open.length);
  try {
    for (const [done, [job, state]] of open.entries()) {
      if (signal.aborted) break;
      progress.note(`${job.name}: ${state === 'begun' ? 'goes on' : 'starts'} (run ${done + 1} of ${open.length})`);
      const startMs = performance.now();
      const failure = await runJob(job, state, {
        ...options,
        onLine: (line) => progress.update(done, `${job.name}: ${line}`),
      });
      if (signal.aborted) break;
      if (failure !== undefined) failures[job.name] = failure;
      const time = duration((performance.now() - startMs) / 1000);
      progress.note(`${job.name}: ${failure === undefined ? `done in ${time}` : `failed after ${time}: ${failure}`}`);
    }
  } finally {
    progress.stop();
  }
  return { interrupted: signal.aborted, failures };
}

/** Returns what went wrong, in one line. */
async function runJob(
  job: Job,
  state: JobState,
  { runsPath, signal, onLine }: Pick<RunnerOptions, 'runsPath' | 'signal'> & { onLine: (line: string) => void },
): Promise<string | undefined> {
  const path = join(runsPath, job.name);
  await mkdir(dirname(path), { recursive: true });
  const startMs = performance.now();
  const { code, stdout, lastLine } = await runCommandChild(job.command, await argsOf(job, state, runsPath), {
    signal,
    onLine,
  });
  if (code !== 0) return lastLine || `${job.command} ended with exit code ${code}`;
  // An interrupted evaluation tells of the episodes so far: not what was asked.
  if (job.kind === 'question' && !signal.aborted) {
    const answer: Answer = {
      args: [...job.args],
      seconds: (performance.now() - startMs) / 1000,
      result: JSON.parse(stdout),
    };
    await replaceFileWith(`${path}.json`, (file) => file.writeFile(`${JSON.stringify(answer)}\n`));
  }
  return undefined;
}
