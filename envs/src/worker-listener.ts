import type { Context, Router } from 'zeromq';
import { closedError } from './connection.ts';
import { EnvOptionsError, NoWorkerError, ProtocolMismatchError } from './errors.ts';
import { checkKeys, ZAP_DOMAIN } from './key-check.ts';
import { isIntegerFrom, MAX_SEED } from './options.ts';
import { decodeMap, encodeRequest, PROTOCOL_VERSION } from './protocol.ts';
import { type JoinFields, RemoteWorker } from './remote-worker.ts';
import { Seldom } from './seldom.ts';
import { readTrainerKeys } from './worker-keys.ts';
import { loadZeromq } from './zeromq.ts';

/** How often the workers' connections are looked at, in ms; an end that the system tells of is seen at once. */
const PROBE_PERIOD_MS = 5000;
/** How long after the end of a connection it is found out whose it was, in ms: ends that come together count once. */
const PROBE_DELAY_MS = 50;
/** Signs of life between the sockets, in ms; without one for so long a connection has ended. */
const HEARTBEAT_MS = 2000;
const HEARTBEAT_TIMEOUT_MS = 15_000;
/** How long the last messages to workers may take to leave, in ms. */
const LINGER_MS = 500;
/** What lost environments wait for another worker, in ms, before one that has some already takes them over. */
const TAKE_OVER_MS = 5000;

export interface ListenerOptions {
  /** Where workers connect to: `tcp://*:7777`. */
  listen: string;
  keyFile: string;
  /** Longest wait for a worker, in ms. */
  waitMs: number;
  /** The environment's name, for what is said of its errors. */
  envName: string;
  /** Largest frame that a worker may send, in bytes. */
  maxFrameBytes: number;
  /** Hears of workers that come, are refused or are lost, a line each. */
  note: (line: string) => void;
}

/** A place for a batch of environments on a worker. */
export type Place = ReturnType<RemoteWorker['openBatch']> & { worker: RemoteWorker };

/** Somebody who waits for a place. */
interface Waiter {
  /** Whether a worker that has environments already will do. */
  takesBusy: boolean;
  resolve(place: Place): void;
  reject(error: unknown): void;
}

/**
 * Waits for workers to connect: one ROUTER socket with CURVE, which lets in those alone that have one of the keys in
 * the trainer's key file.
 */
export class WorkerListener {
  /** Where it listens, with the port that the system chose where `*` was given. */
  address: string;
  private readonly options: ListenerOptions;
  private readonly socket: Router;
  private readonly endKeyCheck: () => void;
  private readonly seldom: Seldom;
  private readonly workers = new Map<string, RemoteWorker>();
  /** Those that were lost or sent away: an answer of theirs may still be on its way. */
  private readonly gone = new Set<string>();
  private readonly waiters = new Set<Waiter>();
  private readonly probing: NodeJS.Timeout;
  private probeSoon: NodeJS.Timeout | undefined;
  private closed = false;

  /** @throws EnvOptionsError where the key file or the address will not do. */
  static async open(options: ListenerOptions): Promise<WorkerListener> {
    const { Context, Router } = loadZeromq();
    const keys = readTrainerKeys(options.keyFile);
    const seldom = new Seldom(options.note);
    // A context of its own, since the check of keys is one for all sockets of a context.
    const context: Context = new Context({ blocky: false });
    const endKeyCheck = await checkKeys(context, keys.workers, (address) => {
      seldom.say('key', `refused a worker at ${address}: its key is not in ${options.keyFile}`);
    });
    const socket = new Router({
      ...{ context, linger: LINGER_MS, mandatory: true, maxMessageSize: options.maxFrameBytes },
      // As in the sidecar's client: a message is on its way when `send` returns.
      sendTimeout: 0,
      ...{ heartbeatInterval: HEARTBEAT_MS, heartbeatTimeout: HEARTBEAT_TIMEOUT_MS },
      ...{ curveServer: true, curveSecretKey: keys.secretKey, zapDomain: ZAP_DOMAIN, zapEnforceDomain: true },
      ipv6: options.listen.includes('['),
    });
    const listener = new WorkerListener(options, socket, endKeyCheck, seldom);
    try {
      await socket.bind(options.listen);
    } catch (error) {
      listener.close();
      const { code, message } = error as NodeJS.ErrnoException;
      const reason =
        code === 'EADDRINUSE' ? 'the port is in use' : code === 'EACCES' ? 'this user may not open the port' : message;
      throw new EnvOptionsError(`"${options.listen}" cannot be listened on: ${reason}`);
    }
    listener.address = socket.lastEndpoint!;
    return listener;
  }

  private constructor(options: ListenerOptions, socket: Router, endKeyCheck: () => void, seldom: Seldom) {
    this.address = options.listen;
    this.options = options;
    this.socket = socket;
    this.endKeyCheck = endKeyCheck;
    this.seldom = seldom;
    this.probing = setInterval(() => this.probe(), PROBE_PERIOD_MS).unref();
    // Before it binds, so that no event is missed.
    this.watch().catch(() => {}); // connections are looked at now and then all the same
    void this.receive();
  }

  /**
   * A place on a worker without environments. One that has some already will do too where `takesBusy`, but not at once:
   * a process that was lost is mostly back within seconds.
   *
   * @throws NoWorkerError where none comes in time; EnvClosedError.
   */
  take(takesBusy: boolean): Promise<Place> {
    if (this.closed) return Promise.reject(closedError());
    const { waitMs } = this.options;
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        takesBusy: false,
        resolve: (place) => settle(() => resolve(place)),
        reject: (error) => settle(() => reject(error)),
      };
      const timer = setTimeout(() => waiter.reject(this.noWorker()), waitMs);
      const busyTimer = setTimeout(() => {
        waiter.takesBusy = takesBusy;
        this.serve();
      }, TAKE_OVER_MS);
      const settle = (then: () => void) => {
        clearTimeout(timer);
        clearTimeout(busyTimer);
        this.waiters.delete(waiter);
        then();
      };
      this.waiters.add(waiter);
      this.serve();
    });
  }

  /** Whether a worker stands by that has no environments. */
  get hasFree(): boolean {
    return [...this.workers.values()].some(({ load }) => load === 0);
  }

  /** Sends the workers away and stops listening. What is under way rejects. */
  close(reason: unknown = closedError()): void {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.probing);
    clearTimeout(this.probeSoon);
    for (const waiter of this.waiters) waiter.reject(reason);
    for (const worker of this.workers.values()) worker.fail(reason);
    this.socket.close();
    this.endKeyCheck();
  }

  private noWorker(): NoWorkerError {
    const { waitMs } = this.options;
    const here = this.workers.size === 0 ? 'no worker' : `no worker beside the ${this.workers.size} that are here`;
    return new NoWorkerError(
      `${here} came to ${this.address} within ${waitMs / 1000} s: start one with "npx gymnasium-js-bridge worker ` +
        '--connect tcp://THIS-MACHINE:PORT --key-file worker.key", and see whether a firewall closes the port',
    );
  }

  /** Hands workers to those who wait for one. */
  private serve(): void {
    for (const waiter of this.waiters) {
      const least = [...this.workers.values()].reduce<RemoteWorker | undefined>(
        (best, worker) => (best === undefined || worker.load < best.load ? worker : best),
        undefined,
      );
      if (least === undefined) return;
      if (least.load === 0 || waiter.takesBusy) waiter.resolve({ worker: least, ...least.openBatch() });
    }
  }

  private async receive(): Promise<void> {
    try {
      for await (const [identity, ...frames] of this.socket) this.hear(identity!, frames);
    } catch (error) {
      if (!this.closed) this.close(error);
    }
  }

  private hear(identity: Buffer, frames: Buffer[]): void {
    const key = identity.toString('hex');
    const known = this.workers.get(key);
    if (known !== undefined) {
      known.receive(frames);
      return;
    }
    const join = readJoin(frames);
    if (join === undefined) {
      if (this.gone.has(key)) return;
      this.seldom.say('message', 'left a message from a peer that has not joined as workers do');
      return;
    }
    if (join.protocol !== PROTOCOL_VERSION) {
      const error = new ProtocolMismatchError(
        `the worker on ${join.host} speaks protocol ${join.protocol}, the trainer ${PROTOCOL_VERSION}; install the ` +
          'same version of gymnasium-js-bridge on both',
      );
      this.seldom.say('version', error.message);
      this.socket.send([identity, encodeRequest(0, 'refuse', { reason: error.message })]).catch(() => {});
      return;
    }
    const { socket } = this;
    const { envName, note } = this.options;
    const worker = new RemoteWorker({
      ...{ socket, identity, join, envName },
      onLost: (lost, error) => {
        this.workers.delete(key);
        this.gone.add(key);
        if (lost.load === 0 && !this.closed) note((error as Error).message);
      },
    });
    this.workers.set(key, worker);
    note(`a worker has come: ${worker.name}; there are ${this.workers.size}`);
    this.serve();
  }

  /** Sees connections end, and peers fail at the door. */
  private async watch(): Promise<void> {
    for await (const event of this.socket.events) {
      if (event.type === 'disconnect') this.probeSoon ??= setTimeout(() => this.probe(), PROBE_DELAY_MS);
      if (event.type === 'handshake:error:protocol' || event.type === 'handshake:error:other')
        this.seldom.say('door', 'refused a peer that is no worker of this trainer, by its first message');
    }
  }

  /** Asks all workers for a sign of life, which the socket refuses to carry where a connection has ended. */
  private probe(): void {
    this.probeSoon = undefined;
    for (const worker of this.workers.values()) worker.probe();
  }
}

/** What a worker says when it comes; undefined where the frames are no such message. */
function readJoin(frames: Buffer[]): JoinFields | undefined {
  const fields = frames.length === 1 ? decodeMap(frames[0]!) : undefined;
  const { op, protocol, pid, host, python } = fields ?? {};
  const isInteger = (value: unknown) => isIntegerFrom(0, MAX_SEED, value);
  if (op !== 'join' || !isInteger(protocol) || !isInteger(pid)) return undefined;
  const word = (value: unknown) =>
    String(value)
      .replaceAll(/[^\w.-]/g, '?')
      .slice(0, 64);
  return { protocol: protocol as number, pid: pid as number, host: word(host), python: word(python) };
}
