import { duration } from '../report/duration.ts';
import type { Executor } from './executor.ts';
import { type Job, type JobState, stateOf } from './jobs.ts';
import { type JobTime, secondsLeft } from './time-left.ts';

export interface RunnerOptions {
  /** The folder of all runs. */
  runsPath: string;
  /** What runs the jobs: processes here, or a cluster. */
  executor: Executor;
  /** Stops after the runs that are under way have saved themselves. */
  signal: AbortSignal;
  /** Shows how far so many runs have come. */
  progressOf: (total: number) => RunsProgress;
  /** Hears what the user should know, a line each. */
  note: (line: string) => void;
}

/** Shows how far several runs have come. */
export interface RunsProgress {
  /** `done` runs are over; `doing` says in words which one is next, `secondsLeft` how long all still take, if known. */
  update(done: number, doing: string, secondsLeft: number | undefined): void;
  /** Prints a line. */
  note(line: string): void;
  stop(): void;
}

export interface Outcome {
  interrupted: boolean;
  /** Why a job failed, by its name. */
  failures: Record<string, string>;
}

/**
 * Does the jobs that are not done yet, in their order; one that fails does not keep the others from theirs. A job that
 * was lost, such as with its machine, goes on from its last checkpoint, as often as the executor says.
 */
export async function runJobs(jobs: readonly Job[], options: RunnerOptions): Promise<Outcome> {
  const { runsPath, executor, note, progressOf } = options;
  // What ends one job for all, such as a lost cluster, lets the others save themselves too.
  const trouble = new AbortController();
  const signal = AbortSignal.any([options.signal, trouble.signal]);
  const states = await openJobs(jobs, runsPath);
  const open = [...states].filter(([, state]) => state !== 'finished');
  if (open.length < states.size) note(`${states.size - open.length} of ${states.size} runs are there already`);
  const failures: Record<string, string> = {};
  const progress = progressOf(open.length);
  /** When each of the jobs that run was begun. */
  const running = new Map<Job, number>();
  const finished: JobTime[] = [];
  let [begun, done] = [0, 0];
  const queue = [...open];
  const timeOf = (job: Job): JobTime => {
    const startMs = running.get(job) ?? performance.now();
    return { kind: job.kind, seconds: (performance.now() - startMs) / 1000 };
  };
  const tellEnd = new Map<string, () => void>();
  const ends = new Map(open.map(([{ name }]) => [name, new Promise<void>((tell) => tellEnd.set(name, tell))]));
  /** The end that a job waits for, where that is still to come. */
  const awaited = (job: Job) => (job.kind === 'question' && job.after !== undefined ? ends.get(job.after) : undefined);
  /** Takes the first job that waits for no other one, when there is one; undefined: none is left. */
  const take = async () => {
    while (queue.length > 0 && !signal.aborted) {
      const ready = queue.findIndex(([job]) => awaited(job) === undefined);
      if (ready !== -1) return queue.splice(ready, 1)[0];
      await Promise.race(queue.map(([job]) => awaited(job)));
    }
    return undefined;
  };
  const end = ({ name }: Job, failure: string | undefined) => {
    if (failure !== undefined) failures[name] = failure;
    ends.delete(name);
    tellEnd.get(name)!();
  };
  const work = async () => {
    for (let taken = await take(); taken !== undefined; taken = await take()) {
      const [job, state] = taken;
      const cause = job.kind === 'question' ? job.after : undefined;
      if (cause !== undefined && cause in failures) {
        done += 1;
        end(job, `not asked, since ${cause} failed`);
        progress.note(`${job.name}: ${failures[job.name]}`);
        continue;
      }
      let failure: string | undefined;
      let time: JobTime;
      try {
        failure = await runToItsEnd(job, state, {
          ...{ runsPath, executor, signal, note: progress.note },
          onStart(doing) {
            if (!running.has(job)) {
              begun += 1;
              running.set(job, performance.now());
            }
            progress.note(`${job.name}: ${doing} (run ${begun} of ${open.length})`);
          },
          onLine(line) {
            const queued = open.length - done - running.size;
            const others = executor.atOnce > 1 ? `${running.size} running, ${queued} queued | ` : '';
            const left = secondsLeft({
              finished,
              running: [...running.keys()].map(timeOf),
              queued: queue.map(([{ kind }]) => kind),
              atOnce: executor.atOnce,
            });
            progress.update(done, `${others}${job.name}: ${line}`, left);
          },
        });
      } finally {
        time = timeOf(job);
        running.delete(job);
        end(job, signal.aborted ? undefined : failure);
      }
      if (signal.aborted) break;
      done += 1;
      if (failure === undefined) finished.push(time);
      const lasted = duration(time.seconds);
      const ending = failure === undefined ? `done in ${lasted}` : `failed after ${lasted}: ${failure}`;
      progress.note(`${job.name}: ${ending}`);
    }
  };
  try {
    const workers = Array.from({ length: Math.min(executor.atOnce, open.length) }, () =>
      work().catch((error) => {
        trouble.abort();
        throw error;
      }),
    );
    for (const worker of await Promise.allSettled(workers)) if (worker.status === 'rejected') throw worker.reason;
  } finally {
    progress.stop();
  }
  return { interrupted: options.signal.aborted, failures };
}

/** The jobs, each once, with how far they are. @throws SettingError as `stateOf`. */
export async function openJobs(jobs: readonly Job[], runsPath: string): Promise<Map<Job, JobState>> {
  const states = new Map<Job, JobState>();
  for (const job of new Map(jobs.map((job) => [job.name, job])).values()) {
    states.set(job, await stateOf(job, runsPath));
  }
  return states;
}

interface JobOptions extends Pick<RunnerOptions, 'runsPath' | 'executor' | 'signal' | 'note'> {
  onStart: (doing: string) => void;
  onLine: (line: string) => void;
}

/** Returns what went wrong, in one line. */
async function runToItsEnd(
  job: Job,
  state: JobState,
  { runsPath, executor, signal, note, ...hearing }: JobOptions,
): Promise<string | undefined> {
  for (let lost = 0; ; ) {
    const ending = await executor.attempt(job, state, { runsPath, signal, ...hearing });
    if (signal.aborted || ending.kind === 'failed') return ending.kind === 'failed' ? ending.reason : undefined;
    // Whatever asks a run to stop lets it end well, but before its end.
    state = await stateOf(job, runsPath);
    if (state === 'finished') return undefined;
    const reason = ending.kind === 'lost' ? ending.reason : 'it was stopped before its end';
    lost += 1;
    if (lost > executor.retries) return lost === 1 ? reason : `${reason} (tried ${lost} times)`;
    const doing = state === 'begun' ? 'goes on' : 'starts again';
    note(`${job.name}: ${reason}: ${doing} (retry ${lost} of ${executor.retries})`);
  }
}
