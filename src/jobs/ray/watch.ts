import { setTimeout as sleep } from 'node:timers/promises';
import type { RayClient, RayJob } from './client.ts';
import { RayLostError } from './errors.ts';

const PERIOD_MS = 1000;
/** A head that is busy, or a network that is down for a moment, is waited for. */
export const PATIENCE_MS = 30_000;

interface Waiter {
  readonly id: string;
  readonly ready: (job: RayJob) => boolean;
  readonly resolve: (job: RayJob) => void;
  readonly reject: (error: unknown) => void;
}

/** Looks each second at all jobs, with one request, for as long as anybody waits for one. */
export class Watch {
  private readonly client: RayClient;
  private readonly patienceMs: number;
  private readonly waiters = new Set<Waiter>();
  private readonly lookers = new Set<() => Promise<void>>();
  private isLooking = false;

  constructor(client: RayClient, patienceMs = PATIENCE_MS) {
    this.client = client;
    this.patienceMs = patienceMs;
  }

  /**
   * Waits until a job is `ready`.
   * @throws RayLostError where the head does not answer for half a minute, or does not know the job any more.
   */
  until(id: string, ready: (job: RayJob) => boolean): Promise<RayJob> {
    return new Promise((resolve, reject) => {
      this.waiters.add({ id, ready, resolve, reject });
      if (!this.isLooking) void this.look();
    });
  }

  /** Calls one of the functions each second, in turns, until what is returned is called. */
  eachInTurn(looker: () => Promise<void>): () => void {
    this.lookers.add(looker);
    return () => void this.lookers.delete(looker);
  }

  private async look(): Promise<void> {
    this.isLooking = true;
    let answeredMs = performance.now();
    try {
      while (this.waiters.size > 0) {
        try {
          this.tell(await this.client.jobs());
          answeredMs = performance.now();
        } catch (error) {
          const isOver = !(error instanceof RayLostError) || performance.now() - answeredMs > this.patienceMs;
          if (isOver) throw error;
        }
        const [looker] = this.lookers;
        if (looker !== undefined) {
          await looker();
          if (this.lookers.delete(looker)) this.lookers.add(looker);
        }
        await sleep(PERIOD_MS);
      }
    } catch (error) {
      for (const waiter of this.waiters) waiter.reject(error);
      this.waiters.clear();
    } finally {
      this.isLooking = false;
    }
  }

  private tell(jobs: ReadonlyMap<string, RayJob>): void {
    for (const waiter of this.waiters) {
      const job = jobs.get(waiter.id);
      if (job === undefined) {
        const what = `Ray at ${this.client.address} does not know ${waiter.id} any more: its head was started anew`;
        this.waiters.delete(waiter);
        waiter.reject(new RayLostError(what));
      } else if (waiter.ready(job)) {
        this.waiters.delete(waiter);
        waiter.resolve(job);
      }
    }
  }
}
