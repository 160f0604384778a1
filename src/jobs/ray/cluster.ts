import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { replaceFileWith } from '../../files/atomic.ts';
import { ATTEMPT_VARIABLE, isRunLocked, JOB_VARIABLE } from '../../runs/lock.ts';
import { argsOf, type Job, type JobState } from '../jobs.ts';
import type { RayClient, RayJob, Submission } from './client.ts';
import { type Code, entrypointOf } from './entrypoint.ts';
import { RayLostError } from './errors.ts';
import { PATIENCE_MS } from './watch.ts';

/** Seconds that a run which is asked to stop has for its checkpoint; Ray's own default is 3. */
const STOP_SECONDS = 120;
/** The process that Ray sets beside each job to end it with Ray's own looks each second. */
const LINGER_MS = 20_000;
const RETRY_MS = 1000;

export interface RayOptions {
  readonly client: RayClient;
  /** Finds where the code is, once it is needed; sends it where that is asked for. */
  readonly code: () => Promise<Code>;
  /** What a job reserves. */
  readonly cpus: number;
  readonly gpus: number;
}

/** An attempt at a job, as Ray knows it. */
export interface RayAttempt {
  readonly id: string;
  readonly number: number;
  readonly ray: RayJob;
}

/** The jobs of a folder of runs on a Ray cluster: each attempt at one is a job of Ray's, whose name tells which. */
export class RayCluster {
  private readonly options: RayOptions;
  private readonly runsPath: string;
  private code: Promise<Code> | undefined;

  /** @param runsPath The folder of all runs, which all machines see under the same path. */
  constructor(runsPath: string, options: RayOptions) {
    this.runsPath = resolve(runsPath);
    this.options = options;
  }

  get client(): RayClient {
    return this.options.client;
  }

  /** Where a question's command puts what it prints. */
  answerPath(job: Job): string {
    return join(this.runsPath, `${job.name}.stdout`);
  }

  /** The newest attempt at a job, among all that the head remembers; undefined where there was none. */
  newest(job: Job, known: ReadonlyMap<string, RayJob>): RayAttempt | undefined {
    const base = `${this.baseId(job)}.`;
    let newest: RayAttempt | undefined;
    for (const [id, ray] of known) {
      const number = id.startsWith(base) ? Number(id.slice(base.length)) : Number.NaN;
      if (number > (newest?.number ?? 0)) newest = { id, number, ray };
    }
    return newest;
  }

  /**
   * Hands a job to Ray, as the next attempt at it. The attempt before it, if any, must be over.
   * @returns Its submission id.
   * @throws RunFolderError where another process trains in its folder.
   */
  async submit(job: Job, state: JobState, before: RayAttempt | undefined): Promise<string> {
    const path = join(this.runsPath, job.name);
    const attempt = { job: this.baseId(job), attempt: (before?.number ?? 0) + 1 };
    const id = `${attempt.job}.${attempt.attempt}`;
    await mkdir(dirname(path), { recursive: true });
    // What is left of an attempt that was lost on this very machine ends within a second.
    if (before !== undefined) {
      const startMs = performance.now();
      while (isRunLocked(path, attempt) && performance.now() - startMs < LINGER_MS) await sleep(100);
    }
    const args = await argsOf(job, state, this.runsPath, attempt);
    const { cpus, gpus } = this.options;
    this.code ??= this.options.code();
    const code = await this.code;
    await this.submitPatiently({
      submission_id: id,
      entrypoint: entrypointOf(job, args, {
        code,
        marker: await this.marker(),
        answerPath: job.kind === 'question' ? this.answerPath(job) : undefined,
      }),
      entrypoint_num_cpus: cpus,
      entrypoint_num_gpus: gpus,
      runtime_env: {
        env_vars: {
          [JOB_VARIABLE]: attempt.job,
          [ATTEMPT_VARIABLE]: String(attempt.attempt),
          RAY_JOB_STOP_WAIT_TIME_S: String(STOP_SECONDS),
        },
        ...('packageName' in code && { working_dir: `gcs://${code.packageName}` }),
      },
      metadata: { job_name: job.name, runs: this.runsPath },
    });
    return id;
  }

  /** A head that has just been started, or loses a machine, may refuse a job that it takes a moment later. */
  private async submitPatiently(submission: Submission): Promise<void> {
    for (const startMs = performance.now(); ; await sleep(RETRY_MS)) {
      try {
        await this.client.submit(submission);
        return;
      } catch (error) {
        if (!(error instanceof RayLostError) || performance.now() - startMs > PATIENCE_MS) throw error;
        // It may have taken the job, though its answer was lost.
        const known = await this.client.jobs().catch(() => undefined);
        if (known?.has(submission.submission_id)) return;
      }
    }
  }

  /** Names a job of this folder among all that a cluster has. A question that changes is another job. */
  private baseId(job: Job): string {
    const what = [this.runsPath, job.name, ...(job.kind === 'question' ? job.args : [])];
    const hash = createHash('sha256').update(what.join('\0')).digest('hex').slice(0, 16);
    return `${job.name.replaceAll(/[^\w.+-]+/g, '-').slice(-80)}.${hash}`;
  }

  /** A file by which a machine knows that it sees this folder, and not another one under the same path. */
  private async marker(): Promise<{ path: string; id: string }> {
    const path = join(this.runsPath, '.shared');
    if (!existsSync(path)) {
      await replaceFileWith(path, (file) => file.writeFile(`${randomBytes(16).toString('hex')}\n`));
    }
    return { path, id: (await readFile(path, 'utf8')).trim() };
  }
}
