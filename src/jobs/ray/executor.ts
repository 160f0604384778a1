import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RunFolderError } from '../../runs/errors.ts';
import { MetricsFollower } from '../../runs/follow-metrics.ts';
import type { AttemptOptions, Ending, Executor } from '../executor.ts';
import { type Job, type JobState, keepAnswer } from '../jobs.ts';
import { lastLineOf, type RayJob } from './client.ts';
import type { RayAttempt, RayCluster } from './cluster.ts';
import { UNFIT_CODE, unfitnessIn } from './entrypoint.ts';
import { RayClusterError } from './errors.ts';
import { Watch } from './watch.ts';

/** What a job that Ray has given up leaves behind on its machine is ended within a second or two. */
const GRACE_MS = 3000;
/** Each is a promise and a line in Ray's list, no more. */
const MOST_AT_ONCE = 10_000;

/**
 * Runs jobs on a Ray cluster. Jobs of an earlier call that still wait or run are picked up. Ray gives up on a job that
 * waits for a place for 15 minutes, so that one at a time waits there; the others wait here.
 * @param options `atOnce`: at a time, as many as the cluster has places for where undefined. `retries`: how often a job
 *   that was lost with its machine is tried again.
 */
export function rayExecutor(cluster: RayCluster, { atOnce, retries }: { atOnce?: number; retries: number }): Executor {
  const watch = new Watch(cluster.client);
  const turns = new Turns();
  const newest = new Map<Job, RayAttempt>();
  let known: Promise<ReadonlyMap<string, RayJob>> | undefined;
  return {
    atOnce: atOnce ?? MOST_AT_ONCE,
    retries,
    async attempt(job, state, options) {
      known ??= cluster.client.jobs();
      const before = newest.get(job) ?? cluster.newest(job, await known);
      const isRetry = newest.has(job);
      const remember = (attempt: RayAttempt) => void newest.set(job, attempt);
      return new Attempt(cluster, { job, watch, turns, options, isRetry, remember }).run(state, before);
    },
  };
}

interface AttemptParts {
  readonly job: Job;
  readonly watch: Watch;
  readonly turns: Turns;
  readonly options: AttemptOptions;
  /** Whether an attempt of this call has just ended. */
  readonly isRetry: boolean;
  readonly remember: (attempt: RayAttempt) => void;
}

class Attempt {
  private readonly cluster: RayCluster;
  private readonly parts: AttemptParts;

  constructor(cluster: RayCluster, parts: AttemptParts) {
    this.cluster = cluster;
    this.parts = parts;
  }

  async run(state: JobState, newest: RayAttempt | undefined): Promise<Ending> {
    const { options, remember } = this.parts;
    for (let before = newest; ; ) {
      const isAdopted = before !== undefined && !isOver(before.ray);
      let id: string | undefined;
      try {
        id = before !== undefined && isAdopted ? before.id : await this.submitInTurn(state, before);
      } catch (error) {
        if (error instanceof RunFolderError) return { kind: 'failed', reason: error.message };
        throw error;
      }
      if (id === undefined) return { kind: 'ended' };
      const ray = await this.follow(id, isAdopted ? 'is picked up' : state === 'begun' ? 'goes on' : 'starts');
      before = { id, number: Number(id.slice(id.lastIndexOf('.') + 1)), ray };
      remember(before);
      if (ray.error_type === 'JOB_SUPERVISOR_ACTOR_START_TIMEOUT' && !options.signal.aborted) continue;
      return this.endingOf(ray, isAdopted);
    }
  }

  /** Submits the job once no other one waits for a place in the cluster; undefined where it is to stop before. */
  private async submitInTurn(state: JobState, before: RayAttempt | undefined): Promise<string | undefined> {
    const { job, watch, turns, options, isRetry } = this.parts;
    const { signal } = options;
    const giveTurn = await turns.take();
    try {
      if (isRetry) await sleep(GRACE_MS);
      if (signal.aborted) return undefined;
      const id = await this.cluster.submit(job, state, before);
      await watch.until(id, ({ status }) => status !== 'PENDING' || signal.aborted);
      return id;
    } finally {
      giveTurn();
    }
  }

  /** Waits for a job's end, or until it is told to stop where it has not begun. */
  private async follow(id: string, doing: string): Promise<RayJob> {
    const { job, watch, options } = this.parts;
    const { runsPath, signal, onStart, onLine } = options;
    let stopped = Promise.resolve();
    const stop = () => {
      stopped = this.cluster.client.stop(id).catch(() => {}); // what keeps it from that is seen by the watch
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop);
    const metrics = new MetricsFollower(join(runsPath, job.name, 'metrics.jsonl'));
    let isLooking = true;
    let endLooking = () => {};
    try {
      const begun = await watch.until(id, (ray) => ray.status !== 'PENDING' || signal.aborted);
      if (begun.status === 'RUNNING') {
        onStart(`${doing} at ${hostOf(begun)}`);
        endLooking = watch.eachInTurn(async () => {
          await metrics.update();
          if (isLooking) onLine(metrics.newest === undefined ? 'begins' : `at ${metrics.newest.position} steps`);
        });
      }
      const waits = (ray: RayJob) => signal.aborted && ray.status === 'PENDING';
      return await watch.until(id, (ray) => isOver(ray) || waits(ray));
    } finally {
      isLooking = false;
      endLooking();
      await stopped;
      signal.removeEventListener('abort', stop);
    }
  }

  private async endingOf(ray: RayJob, isAdopted: boolean): Promise<Ending> {
    const { job, options } = this.parts;
    const { status, message, driver_exit_code: code } = ray;
    if (status === 'SUCCEEDED') {
      if (job.kind === 'question' && !options.signal.aborted) await this.takeAnswer(job, ray);
      return { kind: 'ended' };
    }
    if (status !== 'FAILED') {
      if (options.signal.aborted) return { kind: 'ended' };
      // An earlier call may have told it to stop.
      return isAdopted
        ? { kind: 'lost', reason: 'it was stopped' }
        : { kind: 'failed', reason: 'it was stopped in Ray' };
    }
    const text = message ?? '';
    if (code === UNFIT_CODE) {
      throw new RayClusterError(`Ray at ${this.cluster.client.address}: ${unfitnessIn(text)}`);
    }
    if (code === null || code === undefined) {
      const isGone = /\bnode (has died|was terminated|is dead)/.test(text);
      return { kind: 'lost', reason: isGone ? 'its machine is gone' : `Ray lost it: ${firstLineOf(text)}` };
    }
    if (code < 0 || code > 128)
      return { kind: 'lost', reason: `it was killed (signal ${code < 0 ? -code : code - 128})` };
    return { kind: 'failed', reason: lastWordsIn(text) || `${job.command} ended with exit code ${code}` };
  }

  private async takeAnswer(job: Job & { kind: 'question' }, { start_time, end_time }: RayJob): Promise<void> {
    const printed = this.cluster.answerPath(job);
    if (!existsSync(printed)) return;
    const seconds = ((end_time ?? 0) - (start_time ?? 0)) / 1000;
    await keepAnswer(join(this.parts.options.runsPath, job.name), job, await readFile(printed, 'utf8'), seconds);
    await rm(printed);
  }
}

export function isOver({ status }: RayJob): boolean {
  return status !== 'PENDING' && status !== 'RUNNING';
}

/** The host that a job runs at, as the cluster names it. */
export function hostOf({ driver_agent_http_address: address }: RayJob): string {
  return address && URL.canParse(address) ? new URL(address).hostname : 'a machine of the cluster';
}

/** The last line that a failed command has printed; Ray's message ends with its log. */
function lastWordsIn(message: string): string {
  return lastLineOf(message.replaceAll(/^Running entrypoint for job .*$/gm, ''));
}

function firstLineOf(text: string): string {
  return text.trim().split('\n')[0].slice(0, 200) || 'it does not say why';
}

/** Lets one in at a time, in the order of their coming. */
class Turns {
  private last: Promise<void> = Promise.resolve();

  /** @returns What gives the turn to the next one. */
  async take(): Promise<() => void> {
    const before = this.last;
    let give!: () => void;
    this.last = new Promise((resolve) => {
      give = resolve;
    });
    await before;
    return give;
  }
}
