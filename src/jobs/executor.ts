import type { Job, JobState } from './jobs.ts';

/** What runs jobs: processes of this machine, or a cluster. */
export interface Executor {
  /** Jobs that may be handed to it at a time. */
  readonly atOnce: number;
  /** How often a job that was lost is tried again. */
  readonly retries: number;
  /** Runs a job until it ends, once. Where `signal` is aborted the job saves what it has, and ends. */
  attempt(job: Job, state: JobState, options: AttemptOptions): Promise<Ending>;
}

export interface AttemptOptions {
  /** The folder of all runs. */
  runsPath: string;
  signal: AbortSignal;
  /** Is told that the job runs now; `doing` says in words where and how, such as "goes on". */
  onStart: (doing: string) => void;
  /** Hears where the job stands, a line each. */
  onLine: (line: string) => void;
}

/** How an attempt ended. */
export type Ending =
  /** The command came to its end, or saved what it had where it was asked to stop. */
  | { kind: 'ended' }
  /** The command failed, and would do so again. */
  | { kind: 'failed'; reason: string }
  /** Something else ended it, such as its machine. */
  | { kind: 'lost'; reason: string };
