import type { Context, Dealer } from 'zeromq';
import { type Connection, closedError, Requests } from './connection.ts';
import {
  decodeReply,
  encodeRequest,
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

/**
 * The context of all sockets here. Not blocky: at its end nothing waits for messages that nobody takes any more, as
 * zeromq's default context does, with a warning on standard error.
 */
let context: Context | undefined;

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
export class SidecarClient implements Connection {
  private readonly sidecar: SidecarProcess;
  private readonly socket: Dealer;
  private readonly signal: AbortSignal | undefined;
  private readonly requests: Requests;
  private readonly heartbeat: NodeJS.Timeout;
  private readonly onAbort = () => this.fail(this.signal?.reason);
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
    this.requests = new Requests(name, (op, timeoutMs) => this.fail(timeoutError(op, timeoutMs, name)));
    // sendTimeout 0 makes `send` hand the message over before it returns. With the default, zeromq.js puts off every
    // 513th send that found the socket ready to a later turn of the event loop, and a caller that now blocks the loop
    // would keep the sidecar idle.
    this.socket = new Socket({ context: context!, linger: 0, sendTimeout: 0, maxMessageSize: MAX_REPLY_FRAME_BYTES });
    this.socket.connect(sidecar.endpoint);
    // An idle sidecar that hangs is noticed before it is needed. Requests under way have their own limits.
    this.heartbeat = setInterval(() => {
      if (this.requests.size === 0) this.request('ping', {}, limits.timeoutMs).catch(() => {});
    }, limits.heartbeatMs).unref();
    sidecar.exited.then((exit) => this.fail(diedError(this.requests.current, exit, name)));
    signal?.addEventListener('abort', this.onAbort, { once: true });
    if (signal?.aborted) this.onAbort();
  }

  /** @throws SidecarDiedError too. */
  request(op: string, fields: Record<string, unknown>, timeoutMs: number): Promise<Reply> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    return this.requests.add(op, timeoutMs, (id) => {
      const message = encodeRequest(id, op, fields);
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
      const closed = closedError();
      this.requests.rejectAll(closed);
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

  fail(error: unknown): void {
    if (this.ended !== undefined) return;
    this.ended = error;
    this.release(error);
  }

  private release(reason: unknown): void {
    clearInterval(this.heartbeat);
    this.signal?.removeEventListener('abort', this.onAbort);
    this.sidecar.kill();
    this.requests.rejectAll(reason);
    this.socket.close();
  }

  /** Receives while requests are under way, and no longer: a socket that waits keeps Node running. */
  private async receiveReplies(): Promise<void> {
    if (this.receiving) return;
    this.receiving = true;
    try {
      while (this.requests.size > 0) this.requests.settle(decodeReply(await this.socket.receive()));
    } catch (error) {
      this.fail(error);
    } finally {
      this.receiving = false;
    }
  }
}
