import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { readIdx } from '../../src/datasets/idx.ts';
import { failure, temporaryFolder } from './support.ts';

const folder = temporaryFolder();
let files = 0;
function file(bytes: Uint8Array): string {
  const path = join(folder, `file-${files++}`);
  writeFileSync(path, bytes);
  return path;
}

// 2 images of 2 x 3, written out by hand.
const images = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255);
const expected = { shape: [2, 2, 3], data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255) };

test('reads raw and gzip files, whatever they are called', async () => {
  expect(await readIdx(file(images), [2, 2, 3])).toEqual(expected);
  expect(await readIdx(file(gzipSync(images)), [null, 2, 3])).toEqual(expected);
});

test('names the file, what is wrong with it and the mend', async () => {
  const shape = [2, 2, 3];
  const changed = (at: number, byte: number) => file(images.map((old, i) => (i === at ? byte : old)));
  const gzip = gzipSync(images);
  const corrupt = gzip.map((byte, i) => (i === 15 ? byte ^ 0xff : byte));
  const cases: [string, string][] = [
    [file(images.subarray(0, 10)), 'truncated: 10 bytes, less than the 16 of an IDX header; get the file again'],
    [file(images.subarray(0, 27)), 'truncated: 11 bytes of data where [2, 2, 3] takes 12; get the file again'],
    [file(Uint8Array.of(...images, 0)), 'too long: 13 bytes of data where [2, 2, 3] takes 12; get the file again'],
    [
      changed(3, 1),
      'begins with the number 2049, not 2051 (IDX, unsigned bytes, 3 dimensions): give the file of this name',
    ],
    [changed(2, 13), 'begins with the number 3331, not 2051'],
    [changed(7, 3), 'holds an array of shape [3, 2, 3], not [2, 2, 3]: give the file that belongs here'],
    [file(gzip.subarray(0, 30)), 'truncated: the gzip data end early; get the file again'],
    [file(corrupt), 'corrupt gzip data ('],
    [file(Buffer.from('<html>not found</html>')), 'begins with the number 1013478509'],
    [join(folder, 'nothing'), 'no such file'],
  ];
  for (const [path, problem] of cases) {
    const message = await failure(readIdx(path, shape));
    expect(message).toContain(`${path}: ${problem}`);
    expect(message).not.toContain('\n');
  }
});
