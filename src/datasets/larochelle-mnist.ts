// MNIST as Larochelle & Murray 2011 (NADE) binarised it, once and for all: what most published bounds in nats are
// about. Three text files, one image a line, 784 digits 0 or 1 apart by spaces.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DamagedFileError, MissingFileError } from '../files/errors.ts';

export interface LarochelleMnist {
  /** `[50000, 784]`, 0 or 1, as the others. */
  train: Uint8Array;
  /** `[10000, 784]` */
  valid: Uint8Array;
  /** `[10000, 784]` */
  test: Uint8Array;
}

const PIXELS = 784;
const [NEWLINE, CARRIAGE_RETURN, SPACE, ZERO, ONE] = [10, 13, 32, 48, 49];

/**
 * Loads `binarized_mnist_train.amat`, `_valid.amat` and `_test.amat` from a folder. They have no labels.
 *
 * @throws MissingFileError; DamagedFileError for another count of lines or of digits in a line, or anything but 0 and
 *   1. The line is named.
 */
export async function loadLarochelleMnist({ dataDir }: { dataDir: string }): Promise<LarochelleMnist> {
  const read = async (set: string, count: number) => {
    const path = join(dataDir, `binarized_mnist_${set}.amat`);
    const text = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ENOENT' ? new MissingFileError(path, { cause: error }) : error;
    });
    return parseAmat(text, path, count);
  };
  return { train: await read('train', 50_000), valid: await read('valid', 10_000), test: await read('test', 10_000) };
}

/** The digits of `count` lines of 784, as 0 and 1 `[count, 784]`; `path` is named in errors. */
export function parseAmat(text: Uint8Array, path: string, count: number): Uint8Array {
  const bits = new Uint8Array(count * PIXELS);
  let [filled, lines, inLine] = [0, 0, 0];
  const endLine = () => {
    if (inLine === 0) return;
    lines++;
    if (inLine !== PIXELS)
      throw new DamagedFileError(path, `line ${lines} has ${inLine} digits, not ${PIXELS}; get the file again`);
    inLine = 0;
  };
  for (let at = 0; at < text.length; at++) {
    const byte = text[at];
    if (byte === ZERO || byte === ONE) {
      inLine++;
      bits[filled++] = byte - ZERO; // writes past the end are dropped, and found below
    } else if (byte === NEWLINE) {
      endLine();
    } else if (byte !== SPACE && byte !== CARRIAGE_RETURN) {
      const shown = JSON.stringify(String.fromCharCode(byte));
      throw new DamagedFileError(
        path,
        `line ${lines + 1} has ${shown}, not only 0, 1 and spaces: give Larochelle's file`,
      );
    }
  }
  endLine();
  if (lines !== count) throw new DamagedFileError(path, `has ${lines} lines, not ${count}; get the file again`);
  return bits;
}
