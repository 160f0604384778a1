// The regular files of a tar archive (POSIX ustar, pax and GNU): blocks of 512 bytes, a header and then the content,
// which is padded.

export interface TarEntry {
  name: string;
  content: Uint8Array;
}

const BLOCK = 512;
const text = new TextDecoder();

/**
 * Yields the regular files of a tar stream in order, each whole in memory. Folders, links and extended headers are
 * passed over (names beyond 256 bytes come out shortened).
 *
 * @throws Error, in words, for a damaged header and for a stream that ends early.
 */
export async function* readTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const iterator = chunks[Symbol.asyncIterator]();
  const read = reader(iterator);
  for (;;) {
    const header = await read(BLOCK);
    if (header.every((byte) => byte === 0)) break; // the end
    const { name, size, isFile } = parseHeader(header);
    const content = await read(Math.ceil(size / BLOCK) * BLOCK);
    if (isFile) yield { name, content: content.subarray(0, size) };
  }
  // Padding is left. Read it, as what decompresses the stream checks its sum at the very end.
  while (!(await iterator.next()).done);
}

function parseHeader(header: Uint8Array): { name: string; size: number; isFile: boolean } {
  const field = (from: number, length: number) => text.decode(header.subarray(from, from + length)).split('\0')[0];
  const octal = (from: number, length: number) => Number.parseInt(field(from, length).trim(), 8);
  // The sum of all bytes, those of the checksum itself taken as spaces.
  const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0);
  if (sum !== octal(148, 8)) throw new Error('not a tar archive, or a header in it is damaged');
  const size = octal(124, 12);
  // Version "00": the older GNU headers have other things where this has the first part of long names.
  const hasPrefix = field(257, 5) === 'ustar' && header[263] === 48 && field(345, 155) !== '';
  const name = hasPrefix ? `${field(345, 155)}/${field(0, 100)}` : field(0, 100);
  if (!(size >= 0)) throw new Error(`${name}: its size is not an octal number`);
  return { name, size, isFile: header[156] === 48 || header[156] === 0 };
}

/** A function that takes the next bytes of a stream of chunks. */
function reader(iterator: AsyncIterator<Uint8Array>): (length: number) => Promise<Uint8Array> {
  let left: Uint8Array = new Uint8Array(0);
  return async (length) => {
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      if (left.length === 0) {
        const { done, value } = await iterator.next();
        if (done) throw new Error('the archive ends early');
        left = value;
      }
      const part = left.subarray(0, length - filled);
      bytes.set(part, filled);
      filled += part.length;
      left = left.subarray(part.length);
    }
    return bytes;
  };
}
