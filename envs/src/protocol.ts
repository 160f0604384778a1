import { Decoder, Encoder } from '@msgpack/msgpack';
import { arrayTypes } from './array-types.ts';
import {
  BridgeError,
  EnvOptionsError,
  EnvValueError,
  ProtocolMismatchError,
  type PythonOrigin,
  SidecarError,
  SidecarReplyError,
  SidecarStartError,
  UnknownEnvError,
  UnsupportedEnvError,
} from './errors.ts';
import type { BoxSpace, EnvSettings, ObservationArray } from './types.ts';

/** Version of the messages between client and sidecar; both sides must have the same. */
export const PROTOCOL_VERSION = 2;
/** Largest request, in bytes; the sidecar's socket drops the connection of a peer that sends more. */
export const MAX_REQUEST_BYTES = 2 ** 20;
/** Largest frame of a reply, in bytes: 4096 environments of [4, 84, 84] take 116 MB. */
export const MAX_REPLY_FRAME_BYTES = 2 ** 30;

const encoder = new Encoder();
const decoder = new Decoder();

/** What a reply's header says of an error; see `describe` in the sidecar's protocol.py. */
export interface ErrorFields {
  kind: string;
  type: string;
  message: string;
  traceback: string;
  /** Where it was raised, where known. */
  file?: string | null;
  line?: number | null;
  details: { name?: string; suggestions?: string[]; packages?: string[] };
}

/** A reply: the fields of its header and the raw frames behind it. */
export interface Reply {
  /** The request that it answers; null where the sidecar could not read the request. */
  id: number | null;
  ok: boolean;
  error?: ErrorFields;
  frames: Uint8Array[];
  fields: Record<string, unknown>;
}

export interface HelloFields {
  protocol: number;
  pid: number;
  python: string;
}

export interface MakeFields {
  settings: EnvSettings;
  observation: Omit<BoxSpace, 'kind'>;
  numActions: number;
  actionMeanings: string[] | null;
  packages: Record<string, string>;
  rom: { name: string; sha256: string } | null;
  framesPerSecond: number | null;
}

/** Small arrays, as little-endian bytes; the large ones are the frames. */
export interface StepFields {
  rewards: Uint8Array;
  terminated: Uint8Array;
  truncated: Uint8Array;
  lives: Uint8Array;
  lengthFrames?: Uint8Array;
}

/** The one frame of a request. Typed arrays among the fields travel as bytes. */
export function encodeRequest(id: number, op: string, fields: Record<string, unknown>): Uint8Array {
  const request: Record<string, unknown> = { id, op };
  for (const [name, value] of Object.entries(fields)) {
    request[name] = ArrayBuffer.isView(value) ? bytesOf(value) : value;
  }
  const bytes = encoder.encode(request);
  if (bytes.length > MAX_REQUEST_BYTES) {
    throw new BridgeError(`request "${op}" has ${bytes.length} bytes, more than the ${MAX_REQUEST_BYTES} allowed`);
  }
  return bytes;
}

/** The map in a message; undefined where there is none. */
export function decodeMap(message: Uint8Array): Record<string, unknown> | undefined {
  try {
    const fields = decoder.decode(message);
    return typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** @throws SidecarReplyError where the frames are not a reply. */
export function decodeReply(frames: Uint8Array[]): Reply {
  let fields: unknown;
  try {
    fields = decoder.decode(frames[0]!);
  } catch (error) {
    throw unreadable((error as Error).message);
  }
  if (typeof fields !== 'object' || fields === null || !('id' in fields) || !('ok' in fields)) {
    throw unreadable('its header is not a map with "id" and "ok"');
  }
  const { id, ok, error, ...rest } = fields as { id: number | null; ok: boolean; error?: ErrorFields };
  if ((ok !== true || id === null) && !isErrorFields(error)) throw unreadable('it tells of no error');
  return { id, ok: ok === true, ...(error && { error }), fields: rest, frames: frames.slice(1) };
}

function unreadable(reason: string): SidecarReplyError {
  return new SidecarReplyError(`unreadable reply from the sidecar: ${reason}`);
}

function isErrorFields(error: unknown): boolean {
  const { kind, type, message, traceback, details } = (error ?? {}) as Record<string, unknown>;
  const areTexts = [kind, type, message, traceback].every((value) => typeof value === 'string');
  return areTexts && typeof details === 'object' && details !== null;
}

/**
 * The typed TypeScript error for what the sidecar reported.
 * @param asked What the sidecar was asked for, and of which environment.
 */
export function errorFrom(
  { kind, type, message, traceback, file, line, details }: ErrorFields,
  asked: Pick<PythonOrigin, 'op' | 'envName'> = {},
): BridgeError {
  switch (kind) {
    case 'unknown-env':
      return new UnknownEnvError(message, details.name ?? '', details.suggestions ?? []);
    case 'unsupported-env':
      return new UnsupportedEnvError(message);
    case 'env-options':
      return new EnvOptionsError(message);
    case 'env-value':
      return new EnvValueError(message);
    case 'missing-packages':
      return new SidecarStartError(message, details.packages ?? []);
    case 'version':
      return new ProtocolMismatchError(message);
    default:
      return new SidecarError(message, type, traceback, {
        file: file ?? undefined,
        line: line ?? undefined,
        ...asked,
      });
  }
}

/**
 * Raw bytes as numbers: a view on the same memory, or a copy where the bytes lie at an offset that a typed array cannot
 * start at. Raw numbers are little-endian, as is every machine that Node and TensorFlow run on.
 */
export function typedArray(bytes: Uint8Array, dtype: BoxSpace['dtype']): ObservationArray {
  const ArrayType = arrayTypes[dtype];
  const itemBytes = ArrayType.BYTES_PER_ELEMENT;
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % itemBytes === 0 ? bytes : new Uint8Array(bytes);
  return new ArrayType(buffer as ArrayBuffer, byteOffset, byteLength / itemBytes);
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
