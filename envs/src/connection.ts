import { EnvClosedError } from './errors.ts';
import { errorFrom, type Reply } from './protocol.ts';

/** After a time limit, the event loop gets this long to hand over an answer that came while it was blocked. */
const BLOCKED_LOOP_GRACE_MS = 250;

/** What carries requests to a process that runs environments, and its answers back. */
export interface Connection {
  /**
   * Sends a request; the message is with the I/O thread when this returns, so the other side works even while the
   * caller blocks the event loop.
   *
   * @throws SidecarError and its like for what the other side reports; SidecarTimeoutError; EnvClosedError; and what
   *   ended the connection.
   */
  request(op: string, fields: Record<string, unknown>, timeoutMs: number): Promise<Reply>;
  /** Gives the other side up: this error is the answer to all requests from now on. */
  fail(error: unknown): void;
  /** Ends what runs on the other side. Safe to call twice. */
  close(): Promise<void>;
}

interface PendingRequest {
  op: string;
  resolve(reply: Reply): void;
  reject(error: unknown): void;
  timer: NodeJS.Timeout;
}

/** The requests that one process has not answered yet. */
export class Requests {
  private readonly pending = new Map<number, PendingRequest>();
  private readonly envName: string;
  private readonly onTimeout: (op: string, timeoutMs: number) => void;
  private nextId = 1;

  /**
   * @param envName The environment, for what is said of its errors.
   * @param onTimeout Is called where an answer did not come in time; the request stays until it is rejected.
   */
  constructor(envName: string, onTimeout: (op: string, timeoutMs: number) => void) {
    this.envName = envName;
    this.onTimeout = onTimeout;
  }

  get size(): number {
    return this.pending.size;
  }

  /** What is being waited for, in words. */
  get current(): string {
    const [first] = this.pending.values();
    return first ? `"${first.op}"` : 'no request';
  }

  /** Makes a request known and sends it by its id. */
  add(op: string, timeoutMs: number, send: (id: number) => void): Promise<Reply> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const timeUp = () => this.onTimeout(op, timeoutMs);
      const timer = setTimeout(() => {
        const request = this.pending.get(id);
        if (request) request.timer = setTimeout(timeUp, BLOCKED_LOOP_GRACE_MS);
      }, timeoutMs);
      this.pending.set(id, { op, resolve, reject, timer });
      try {
        send(id);
      } catch (error) {
        this.pending.delete(id);
        clearTimeout(timer);
        reject(error);
      }
    });
  }

  /**
   * Hands an answer to whoever waits for it; one that nobody waits for any more is left.
   * @throws BridgeError where the answer tells that a request could not be read.
   */
  settle(reply: Reply): void {
    if (reply.id === null) throw errorFrom(reply.error!);
    const request = this.pending.get(reply.id);
    if (!request) return;
    this.pending.delete(reply.id);
    clearTimeout(request.timer);
    if (reply.ok) request.resolve(reply);
    else request.reject(errorFrom(reply.error!, { op: request.op, envName: this.envName }));
  }

  rejectAll(reason: unknown): void {
    for (const { reject, timer } of this.pending.values()) {
      clearTimeout(timer);
      reject(reason);
    }
    this.pending.clear();
  }
}

export const closedError = () => new EnvClosedError('the environment is closed');
