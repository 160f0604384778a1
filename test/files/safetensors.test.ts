import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DamagedFileError, MissingFileError } from '../../src/files/errors.ts';
import { readSafetensors, type SafetensorsTensor, writeSafetensors } from '../../src/files/safetensors.ts';

const python = join(import.meta.dirname, '../../.venv/bin/python');
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-test-'));
});
afterAll(() => rm(folder, { recursive: true }));

const shapes = fc.array(fc.nat({ max: 4 }), { maxLength: 4 });
function tensorOf<D extends SafetensorsTensor['dtype']>(
  dtype: D,
  makeData: (length: number) => fc.Arbitrary<SafetensorsTensor['data']>,
): fc.Arbitrary<SafetensorsTensor> {
  return shapes.chain((shape) =>
    makeData(shape.reduce((a, b) => a * b, 1)).map((data) => ({ dtype, shape, data }) as SafetensorsTensor),
  );
}
const exactly = (length: number) => ({ minLength: length, maxLength: length });
const anyTensor = fc.oneof(
  tensorOf('F64', (n) => fc.float64Array(exactly(n))),
  tensorOf('F32', (n) => fc.float32Array(exactly(n))),
  tensorOf('I64', (n) => fc.bigInt64Array(exactly(n))),
  tensorOf('I32', (n) => fc.int32Array(exactly(n))),
  tensorOf('I16', (n) => fc.int16Array(exactly(n))),
  tensorOf('I8', (n) => fc.int8Array(exactly(n))),
  tensorOf('U64', (n) => fc.bigUint64Array(exactly(n))),
  tensorOf('U32', (n) => fc.uint32Array(exactly(n))),
  tensorOf('U16', (n) => fc.uint16Array(exactly(n))),
  tensorOf('U8', (n) => fc.uint8Array(exactly(n))),
  tensorOf('BOOL', (n) => fc.uint8Array({ ...exactly(n), max: 1 })),
);
const anyText = fc.string({ unit: 'binary' });
const anyName = anyText.filter((name) => name !== '__metadata__');

/** A file with the given header (an object or raw text) and `dataBytes` zero bytes after it. */
async function writeByHand(name: string, header: unknown, dataBytes: number): Promise<string> {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const path = join(folder, name);
  await writeFile(path, Buffer.concat([length, text, Buffer.alloc(dataBytes)]));
  return path;
}

describe('safetensors', () => {
  test('gives back every tensor and every metadata string that was written', async () => {
    const path = join(folder, 'round-trip.safetensors');
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(anyName, anyTensor, { maxKeys: 8 }),
        fc.dictionary(anyText, anyText),
        async (tensors, metadata) => {
          await writeSafetensors(path, tensors, metadata);
          const read = await readSafetensors(path);
          expect({ ...read.metadata }).toEqual({ ...metadata });
          expect(Object.keys(read.tensors).sort()).toEqual(Object.keys(tensors).sort());
          for (const [name, tensor] of Object.entries(tensors)) expect(read.tensors[name]).toEqual(tensor);
        },
      ),
      { numRuns: 150, seed: 1 },
    );
  });

  test('writes what a parser made from the published layout reads, at aligned offsets', async () => {
    const path = join(folder, 'oracle.safetensors');
    await writeSafetensors(
      path,
      {
        pixels: { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 255) },
        kernel: {
          dtype: 'F32',
          shape: [2, 3],
          data: Float32Array.of(0.1, -0, Number.NaN, Number.POSITIVE_INFINITY, 1e-40, 5),
        },
        seeds: { dtype: 'U64', shape: [2], data: BigUint64Array.of(2n ** 64n - 1n, 7n) },
        scalar: { dtype: 'F64', shape: [], data: Float64Array.of(Math.PI) },
        steps: { dtype: 'I32', shape: [2, 1], data: [Int32Array.of(-5), Int32Array.of(2 ** 31 - 1)] },
        flags: { dtype: 'BOOL', shape: [2], data: Uint8Array.of(1, 0) },
        empty: { dtype: 'I64', shape: [0, 4], data: new BigInt64Array(0) },
      },
      { format: 'test', text: 'é "quoted" \n' },
    );
    const script = `
import json, sys
import numpy as np
raw = open(sys.argv[1], 'rb').read()
length = int.from_bytes(raw[:8], 'little')
header, data = json.loads(raw[8:8 + length]), raw[8 + length:]
metadata = header.pop('__metadata__')
types = {'U8': 'u1', 'F32': '<f4', 'U64': '<u8', 'F64': '<f8', 'I32': '<i4', 'BOOL': '?', 'I64': '<i8'}
out = {'metadata': metadata, 'aligned': length % 8 == 0}
out['covered'] = sum(e['data_offsets'][1] - e['data_offsets'][0] for e in header.values()) == len(data)
for name, entry in header.items():
    begin, end = entry['data_offsets']
    array = np.frombuffer(data[begin:end], types[entry['dtype']]).reshape(entry['shape'])
    out['aligned'] &= begin % array.itemsize == 0
    out[name] = [str(array.shape), str(array.tolist())]
print(json.dumps(out))
`;
    expect(JSON.parse(execFileSync(python, ['-c', script, path], { encoding: 'utf8' }))).toEqual({
      metadata: { format: 'test', text: 'é "quoted" \n' },
      aligned: true,
      covered: true,
      pixels: ['(3,)', '[1, 2, 255]'],
      kernel: ['(2, 3)', '[[0.10000000149011612, -0.0, nan], [inf, 9.99994610111476e-41, 5.0]]'],
      seeds: ['(2,)', '[18446744073709551615, 7]'],
      scalar: ['()', '3.141592653589793'],
      steps: ['(2, 1)', '[[-5], [2147483647]]'],
      flags: ['(2,)', '[True, False]'],
      empty: ['(0, 4)', '[]'],
    });
  });

  test('notices a file that was cut short anywhere', async () => {
    const path = join(folder, 'cut.safetensors');
    const tensors = {
      a: { dtype: 'F32', shape: [40], data: new Float32Array(40).fill(1) },
      b: { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) },
    } as const;
    await writeSafetensors(path, tensors, { note: 'whole' });
    const { length } = await readFile(path);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: length - 1 }), async (cutAt) => {
        await writeSafetensors(path, tensors, { note: 'whole' });
        await truncate(path, cutAt);
        const error = await readSafetensors(path).catch((caught: unknown) => caught);
        expect(error).toBeInstanceOf(DamagedFileError);
        expect((error as Error).message).toContain(`${path}: truncated`);
        expect((error as Error).message).not.toContain('\n');
      }),
      { numRuns: 60, seed: 2 },
    );
  });

  const entry = (dtype: unknown, shape: unknown, offsets: unknown) => ({ dtype, shape, data_offsets: offsets });
  test.each([
    ['a header that is not JSON', '{"a":', 0, 'the header is not JSON'],
    ['a header that is a list', [], 0, 'the header is not a JSON object'],
    ['a header that ends in a line break', '{}\n', 0, 'the header is not padded with spaces'],
    ['metadata that are not strings', { __metadata__: { a: 1 } }, 0, '__metadata__ is not an object of strings'],
    ['an entry that is no object', { a: null }, 0, 'tensor "a": its header entry is not an object'],
    ['an unknown dtype', { a: entry('F8', [1], [0, 1]) }, 1, 'tensor "a": dtype "F8" is none of F64, F32'],
    ['a dtype named like an object method', { a: entry('toString', [1], [0, 1]) }, 1, 'dtype "toString" is none of'],
    ['a negative size', { a: entry('U8', [-1], [0, 1]) }, 1, 'tensor "a": shape [-1] is not a list of sizes'],
    ['offsets that run backwards', { a: entry('U8', [1], [1, 0]) }, 1, 'data_offsets [1,0] is not [begin, end]'],
    ['a wrong length', { a: entry('F32', [2, 2], [0, 15]) }, 15, '15 bytes where F32 of shape [2,2] takes 16'],
    ['offsets beyond the end', { a: entry('U8', [9], [0, 9]) }, 8, 'tensor "a" ends at data byte 9, the data at 8'],
    [
      'overlapping tensors',
      { a: entry('U8', [4], [0, 4]), b: entry('U8', [4], [3, 7]) },
      7,
      'tensor "b" begins at data byte 3, inside the one before it',
    ],
    ['a gap', { a: entry('U8', [2], [1, 3]) }, 3, 'data bytes 0 to 1 belong to no tensor'],
    ['bytes after the end', { a: entry('U8', [2], [0, 2]) }, 5, '3 bytes after the last tensor'],
  ])('refuses %s and says so', async (_case, header, dataBytes, message) => {
    const path = await writeByHand('bad.safetensors', header, dataBytes);
    const error = await readSafetensors(path).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DamagedFileError);
    expect((error as Error).message).toContain(`${path}: `);
    expect((error as Error).message).toContain(message);
  });

  test('refuses a folder', async () => {
    await expect(readSafetensors(folder)).rejects.toThrow(`${folder}: not a file`);
  });

  test('refuses a header longer than the layout allows before taking memory for it', async () => {
    const path = join(folder, 'long-header.safetensors');
    await writeFile(path, Buffer.alloc(64, 0xff));
    await expect(readSafetensors(path)).rejects.toThrow(`${path}: not a safetensors file`);
  });

  test('names a file that is missing', async () => {
    const path = join(folder, 'nowhere.safetensors');
    const error = await readSafetensors(path).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(MissingFileError);
    expect((error as Error).message).toBe(`${path}: no such file`);
  });

  test('refuses data that do not fit their dtype and shape, and writes nothing', async () => {
    const path = join(folder, 'refused.safetensors');
    const data = new Float32Array(3);
    await expect(writeSafetensors(path, { a: { dtype: 'F32', shape: [2, 2], data } })).rejects.toThrow(
      'tensor "a": 3 elements where shape [2,2] takes 4',
    );
    await expect(writeSafetensors(path, { a: { dtype: 'I32', shape: [3], data } as never })).rejects.toThrow(
      'tensor "a": I32 takes a Int32Array, not a Float32Array',
    );
    await expect(writeSafetensors(path, { __metadata__: { dtype: 'F32', shape: [3], data } })).rejects.toThrow(
      'the name is taken',
    );
    expect((await readdir(folder)).filter((name) => name.includes('refused'))).toEqual([]);
  });

  test('leaves the old file and nothing else when the disk takes no more', async () => {
    const path = join(folder, 'kept.safetensors');
    const old = { a: { dtype: 'U8', shape: [2], data: Uint8Array.of(4, 2) } } as const;
    await writeSafetensors(path, old);
    const limitFileBytes = (limit: string) => execFileSync('prlimit', ['--pid', `${process.pid}`, `--fsize=${limit}:`]);
    limitFileBytes('4096'); // the kernel refuses to write past this size, as on a full disk
    try {
      const data = new Float32Array(10_000);
      await expect(writeSafetensors(path, { a: { dtype: 'F32', shape: [10_000], data } })).rejects.toThrow('EFBIG');
    } finally {
      limitFileBytes('unlimited');
    }
    expect((await readSafetensors(path)).tensors).toEqual(old);
    expect((await readdir(folder)).filter((name) => name.includes('.tmp.'))).toEqual([]);
  });
});
