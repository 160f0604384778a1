import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { gzipFault, isGzipFile } from './idx.ts';

/**
 * The SHA-256 of a file in hexadecimal; with `decompressed`, that of what a gzip file holds, which is the same however
 * hard it was compressed.
 *
 * @throws DamagedFileError for gzip data that do not decompress.
 */
export async function sha256OfFile(path: string, { decompressed = false } = {}): Promise<string> {
  const hash = createHash('sha256');
  const absorb = async (stream: AsyncIterable<Buffer>) => {
    for await (const chunk of stream) hash.update(chunk);
  };
  const file: Readable = createReadStream(path, { highWaterMark: 2 ** 20 });
  try {
    if (decompressed && (await isGzipFile(path))) await pipeline(file, createGunzip(), absorb);
    else await pipeline(file, absorb);
  } catch (error) {
    throw gzipFault(path, error);
  }
  return hash.digest('hex');
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
