/**
 * The episode file (`.episode.safetensors`): all that is needed to emulate one episode again, and to notice when that
 * gives anything else. docs/recordings.md describes it byte by byte.
 */
import { createHash } from 'node:crypto';
import type { EnvSettings } from 'gymnasium-js-bridge';
import { z } from 'zod';
import { DamagedFileError } from '../files/errors.ts';
import { readSafetensors, type SafetensorsTensor, writeSafetensors } from '../files/safetensors.ts';

/** How the names of recordings end. */
export const RECORDING_EXTENSION = '.episode.safetensors';
const FORMAT = 'weightnorm-rl episode';
const FORMAT_VERSION = '1';

/** An episode as its file holds it: what it takes to emulate it again, and hashes to compare the result with. */
export interface EpisodeRecording {
  settings: EnvSettings;
  /** Versions of the Python packages that emulated: ale-py, gymnasium, numpy. */
  packages: Record<string, string>;
  /** Version of Python. */
  python: string;
  /** Atari: the ROM's file name and SHA-256. */
  rom?: { name: string; sha256: string };
  /** The seed that the episode was reset with. */
  seed: number;
  /** [lengthSteps] */
  actions: Int32Array;
  /** Unclipped, [lengthSteps] */
  rewards: Float64Array;
  /** `frameHash` of every observation, [lengthSteps + 1]: the first one, then what each action led to. */
  frameHashes: BigUint64Array;
  /** Sum of the rewards (the game score). */
  return: number;
  /** Length in agent steps. */
  lengthSteps: number;
  /** Emulator frames, no-op start included (Atari); agent steps elsewhere. */
  lengthFrames: number;
  terminated: boolean;
  truncated: boolean;
  /** Who chose the actions: free form; `run`, `checkpointAgentSteps` and `epsilon` are the usual keys. */
  actor: Record<string, string | number | boolean | null>;
}

/** What goes into the file as JSON; the rest are tensors. */
const infoSchema = z.strictObject({
  settings: z.strictObject({
    kind: z.enum(['atari', 'gymnasium', 'typescript']),
    // "module:Env-v0" makes Gymnasium import the module: a file from a stranger must not choose code to run.
    id: z.string().regex(/^[^:]*$/, 'it names a Python module to import, which a recording may not'),
    frameSkip: z.exactOptional(z.int().min(1)),
    maxNoops: z.exactOptional(z.int().min(0)),
    stickyActionProbability: z.exactOptional(z.number()),
    fullActionSpace: z.exactOptional(z.boolean()),
    fireReset: z.exactOptional(z.boolean()),
    maxEpisodeFrames: z.exactOptional(z.int()),
    frameStack: z.exactOptional(z.int()),
    grayscale: z.exactOptional(z.boolean()),
    height: z.exactOptional(z.int()),
    width: z.exactOptional(z.int()),
    maxEpisodeSteps: z.exactOptional(z.int()),
    envOptions: z.exactOptional(z.record(z.string(), z.json())),
  }),
  packages: z.record(z.string(), z.string()),
  python: z.string(),
  rom: z.exactOptional(z.strictObject({ name: z.string(), sha256: z.string() })),
  seed: z.int(),
  return: z.number(),
  lengthSteps: z.int().min(1),
  lengthFrames: z.int().min(1),
  terminated: z.boolean(),
  truncated: z.boolean(),
  actor: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
});

/**
 * The first 8 bytes of the SHA-256 of an observation's raw bytes (little-endian elements, row-major), as a
 * little-endian integer.
 */
export function frameHash(observation: NodeJS.TypedArray): bigint {
  const bytes = new Uint8Array(observation.buffer, observation.byteOffset, observation.byteLength);
  return createHash('sha256').update(bytes).digest().readBigUInt64LE(0);
}

/** Writes the file beside `path` and renames it in; an existing file is replaced. */
export async function writeRecording(path: string, recording: EpisodeRecording): Promise<void> {
  const { actions, rewards, frameHashes, ...info } = recording;
  const problem = findInconsistency(recording);
  if (problem) throw new RangeError(`recording: ${problem}`);
  const json = JSON.stringify(infoSchema.parse(info));
  await writeSafetensors(
    path,
    {
      actions: { dtype: 'I32', shape: [actions.length], data: actions },
      rewards: { dtype: 'F64', shape: [rewards.length], data: rewards },
      frameHashes: { dtype: 'U64', shape: [frameHashes.length], data: frameHashes },
    },
    { format: FORMAT, formatVersion: FORMAT_VERSION, episode: json, sha256: contentDigest(json, recording) },
  );
}

/**
 * Reads and checks a file; any changed byte is noticed.
 *
 * @throws DamagedFileError; MissingFileError.
 */
export async function readRecording(path: string): Promise<EpisodeRecording> {
  const { tensors, metadata } = await readSafetensors(path);
  const damaged = (problem: string) => new DamagedFileError(path, problem);
  const { format, formatVersion, episode, sha256, ...others } = metadata;
  if (format !== FORMAT) throw damaged('not an episode recording');
  if (formatVersion !== FORMAT_VERSION) {
    throw damaged(
      `episode format version ${JSON.stringify(formatVersion)}; this program reads version ${FORMAT_VERSION}`,
    );
  }
  const { actions, rewards, frameHashes, ...otherTensors } = tensors;
  const unknown = [...Object.keys(others), ...Object.keys(otherTensors)];
  if (unknown.length > 0) throw damaged(`unknown entry ${JSON.stringify(unknown[0])}`);
  if (
    !isVector(actions, 'I32') ||
    !isVector(rewards, 'F64') ||
    !isVector(frameHashes, 'U64') ||
    episode === undefined
  ) {
    throw damaged('the episode, its actions (I32), rewards (F64) or frameHashes (U64) are missing');
  }
  const arrays = { actions: actions.data, rewards: rewards.data, frameHashes: frameHashes.data };
  if (contentDigest(episode, arrays) !== sha256)
    throw damaged('its content does not have the SHA-256 that it states: altered or damaged');

  const info = infoSchema.safeParse(parseJson(episode));
  if (!info.success) {
    const { path: where, message } = info.error.issues[0];
    throw damaged(`episode.${where.join('.')}: ${message}`);
  }
  const recording: EpisodeRecording = { ...info.data, ...arrays };
  const problem = findInconsistency(recording);
  if (problem) throw damaged(problem);
  return recording;
}

/** SHA-256 over the JSON and the three tensors, in hexadecimal. */
function contentDigest(
  json: string,
  { actions, rewards, frameHashes }: Pick<EpisodeRecording, 'actions' | 'rewards' | 'frameHashes'>,
): string {
  const hash = createHash('sha256').update(json, 'utf8');
  for (const array of [actions, rewards, frameHashes]) {
    hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }
  return hash.digest('hex');
}

function findInconsistency({ actions, rewards, frameHashes, lengthSteps }: EpisodeRecording): string | undefined {
  const lengths = [actions.length, rewards.length, frameHashes.length - 1];
  if (lengths.every((length) => length === lengthSteps)) return undefined;
  return (
    `${lengthSteps} agent steps, but ${actions.length} actions, ${rewards.length} rewards and ${frameHashes.length} ` +
    'frame hashes'
  );
}

function isVector<D extends SafetensorsTensor['dtype']>(
  tensor: SafetensorsTensor | undefined,
  dtype: D,
): tensor is Extract<SafetensorsTensor, { dtype: D }> {
  return tensor !== undefined && tensor.dtype === dtype && tensor.shape.length === 1;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
