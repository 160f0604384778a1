import { BatchVectorEnv, type Envs } from './batch-vector-env.ts';
import { type ResolvedOptions, resolveOptions, type VectorEnvOptions } from './options.ts';
import { type HelloFields, type MakeFields, type StepFields, typedArray } from './protocol.ts';
import { RecoveringVectorEnv } from './recovering-env.ts';
import { SidecarClient } from './sidecar-client.ts';
import type { VectorEnv } from './types.ts';

/**
 * Starts a sidecar with `numEnvs` copies of one environment.
 *
 * @throws EnvOptionsError for impossible values, before any process starts; UnknownEnvError with the nearest names;
 *   UnsupportedEnvError for spaces that are not carried; SidecarStartError where Python or a package is missing.
 */
export async function makeVectorEnv(options: VectorEnvOptions): Promise<VectorEnv> {
  const resolved = resolveOptions(options);
  const start = () => startEnvs(options, resolved);
  const { maxRestarts, seed } = resolved;
  return maxRestarts === 0
    ? start()
    : RecoveringVectorEnv.start({ start, seed, maxRestarts, onFault: options.onFault });
}

/** Starts one sidecar, and the environments in it. */
async function startEnvs(options: VectorEnvOptions, resolved: ResolvedOptions): Promise<VectorEnv> {
  const { kind, name, numEnvs, numThreads, seed, settings, startTimeoutMs } = resolved;
  const { client, hello } = await SidecarClient.start({ ...options, ...resolved });
  try {
    const { fields } = await client.request('make', { kind, name, numEnvs, numThreads, settings }, startTimeoutMs);
    const envs = sidecarEnvs(client, hello, fields as unknown as MakeFields, resolved.timeoutMs);
    return new BatchVectorEnv(envs, numEnvs, seed);
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** The environments of a sidecar; `timeoutMs` is the longest wait for the answer to a request. */
function sidecarEnvs(client: SidecarClient, hello: HelloFields, made: MakeFields, timeoutMs: number): Envs {
  const { observation, numActions: n, actionMeanings: meanings, settings, packages, rom, framesPerSecond } = made;
  const { protocol: protocolVersion, pid, python } = hello;
  const observations = (frame: Uint8Array) => typedArray(frame, observation.dtype);
  return {
    observationSpace: { kind: 'box', ...observation },
    actionSpace: { kind: 'discrete', n, ...(meanings && { meanings }) },
    settings,
    info: { protocolVersion, pid, python, packages, ...(rom && { rom }), ...(framesPerSecond && { framesPerSecond }) },
    async reset(mask, seeds) {
      const { frames, fields } = await client.request(
        'reset',
        { mask: Uint8Array.from(mask, Number), seeds },
        timeoutMs,
      );
      return {
        observations: observations(frames[0]!),
        lives: typedArray(fields.lives as Uint8Array, 'int32') as Int32Array,
      };
    },
    async step(actions, nextSeeds) {
      const reply = await client.request('step', { actions, nextSeeds }, timeoutMs);
      const [newest, final] = reply.frames;
      const { rewards, terminated, truncated, lives, lengthFrames } = reply.fields as unknown as StepFields;
      return {
        observations: observations(newest!),
        rewards: typedArray(rewards, 'float64') as Float64Array,
        terminated: typedArray(terminated, 'uint8') as Uint8Array,
        truncated: typedArray(truncated, 'uint8') as Uint8Array,
        lives: typedArray(lives, 'int32') as Int32Array,
        ...(final && { finalObservations: observations(final) }),
        ...(lengthFrames && { lengthFrames: typedArray(lengthFrames, 'int32') }),
      };
    },
    close: () => client.close(),
  };
}
