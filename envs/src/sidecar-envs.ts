import { arrayTypes } from './array-types.ts';
import type { Envs } from './batch-vector-env.ts';
import type { Connection } from './connection.ts';
import { SidecarReplyError } from './errors.ts';
import { isIntegerFrom, MAX_SEED, type ResolvedOptions } from './options.ts';
import { type HelloFields, type MakeFields, type Reply, type StepFields, typedArray } from './protocol.ts';
import type { BoxSpace, ObservationArray } from './types.ts';

/** What a part of the environments is made of. */
export type EnvsRequest = Pick<
  ResolvedOptions,
  'kind' | 'name' | 'settings' | 'numThreads' | 'startTimeoutMs' | 'timeoutMs'
> & {
  /** How many environments it has. */
  numEnvs: number;
  /** Its number on the other side, which may run several. */
  batch: number;
};

/**
 * Has environments made by a sidecar or worker, and steps them there. Answers are checked before they are used: one
 * that does not fit ends the connection.
 *
 * @throws UnknownEnvError, UnsupportedEnvError, EnvOptionsError; SidecarStartError where a package is missing there;
 *   what the connection throws.
 */
export async function makeSidecarEnvs(connection: Connection, hello: HelloFields, asked: EnvsRequest): Promise<Envs> {
  const { kind, name, settings: given, numThreads, numEnvs, batch, startTimeoutMs, timeoutMs } = asked;
  const wanted = { batch, kind, name, numEnvs, numThreads, settings: given };
  const { fields } = await connection.request('make', wanted, startTimeoutMs);

  /** What `read` makes of an answer. */
  function reading<T>(op: string, read: () => T): T {
    try {
      return read();
    } catch (cause) {
      const error = new SidecarReplyError(`the answer to "${op}" does not fit: ${(cause as Error).message}`);
      connection.fail(error);
      throw error;
    }
  }

  const made = reading('make', () => checkMade(fields));
  const { observation, numActions: n, actionMeanings: meanings, settings, packages, rom, framesPerSecond } = made;
  const { protocol: protocolVersion, pid, python } = hello;
  const elements = observation.shape.reduce((a, b) => a * b, 1);
  const observations = (frame: unknown, rows: number) => numbers(frame, observation.dtype, rows * elements);

  return {
    observationSpace: { kind: 'box', ...observation },
    actionSpace: { kind: 'discrete', n, ...(meanings && { meanings }) },
    settings,
    info: { protocolVersion, pid, python, packages, ...(rom && { rom }), ...(framesPerSecond && { framesPerSecond }) },
    async reset(mask, seeds) {
      const sent = { batch, mask: Uint8Array.from(mask, Number), seeds };
      const { frames, fields } = await connection.request('reset', sent, timeoutMs);
      return reading('reset', () => ({
        observations: observations(frames[0], numEnvs),
        lives: numbers(fields.lives, 'int32', numEnvs) as Int32Array,
      }));
    },
    async step(actions, nextSeeds) {
      const reply = await connection.request('step', { batch, actions, nextSeeds }, timeoutMs);
      return reading('step', () => stepBatch(reply));
    },
    close: () => connection.close(),
  };

  function stepBatch({ frames: [newest, final], fields }: Reply) {
    const { rewards, terminated, truncated, lives, lengthFrames } = fields as unknown as StepFields;
    const batch = {
      observations: observations(newest, numEnvs),
      rewards: numbers(rewards, 'float64', numEnvs) as Float64Array,
      terminated: numbers(terminated, 'uint8', numEnvs) as Uint8Array,
      truncated: numbers(truncated, 'uint8', numEnvs) as Uint8Array,
      lives: numbers(lives, 'int32', numEnvs) as Int32Array,
    };
    let ended = 0;
    for (let env = 0; env < numEnvs; env++) ended += Number(batch.terminated[env] || batch.truncated[env] ? 1 : 0);
    return {
      ...batch,
      ...(ended > 0 && { finalObservations: observations(final, ended) }),
      ...(ended > 0 && lengthFrames !== undefined && { lengthFrames: numbers(lengthFrames, 'int32', ended) }),
    };
  }
}

/** Raw bytes as so many numbers. @throws Error where they are others. */
function numbers(bytes: unknown, dtype: BoxSpace['dtype'], count: number): ObservationArray {
  const wanted = count * arrayTypes[dtype].BYTES_PER_ELEMENT;
  if (!(bytes instanceof Uint8Array) || bytes.byteLength !== wanted) {
    const given = bytes instanceof Uint8Array ? `${bytes.byteLength} bytes` : typeof bytes;
    throw new Error(`${given} in place of ${wanted} bytes`);
  }
  return typedArray(bytes, dtype);
}

/** The answer to "make". @throws Error where it describes no environments. */
function checkMade(fields: Record<string, unknown>): MakeFields {
  const { observation, numActions, settings, packages, actionMeanings } = fields as Partial<MakeFields>;
  const { shape, dtype } = observation ?? {};
  const isShape = Array.isArray(shape) && shape.every((size) => isIntegerFrom(1, MAX_SEED, size));
  if (!isShape || !Object.hasOwn(arrayTypes, dtype ?? '')) throw new Error('it describes no observations');
  if (!isIntegerFrom(1, MAX_SEED, numActions)) throw new Error('it describes no actions');
  const isText = (value: unknown) => typeof value === 'string';
  if (actionMeanings != null && !(Array.isArray(actionMeanings) && actionMeanings.every(isText)))
    throw new Error('it describes no actions');
  if (typeof settings?.id !== 'string' || typeof packages !== 'object' || packages === null)
    throw new Error('it names no environment');
  return fields as unknown as MakeFields;
}
