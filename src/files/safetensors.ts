/**
 * The safetensors layout (https://huggingface.co/docs/safetensors): 8 bytes with the length of the header (unsigned,
 * little-endian), the header in JSON, then the raw little-endian elements of every tensor without gaps. Numpy, PyTorch
 * and TensorFlow users open such files with the `safetensors` package.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { replaceFileWith } from './atomic.ts';
import { DamagedFileError, MissingFileError } from './errors.ts';

const ARRAY_TYPES = {
  F64: Float64Array,
  F32: Float32Array,
  /** Half precision, as the bits of each number. */
  F16: Uint16Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U64: BigUint64Array,
  U32: Uint32Array,
  U16: Uint16Array,
  U8: Uint8Array,
  /** One byte an element, 0 or 1. */
  BOOL: Uint8Array,
};

export type SafetensorsDtype = keyof typeof ARRAY_TYPES;

// Written out because InstanceType would leave out arrays over a SharedArrayBuffer.
interface ArrayOf {
  F64: Float64Array;
  F32: Float32Array;
  F16: Uint16Array;
  I64: BigInt64Array;
  I32: Int32Array;
  I16: Int16Array;
  I8: Int8Array;
  U64: BigUint64Array;
  U32: Uint32Array;
  U16: Uint16Array;
  U8: Uint8Array;
  BOOL: Uint8Array;
}

/** Elements in row-major order; testing `dtype` narrows the type of `data`. */
export type SafetensorsTensor = {
  [D in SafetensorsDtype]: { dtype: D; shape: readonly number[]; data: ArrayOf[D] };
}[SafetensorsDtype];

/**
 * As `SafetensorsTensor`; elements kept in several arrays are written one after the other, so nobody has to join them
 * in memory.
 */
export type WritableTensor = {
  [D in SafetensorsDtype]: { dtype: D; shape: readonly number[]; data: ArrayOf[D] | readonly ArrayOf[D][] };
}[SafetensorsDtype];

export interface SafetensorsFile {
  tensors: Record<string, SafetensorsTensor>;
  metadata: Record<string, string>;
}

interface HeaderEntry {
  dtype: SafetensorsDtype;
  shape: number[];
  data_offsets: [number, number];
}

const LENGTH_BYTES = 8;
const MAX_HEADER_BYTES = 100_000_000; // as the reference reader
const MAX_TRANSFER_BYTES = 2 ** 26; // one system call moves less than 2 GiB

/**
 * Writes tensors and metadata beside `path`, waits for the disk and renames the file in, so that a crash or a full disk
 * leaves the old file as it was. Tensors are stored with the widest elements first: each then starts at a multiple of
 * its element size, and a reader may map the file and look at it through typed arrays.
 *
 * @throws RangeError when a tensor's data do not fit its dtype and shape; the file system's error when writing fails.
 */
export async function writeSafetensors(
  path: string,
  tensors: Record<string, WritableTensor>,
  metadata: Record<string, string> = {},
): Promise<void> {
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') throw new RangeError(`metadata ${JSON.stringify(key)}: ${value} is not a string`);
  }
  const ordered = Object.entries(tensors)
    .map(([name, tensor]) => ({ name, tensor, parts: checkedParts(name, tensor) }))
    .sort((a, b) => elementBytes(b.tensor.dtype) - elementBytes(a.tensor.dtype) || compareText(a.name, b.name));

  let end = 0;
  const entries: [string, HeaderEntry | Record<string, string>][] = [['__metadata__', metadata]];
  for (const { name, tensor, parts } of ordered) {
    const begin = end;
    for (const part of parts) end += part.byteLength;
    entries.push([name, { dtype: tensor.dtype, shape: [...tensor.shape], data_offsets: [begin, end] }]);
  }

  await replaceFileWith(path, async (handle) => {
    let position = await writeAll(handle, encodeHeader(Object.fromEntries(entries)), 0);
    for (const { parts } of ordered) {
      for (const part of parts) position = await writeAll(handle, part, position);
    }
  });
}

/**
 * Reads a whole file, after checking that the header, the shapes and the length of the file agree.
 *
 * @throws DamagedFileError when they do not; MissingFileError.
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? new MissingFileError(path, { cause: error }) : error;
  });
  try {
    const { entries, metadata, dataStart } = await readHeader(path, handle);
    const tensors: [string, SafetensorsTensor][] = [];
    for (const [name, { dtype, shape, data_offsets }] of entries) {
      const data = new ARRAY_TYPES[dtype](shape.reduce((a, b) => a * b, 1));
      await readAll(path, handle, data, dataStart + data_offsets[0]);
      tensors.push([name, { dtype, shape, data } as SafetensorsTensor]);
    }
    return { tensors: Object.fromEntries(tensors), metadata };
  } finally {
    await handle.close();
  }
}

function encodeHeader(header: object): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const paddedLength = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(LENGTH_BYTES + paddedLength).fill(0x20); // spaces after the JSON align the data
  new DataView(bytes.buffer).setBigUint64(0, BigInt(paddedLength), true);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}

async function readHeader(path: string, handle: FileHandle) {
  const damaged = (problem: string) => new DamagedFileError(path, problem);
  const stat = await handle.stat();
  if (!stat.isFile()) throw damaged('not a file');
  const { size } = stat;
  if (size < LENGTH_BYTES)
    throw damaged(`truncated: ${size} bytes, less than the ${LENGTH_BYTES} of the header's length`);
  const length = new BigUint64Array(1);
  await readAll(path, handle, length, 0);
  const headerBytes = Number(length[0]);
  if (headerBytes > MAX_HEADER_BYTES) throw damaged(`not a safetensors file: it gives its header ${headerBytes} bytes`);
  const dataStart = LENGTH_BYTES + headerBytes;
  if (dataStart > size) throw damaged(`truncated: the header ends at byte ${dataStart}, the file at ${size}`);

  const bytes = new Uint8Array(headerBytes);
  await readAll(path, handle, bytes, LENGTH_BYTES);
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch {
    throw damaged('the header is not JSON');
  }
  if (!isObject(header)) throw damaged('the header is not a JSON object');
  if (!/^\{.*\} *$/s.test(text)) throw damaged('the header is not padded with spaces');

  const { __metadata__: metadata = {}, ...rest } = header;
  if (!isObject(metadata) || Object.values(metadata).some((value) => typeof value !== 'string')) {
    throw damaged('__metadata__ is not an object of strings');
  }
  const entries = Object.entries(rest).map(([name, entry]): [string, HeaderEntry] => {
    const problem = entryProblem(entry);
    if (problem) throw damaged(`tensor ${JSON.stringify(name)}: ${problem}`);
    return [name, entry as HeaderEntry];
  });
  const layoutProblem = findLayoutProblem(entries, size - dataStart);
  if (layoutProblem) throw damaged(layoutProblem);
  return { entries, metadata: metadata as Record<string, string>, dataStart };
}

function entryProblem(entry: unknown): string | undefined {
  if (!isObject(entry)) return 'its header entry is not an object';
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(ARRAY_TYPES, dtype)) {
    return `dtype ${JSON.stringify(dtype)} is none of ${Object.keys(ARRAY_TYPES).join(', ')}`;
  }
  if (!isSizes(shape)) return `shape ${JSON.stringify(shape)} is not a list of sizes`;
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    return `data_offsets ${JSON.stringify(offsets)} is not [begin, end]`;
  }
  const expected = shape.reduce((a, b) => a * b, elementBytes(dtype as SafetensorsDtype));
  const actual = offsets[1] - offsets[0];
  if (actual !== expected) return `${actual} bytes where ${dtype} of shape [${shape}] takes ${expected}`;
  return undefined;
}

/** The layout allows neither gaps nor overlaps: the tensors, put in order, cover the data exactly. */
function findLayoutProblem(entries: [string, HeaderEntry][], dataBytes: number): string | undefined {
  const byPlace = [...entries].sort(([, a], [, b]) => {
    return a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1];
  });
  let end = 0;
  for (const [name, { data_offsets: offsets }] of byPlace) {
    if (offsets[1] > dataBytes) {
      return `truncated: tensor ${JSON.stringify(name)} ends at data byte ${offsets[1]}, the data at ${dataBytes}`;
    }
    if (offsets[0] < end)
      return `tensor ${JSON.stringify(name)} begins at data byte ${offsets[0]}, inside the one before it`;
    if (offsets[0] > end) return `data bytes ${end} to ${offsets[0]} belong to no tensor`;
    end = offsets[1];
  }
  return end < dataBytes ? `${dataBytes - end} bytes after the last tensor` : undefined;
}

function checkedParts(name: string, tensor: WritableTensor): readonly NodeJS.TypedArray[] {
  const label = `tensor ${JSON.stringify(name)}`;
  const { dtype, shape, data } = tensor;
  if (name === '__metadata__') throw new RangeError(`${label}: the name is taken by the layout; choose another`);
  if (!Object.hasOwn(ARRAY_TYPES, dtype)) throw new RangeError(`${label}: unknown dtype ${dtype}`);
  if (!isSizes(shape)) throw new RangeError(`${label}: shape [${shape}] is not a list of sizes`);
  const parts: readonly NodeJS.TypedArray[] = ArrayBuffer.isView(data) ? [data] : data;
  const wrongPart = parts.find((part) => !(part instanceof ARRAY_TYPES[dtype]));
  if (wrongPart) {
    throw new RangeError(`${label}: ${dtype} takes a ${ARRAY_TYPES[dtype].name}, not a ${wrongPart.constructor.name}`);
  }
  const expected = shape.reduce((a, b) => a * b, 1);
  const actual = parts.reduce((sum, part) => sum + part.length, 0);
  if (actual !== expected)
    throw new RangeError(`${label}: ${actual} elements where shape [${shape}] takes ${expected}`);
  return parts;
}

async function writeAll(handle: FileHandle, data: NodeJS.TypedArray, position: number): Promise<number> {
  const bytes = bytesOf(data);
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(bytes.length - done, MAX_TRANSFER_BYTES);
    done += (await handle.write(bytes, done, length, position + done)).bytesWritten;
  }
  return position + bytes.length;
}

async function readAll(path: string, handle: FileHandle, into: NodeJS.TypedArray, position: number): Promise<void> {
  const bytes = bytesOf(into);
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(bytes.length - done, MAX_TRANSFER_BYTES);
    const { bytesRead } = await handle.read(bytes, done, length, position + done);
    if (bytesRead === 0) throw new DamagedFileError(path, `truncated while it was read, at byte ${position + done}`);
    done += bytesRead;
  }
}

function bytesOf(data: NodeJS.TypedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function elementBytes(dtype: SafetensorsDtype): number {
  return ARRAY_TYPES[dtype].BYTES_PER_ELEMENT;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
