// The IDX format of the MNIST files (http://yann.lecun.com/exdb/mnist/): two zero bytes, the element type, the number
// of dimensions, each size as a big-endian 32-bit integer, then the elements in row-major order. Raw or in gzip.
import { open, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DamagedFileError, MissingFileError } from '../files/errors.ts';

export interface IdxArray {
  /** One size a dimension. */
  shape: number[];
  /** Unsigned bytes in row-major order. */
  data: Uint8Array;
}

const UNSIGNED_BYTE = 0x08;
/** The first bytes by which compressed files are told apart, whatever their name. */
const GZIP_MAGIC = [0x1f, 0x8b];

/**
 * Reads an IDX file of unsigned bytes.
 *
 * @param shape What the file must hold; null for a size that may be any.
 * @throws MissingFileError; DamagedFileError for another kind of file, another element type or shape, or a length that
 *   differs from what the header says.
 */
export async function readIdx(path: string, shape: readonly (number | null)[]): Promise<IdxArray> {
  return parseIdx(await readMaybeGzip(path), path, shape);
}

/** As `readIdx`, from the bytes of the file (not compressed); `path` is named in errors. */
export function parseIdx(bytes: Uint8Array, path: string, shape: readonly (number | null)[]): IdxArray {
  const damaged = (problem: string) => new DamagedFileError(path, problem);
  const headerBytes = 4 + 4 * shape.length;
  if (bytes.length < headerBytes) {
    throw damaged(
      `truncated: ${bytes.length} bytes, less than the ${headerBytes} of an IDX header; get the file again`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  const expectedMagic = UNSIGNED_BYTE * 256 + shape.length;
  if (magic !== expectedMagic) {
    throw damaged(
      `begins with the number ${magic}, not ${expectedMagic} (IDX, unsigned bytes, ${shape.length} dimensions): ` +
        'give the file of this name from the MNIST database',
    );
  }
  const sizes = shape.map((_, axis) => view.getUint32(4 + 4 * axis));
  if (sizes.some((size, axis) => shape[axis] !== null && size !== shape[axis])) {
    const expected = shape.map((size) => size ?? 'any').join(', ');
    throw damaged(`holds an array of shape [${sizes.join(', ')}], not [${expected}]: give the file that belongs here`);
  }
  const expectedBytes = sizes.reduce((product, size) => product * size, 1);
  const actualBytes = bytes.length - headerBytes;
  if (actualBytes !== expectedBytes) {
    const kind = actualBytes < expectedBytes ? 'truncated' : 'too long';
    throw damaged(
      `${kind}: ${actualBytes} bytes of data where [${sizes.join(', ')}] takes ${expectedBytes}; get the file again`,
    );
  }
  return { shape: sizes, data: new Uint8Array(bytes.buffer, bytes.byteOffset + headerBytes, expectedBytes) };
}

/** A file's bytes, decompressed where it is gzip. */
export async function readMaybeGzip(path: string): Promise<Uint8Array> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? new MissingFileError(path, { cause: error }) : error;
  });
  if (!isGzip(bytes)) return bytes;
  try {
    return await promisify(gunzip)(bytes);
  } catch (error) {
    throw gzipFault(path, error);
  }
}

/** Whether a file begins as gzip does. */
export async function isGzipFile(path: string): Promise<boolean> {
  const handle = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(2), 0, 2, 0);
    return isGzip(buffer.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}

/** zlib's error in words. */
export function gzipFault(path: string, error: unknown): unknown {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (!code.startsWith('Z_')) return error;
  const problem = code === 'Z_BUF_ERROR' ? 'truncated: the gzip data end early' : `corrupt gzip data (${message})`;
  return new DamagedFileError(path, `${problem}; get the file again`, { cause: error });
}

function isGzip(bytes: Uint8Array): boolean {
  return GZIP_MAGIC.every((byte, i) => bytes[i] === byte);
}
