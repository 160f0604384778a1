import type { Context, Dealer } from 'zeromq';
import { EnvClosedError } from './errors.ts';
import {
  decodeReply,
  encodeRequest,
  errorFrom,
  type HelloFields,
  MAX_REPLY_FRAME_BYTES,
  PROTOCOL_VERSION,
  type Reply,
} from './protocol.ts';
import { diedError, type SidecarProcess, type StartOptions, startSidecar, timeoutError } from './sidecar-process.ts';
import { loadZeromq } from './zeromq.ts';

const CLOSE_GRACE_MS = 2000;
/** How long a killed process may take to be gone; one that the kernel holds in a system call can take for ever. */
const KILL_PATIENCE_MS = 10_000;
/** After a time limit, the event loop gets this long to hand over an answer that came while it was blocked. */
const BLOCKED_LOOP_GRACE_MS = 250;

/**
 * The context of all sockets here. Not blocky: at its end nothing waits for messages that nobody takes any more, as
 * zeromq's default context does, with a warning on standard error.
 */
let context: Context | undefined;

interface PendingRequest {
  op: string;
  resolve(reply: Reply): void;
  reject(error: unknown): void;
  timer: NodeJS.Timeout;
}

export interface Limits {
  /** Longest wait for the answer to a heartbeat, in ms. */
  timeoutMs: number;
  /** Time between heartbeats, in ms. */
  heartbeatMs: number;
}

interface ClientOptions extends StartOptions, Limits {
  /** The environment's name, for what is said of its errors. */
  name: string;
}

/**
 * Requests and replies between this process and one sidecar. When the sidecar dies or hangs, that is final: every later
 * request fails.
 */
export class SidecarClient {
  private readonly sidecar: SidecarProcess;
  private readonly socket: Dealer;
  private readonly signal: AbortSignal | undefined;
  private readonly envName: string;
  private readonly pending = new Map<number, PendingRequest>();
  private readonly heartbeat: NodeJS.Timeout;
  private readonly onAbort = () => this.fail(this.signal?.reason);
  private nextId = 1;
  private receiving = false;
  /** Why no request can be made any more. */
  private ended: unknown;
  private closing: Promise<void> | undefined;

  /** @throws SidecarStartError, ProtocolMismatchError, SidecarDiedError, SidecarTimeoutError or the signal's reason. */
  static async start(options: ClientOptions): Promise<{ client: SidecarClient; hello: HelloFields }> {
    const { Context, Dealer } = loadZeromq(); // Before a process starts that would be of no use without it.
    context ??= new Context({ blocky: false });
    const sidecar = await startSidecar(options);
    const client = new SidecarClient(sidecar, Dealer, options);
    try {
      const greeting = { protocol: PROTOCOL_VERSION, token: sidecar.token };
      const { fields } = await client.request('hello', greeting, options.startTimeoutMs);
      return { client, hello: fields as unknown as HelloFields };
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  private constructor(sidecar: SidecarProcess, Socket: typeof Dealer, { name, signal, ...limits }: ClientOptions) {
    this.sidecar = sidecar;
    this.signal = signal;
    this.envName = name;
    // sendTimeout 0 makes `send` hand the message over before it returns. With the default, zeromq.js puts off every
    // 513th send that found the socket ready to a later turn of the event loop, and a caller that now blocks the loop
    // would keep the sidecar idle.
    this.socket = new Socket({ context: context!, linger: 0, sendTimeout: 0, maxMessageSize: MAX_REPLY_FRAME_BYTES });
    this.socket.connect(sidecar.endpoint);
    // An idle sidecar that hangs is noticed before it is needed. Requests under way have their own limits.
    this.heartbeat = setInterval(() => {
      if (this.pending.size === 0) this.request('ping', {}, limits.timeoutMs).catch(() => {});
    }, limits.heartbeatMs).unref();
    sidecar.exited.then((exit) => this.fail(diedError(this.currentOp(), exit, name)));
    signal?.addEventListener('abort', this.onAbort, { once: true });
    if (signal?.aborted) this.onAbort();
  }

  /**
   * Sends a request; the message is with the I/O thread when this returns, so the sidecar works even while the caller
   * blocks the event loop.
   *
   * @throws SidecarError and its like for what the sidecar reports; SidecarDiedError; SidecarTimeoutError;
   *   EnvClosedError.
   */
  request(op: string, fields: Record<string, unknown>, timeoutMs: number): Promise<Reply> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    const id = this.nextId++;
    const message = encodeRequest(id, op, fields);
    return new Promise((resolve, reject) => {
      const timeUp = () => this.fail(timeoutError(op, timeoutMs, this.envName));
      const timer = setTimeout(() => {
        const request = this.pending.get(id);
        if (request) request.timer = setTimeout(timeUp, BLOCKED_LOOP_GRACE_MS);
      }, timeoutMs);
      this.pending.set(id, { op, resolve, reject, timer });
      this.receiveReplies();
      this.socket.send(message).catch((error) => this.fail(error));
    });
  }

  /**
   * Ends the sidecar: asks it to, and kills it when it does not go. Requests under way fail with EnvClosedError. Safe
   * to call twice.
   */
  close(): Promise<void> {
    this.closing ??= this.closeNow();
    return this.closing;
  }

  private async closeNow(): Promise<void> {
    if (this.ended === undefined) {
      const closed = new EnvClosedError('the environment is closed');
      this.rejectAll(closed);
      this.request('close', {}, CLOSE_GRACE_MS).catch(() => {});
      this.ended = closed;
      await this.goneWithin(CLOSE_GRACE_MS);
      this.release(closed);
    }
    await this.goneWithin(KILL_PATIENCE_MS);
  }

  /**
   * Waits until the process has ended, or for so long. The child keeps no event loop alive by itself, so the timer
   * does.
   */
  private async goneWithin(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeOver = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([this.sidecar.exited, timeOver]);
    clearTimeout(timer);
  }

  private fail(error: unknown): void {
    if (this.ended !== undefined) return;
    this.ended = error;
    this.release(error);
  }

  private release(reason: unknown): void {
    clearInterval(this.heartbeat);
    this.signal?.removeEventListener('abort', this.onAbort);
    this.sidecar.kill();
    this.rejectAll(reason);
    this.socket.close();
  }

  private rejectAll(reason: unknown): void {
    for (const { reject, timer } of this.pending.values()) {
      clearTimeout(timer);
      reject(reason);
    }
    this.pending.clear();
  }

  /** Receives while requests are under way, and no longer: a socket that waits keeps Node running. */
  private async receiveReplies(): Promise<void> {
    if (this.receiving) return;
    this.receiving = true;
    try {
      while (this.pending.size > 0) this.settle(decodeReply(await this.socket.receive()));
    } catch (error) {
      this.fail(error);
    } finally {
      this.receiving = false;
    }
  }

  private settle(reply: Reply): void {
    if (reply.id === null) throw errorFrom(reply.error!);
    const request = this.pending.get(reply.id);
    if (!request) return; // the answer to a request that close() gave up on
    this.pending.delete(reply.id);
    clearTimeout(request.timer);
    if (reply.ok) request.resolve(reply);
    else request.reject(errorFrom(reply.error!, { op: request.op, envName: this.envName }));
  }

  private currentOp(): string {
    const [first] = this.pending.values();
    return first ? `"${first.op}"` : 'no request';
  }
}
