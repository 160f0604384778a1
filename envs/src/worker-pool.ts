import { arrayTypes } from './array-types.ts';
import type { Envs } from './batch-vector-env.ts';
import {
  EnvOptionsError,
  SidecarReplyError,
  SidecarStartError,
  SidecarTimeoutError,
  WorkerLostError,
} from './errors.ts';
import type { ResolvedOptions } from './options.ts';
import { MAX_REPLY_FRAME_BYTES } from './protocol.ts';
import type { RemoteWorker } from './remote-worker.ts';
import { makeSidecarEnvs } from './sidecar-envs.ts';
import { WorkerListener } from './worker-listener.ts';

/**
 * What a worker may send in one frame: this for each environment, and at least as much as the second. Before a peer has
 * shown its key it can make the trainer hold no more than one frame of this size a connection.
 */
const FRAME_BYTES_AN_ENV = 2 ** 20;
const LEAST_FRAME_BYTES = 2 ** 26;
/** How many workers in a row may be lost while they make environments, before that is thrown. */
const MOST_LOSSES = 10;

/** Runs parts of the environments on workers that connect from other machines. */
export class WorkerPool {
  private readonly resolved: ResolvedOptions;
  private readonly listener: WorkerListener;
  private readonly note: (line: string) => void;
  private readonly maxFrameBytes: number;
  /** Who runs what, for those that could be moved. */
  private readonly workers = new WeakMap<Envs, RemoteWorker>();
  private moving = false;
  /** What the environments are, as the first worker described them: the others must have the same. */
  private described: string | undefined;

  /** @throws EnvOptionsError where the key file or the address will not do. */
  static async open(
    resolved: ResolvedOptions,
    { listen, keyFile, waitMs, onNote: note = () => {} }: NonNullable<ResolvedOptions['remote']>,
    signal: AbortSignal | undefined,
  ): Promise<WorkerPool> {
    signal?.throwIfAborted();
    const wanted = Math.max(LEAST_FRAME_BYTES, FRAME_BYTES_AN_ENV * resolved.numEnvs);
    const maxFrameBytes = Math.min(wanted, MAX_REPLY_FRAME_BYTES);
    const envName = resolved.name;
    const listener = await WorkerListener.open({ listen, keyFile, waitMs, envName, maxFrameBytes, note });
    note(`waiting for workers at ${listener.address}`);
    signal?.addEventListener('abort', () => listener.close(signal.reason), { once: true });
    return new WorkerPool(resolved, listener, note, maxFrameBytes);
  }

  private constructor(
    resolved: ResolvedOptions,
    listener: WorkerListener,
    note: (line: string) => void,
    maxFrameBytes: number,
  ) {
    this.resolved = resolved;
    this.listener = listener;
    this.note = note;
    this.maxFrameBytes = maxFrameBytes;
  }

  /** Has so many environments made by a worker. @param again Whether they stand in for lost ones. */
  async start(numEnvs: number, again: boolean): Promise<Envs> {
    try {
      return await this.startSomewhere(numEnvs, again);
    } finally {
      this.moving = false;
    }
  }

  /**
   * Whether environments should move: they are on a worker that has others too, and one stands by that has none, as
   * where a lost machine is back. One move at a time, since each changes what is best for the others.
   */
  shouldMove(envs: Envs): boolean {
    const worker = this.workers.get(envs);
    if (this.moving || worker === undefined || worker.load < 2 || !this.listener.hasFree) return false;
    this.moving = true;
    this.note(`moving environments from the worker on ${worker.name} to one that stands by`);
    return true;
  }

  private async startSomewhere(numEnvs: number, again: boolean): Promise<Envs> {
    for (let losses = 1; ; losses++) {
      const { worker, connection, batch } = await this.listener.take(again);
      try {
        const envs = await makeSidecarEnvs(connection, worker.join, { ...this.resolved, numEnvs, batch });
        this.checkSize(envs, numEnvs);
        const difference = this.compare(envs);
        if (difference === undefined) {
          this.workers.set(envs, worker);
          return envs;
        }
        worker.refuse(difference);
        await connection.close();
        this.note(`the worker on ${worker.name} was sent away: ${difference}`);
      } catch (error) {
        await connection.close();
        if (error instanceof SidecarStartError)
          throw new SidecarStartError(`the worker on ${worker.name}: ${error.message}`, error.missingPackages);
        if (!isLoss(error) || losses === MOST_LOSSES) throw error;
        this.note(`${error.message}; waiting for another`);
      }
    }
  }

  close(): void {
    this.listener.close();
  }

  /** What a worker has otherwise than the first one: with other emulators the numbers would be others too. */
  private compare({ observationSpace, actionSpace, settings, info: { packages, rom } }: Envs): string | undefined {
    const description = JSON.stringify({ observationSpace, actionSpace, settings, packages, rom });
    this.described ??= description;
    if (description === this.described) return undefined;
    const { packages: expected } = JSON.parse(this.described) as { packages: typeof packages };
    const other = Object.keys(expected).find((name) => expected[name] !== packages[name]);
    return other === undefined
      ? `its ${settings.id} is another than that of the first worker: install the same packages and ROMs on both`
      : `it has ${other} ${packages[other]}, the first worker ${expected[other]}: install the same version on both`;
  }

  private checkSize({ observationSpace: { shape, dtype } }: Envs, numEnvs: number): void {
    const bytes = shape.reduce((a, b) => a * b, numEnvs * arrayTypes[dtype].BYTES_PER_ELEMENT);
    if (bytes <= this.maxFrameBytes) return;
    throw new EnvOptionsError(
      `the observations of ${numEnvs} environments have ${bytes} bytes, more than the ${this.maxFrameBytes} that are ` +
        'taken from a worker: divide them over more workers',
    );
  }
}

function isLoss(error: unknown): error is Error {
  return [WorkerLostError, SidecarTimeoutError, SidecarReplyError].some((kind) => error instanceof kind);
}
