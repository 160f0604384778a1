import { availableParallelism } from 'node:os';
import { BatchVectorEnv, type Envs } from './batch-vector-env.ts';
import { DividedEnvs, shares } from './divided-envs.ts';
import { type EnvFault, type ResolvedOptions, resolveOptions, type VectorEnvOptions } from './options.ts';
import { RecoveringEnvs } from './recovering-envs.ts';
import { SidecarClient } from './sidecar-client.ts';
import { makeSidecarEnvs } from './sidecar-envs.ts';
import type { VectorEnv } from './types.ts';
import { WorkerPool } from './worker-pool.ts';

/** What runs parts of the environments. */
interface Runner {
  /** Has so many environments made. @param again Whether they stand in for lost ones. */
  start(numEnvs: number, again: boolean): Promise<Envs>;
  /** Whether environments would be better off if they were started again. */
  shouldMove?(envs: Envs): boolean;
  /** Ends what the parts had in common; they are closed before. */
  close(): void;
}

/**
 * Starts a sidecar with `numEnvs` copies of one environment; with `workers` several, or waits for workers elsewhere.
 *
 * @throws EnvOptionsError for impossible values, before any process starts; UnknownEnvError with the nearest names;
 *   UnsupportedEnvError for spaces that are not carried; SidecarStartError where Python or a package is missing;
 *   NoWorkerError where no worker comes in time.
 */
export async function makeVectorEnv(options: VectorEnvOptions): Promise<VectorEnv> {
  const resolved = resolveOptions(options);
  const { numEnvs, numWorkers, seed, maxRestarts, remote, signal } = { ...options, ...resolved };
  const runner: Runner =
    remote === undefined ? sidecars(options, resolved) : await WorkerPool.open(resolved, remote, signal);
  const onFault = oneAtATime(options.onFault);
  const counts = shares(numEnvs, numWorkers);
  const starting = counts.map((count) => {
    let again = false;
    const start = () => {
      const envs = runner.start(count, again);
      again = true;
      return envs;
    };
    const shouldMove = runner.shouldMove && ((envs: Envs) => runner.shouldMove!(envs));
    return maxRestarts === 0 ? start() : RecoveringEnvs.start({ start, maxRestarts, onFault, shouldMove });
  });
  const outcomes = await Promise.allSettled(starting);
  const parts = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const envs = new DividedEnvs(parts, counts, () => runner.close());
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled') continue;
    await envs.close();
    throw outcome.reason;
  }
  return new BatchVectorEnv(envs, numEnvs, seed);
}

/** Runs each part in a sidecar of its own on this machine. */
function sidecars(options: VectorEnvOptions, resolved: ResolvedOptions): Runner {
  const { numWorkers, numThreads } = resolved;
  // Sidecars share the cores, where each would take all.
  const share = numWorkers > 1 && numThreads === 0 ? Math.ceil(availableParallelism() / numWorkers) : numThreads;
  return {
    async start(numEnvs) {
      const { client, hello } = await SidecarClient.start({ ...options, ...resolved });
      try {
        return await makeSidecarEnvs(client, hello, { ...resolved, numEnvs, numThreads: share, batch: 0 });
      } catch (error) {
        await client.close();
        throw error;
      }
    },
    close() {},
  };
}

/** Parts may be lost together; whoever hears of it, and maybe saves, hears of one after the other. */
function oneAtATime(onFault: VectorEnvOptions['onFault']): VectorEnvOptions['onFault'] {
  if (onFault === undefined) return undefined;
  let before: Promise<void> = Promise.resolve();
  return (fault: EnvFault) => {
    const now = before.then(() => onFault(fault));
    before = now.catch(() => {});
    return now;
  };
}
