import type { Router } from 'zeromq';
import { type Connection, closedError, Requests } from './connection.ts';
import { SidecarReplyError, SidecarTimeoutError, WorkerLostError } from './errors.ts';
import { decodeReply, encodeRequest, type HelloFields } from './protocol.ts';

/** What a worker says of itself when it comes. */
export interface JoinFields extends HelloFields {
  host: string;
}

interface WorkerOptions {
  socket: Router;
  /** How the socket names the worker's connection. */
  identity: Uint8Array;
  join: JoinFields;
  /** The environment that it is to run, for what is said of its errors. */
  envName: string;
  /** Is called once, when no request can be made any more. */
  onLost: (worker: RemoteWorker, error: unknown) => void;
}

/**
 * A worker that has come: a process elsewhere that runs environments, maybe several batches of them. Once it is lost
 * that is final; a process that comes back is another worker.
 */
export class RemoteWorker {
  /** For messages: its machine and process there. */
  readonly name: string;
  readonly join: JoinFields;
  /** How many batches of environments it has. */
  load = 0;
  private readonly options: WorkerOptions;
  private readonly requests: Requests;
  private batches = 0;
  private lost: unknown;

  constructor(options: WorkerOptions) {
    const { join, envName } = options;
    this.options = options;
    this.join = join;
    this.name = `${join.host} (process ${join.pid})`;
    this.requests = new Requests(envName, (op, timeoutMs) => {
      const text = `the worker on ${this.name} did not answer "${op}" within ${timeoutMs} ms, so it was given up`;
      this.fail(new SidecarTimeoutError(text, op, timeoutMs));
    });
  }

  /** A connection for one batch of environments more; closing it lets the worker drop them. */
  openBatch(): { connection: Connection; batch: number } {
    const batch = this.batches++;
    this.load += 1;
    let closed = false;
    const connection: Connection = {
      request: (op, fields, timeoutMs) => {
        if (closed) return Promise.reject(closedError());
        if (this.lost !== undefined) return Promise.reject(this.lost);
        return this.requests.add(op, timeoutMs, (id) => this.send(id, op, { limitMs: timeoutMs, ...fields }));
      },
      fail: (error) => this.fail(error),
      close: async () => {
        if (closed) return;
        closed = true;
        this.load -= 1;
        this.send(0, 'drop', { batch });
      },
    };
    return { connection, batch };
  }

  /** Hears what the worker sent; gives it up where that is no answer. */
  receive(frames: Uint8Array[]): void {
    try {
      this.requests.settle(decodeReply(frames));
    } catch (error) {
      this.fail(new SidecarReplyError(`the worker on ${this.name}: ${(error as Error).message}`));
    }
  }

  /** Finds out whether the worker is still connected. */
  probe(): void {
    this.send(0, 'ping', {});
  }

  /** Gives the worker up, and lets it know: its process ends, and a new one may come. */
  fail(error: unknown): void {
    this.send(0, 'close', { reason: error instanceof Error ? error.message : String(error) });
    this.end(error);
  }

  /** Sends the worker away for good, since it will be of no use later either. */
  refuse(reason: string): void {
    this.send(0, 'refuse', { reason });
    this.end(new WorkerLostError(`the worker on ${this.name} was sent away: ${reason}`));
  }

  /** Sends to a worker that is connected; else it is lost. Answers to id 0 are of interest to nobody. */
  private send(id: number, op: string, fields: Record<string, unknown>): void {
    if (this.lost !== undefined) return;
    const message = encodeRequest(id, op, fields);
    this.options.socket.send([this.options.identity, message]).catch(() => {
      const during = this.requests.current;
      this.end(new WorkerLostError(`the worker on ${this.name} was lost during ${during}: its connection has ended`));
    });
  }

  private end(error: unknown): void {
    if (this.lost !== undefined) return;
    this.lost = error;
    this.options.onLost(this, error);
    this.requests.rejectAll(error);
  }
}
