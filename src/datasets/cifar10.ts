// CIFAR-10 (Krizhevsky 2009) in its binary version, https://www.cs.toronto.edu/~kriz/cifar.html: records of 1 label
// byte and 3,072 pixel bytes, of which 1,024 are red, then green, then blue, row by row; 10,000 records a file, five
// files for training and one for testing.
import { createReadStream, existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { DamagedFileError, MissingFileError } from '../files/errors.ts';
import { commandLine } from '../runtime/native-packages.ts';
import { sha256OfFile } from './checksum.ts';
import { gzipFault } from './idx.ts';
import type { LabelledImages } from './mnist.ts';
import { readTar } from './tar.ts';

export interface Cifar10 {
  /** 50,000 images of 32 x 32 pixels and 3 channels: red, green, blue, the channel last. */
  train: LabelledImages;
  /** 10,000 images of the same layout. */
  test: LabelledImages;
  /** The archive or folder that they came from. */
  source: string;
}

export const CIFAR10_CLASSES = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
] as const;

export const CIFAR10_ARCHIVE = {
  name: 'cifar-10-binary.tar.gz',
  bytes: 170_052_171,
  sha256: 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
} as const;

const TRAIN_FILES = [1, 2, 3, 4, 5].map((number) => `data_batch_${number}.bin`);
const TEST_FILE = 'test_batch.bin';
const FILES = [...TRAIN_FILES, TEST_FILE];
const FOLDER = 'cifar-10-batches-bin';

const PIXELS = 32 * 32;
const CHANNELS = 3;
const RECORD_BYTES = 1 + PIXELS * CHANNELS;
const RECORDS = 10_000;

/**
 * Loads CIFAR-10 from a folder that has `data_batch_1.bin` to `_5.bin` and `test_batch.bin`, or the folder
 * `cifar-10-batches-bin` with them, or the official `cifar-10-binary.tar.gz`; the first of these that it finds. Takes
 * one to a few seconds and 180 MB.
 *
 * @throws MissingFileError; DamagedFileError for an archive that is not the official one, byte for byte, and for files
 *   of another length or with labels beyond 9.
 */
export async function loadCifar10({ dataDir }: { dataDir: string }): Promise<Cifar10> {
  const folder = [dataDir, join(dataDir, FOLDER)].find((place) => FILES.some((name) => existsSync(join(place, name))));
  if (folder !== undefined) return { ...decodeAll(await readFolder(folder), folder), source: folder };
  const archive = join(dataDir, CIFAR10_ARCHIVE.name);
  if (!existsSync(archive)) throw absent(dataDir);
  await verifyArchive(archive);
  return { ...decodeAll(await readCifar10Archive(archive), archive), source: archive };
}

/** Whether a folder has CIFAR-10 in one of the forms that `loadCifar10` reads; it may still lack a file. */
export function hasCifar10(dataDir: string): boolean {
  const places = [TRAIN_FILES[0], join(FOLDER, TRAIN_FILES[0]), CIFAR10_ARCHIVE.name];
  return places.some((name) => existsSync(join(dataDir, name)));
}

/** The six files in a `.tar.gz`, by their names without folders; nothing is written to the disk. */
export async function readCifar10Archive(archive: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  const compressed = createReadStream(archive, { highWaterMark: 2 ** 20 });
  const chunks = compressed.pipe(createGunzip());
  compressed.once('error', (error) => chunks.destroy(error));
  try {
    for await (const { name, content } of readTar(chunks)) {
      if (FILES.includes(basename(name))) files.set(basename(name), content);
    }
  } catch (error) {
    const fault = gzipFault(archive, error);
    if (fault !== error || (error as NodeJS.ErrnoException).code !== undefined) throw fault;
    throw new DamagedFileError(archive, `${(error as Error).message}; get it again`, { cause: error });
  } finally {
    compressed.destroy();
  }
  const lacking = FILES.find((name) => !files.has(name));
  if (lacking !== undefined) throw new DamagedFileError(archive, `has no ${lacking}: give ${CIFAR10_ARCHIVE.name}`);
  return files;
}

/**
 * Decodes one file.
 *
 * @returns `images` as `[records, 32, 32, 3]`, `labels` as `[records]`.
 */
export function decodeCifar10(bytes: Uint8Array, path: string, records = RECORDS): LabelledImages {
  const expected = records * RECORD_BYTES;
  if (bytes.length !== expected) {
    const problem = bytes.length < expected ? 'truncated' : 'not a batch of CIFAR-10';
    throw new DamagedFileError(path, `${problem}: ${bytes.length} bytes, not ${expected}; ${MEND}`);
  }
  const images = new Uint8Array(records * PIXELS * CHANNELS);
  const labels = new Uint8Array(records);
  for (let record = 0, from = 0, to = 0; record < records; record++) {
    const label = bytes[from++];
    if (label > 9) throw new DamagedFileError(path, `record ${record} has the label ${label}, not 0 to 9; ${MEND}`);
    labels[record] = label;
    for (let pixel = 0; pixel < PIXELS; pixel++, from++) {
      images[to++] = bytes[from];
      images[to++] = bytes[from + PIXELS];
      images[to++] = bytes[from + 2 * PIXELS];
    }
    from += 2 * PIXELS;
  }
  return { images, labels };
}

const MEND = `get it again with "${commandLine('download-data', 'cifar10')}"`;

function absent(dataDir: string): Error {
  const error = new MissingFileError(join(dataDir, CIFAR10_ARCHIVE.name));
  error.message +=
    `, nor ${TRAIN_FILES[0]}: run "${commandLine('download-data', `cifar10 --data-dir ${dataDir}`)}", ` +
    'or put there the binary version of CIFAR-10 from https://www.cs.toronto.edu/~kriz/cifar.html';
  return error;
}

async function verifyArchive(path: string): Promise<void> {
  const { size } = await stat(path);
  const { bytes, sha256 } = CIFAR10_ARCHIVE;
  if (size < bytes) throw new DamagedFileError(path, `truncated: ${size} bytes of ${bytes}; delete it and ${MEND}`);
  const actual = await sha256OfFile(path);
  if (actual !== sha256) {
    throw new DamagedFileError(
      path,
      `not the official archive: its SHA-256 is ${actual}, not ${sha256}; delete it and ${MEND}`,
    );
  }
}

async function readFolder(folder: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const name of FILES) {
    const path = join(folder, name);
    const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ENOENT' ? new MissingFileError(path, { cause: error }) : error;
    });
    files.set(name, bytes);
  }
  return files;
}

/** Takes the files out of the map as it goes, so that their memory can be reused. */
function decodeAll(files: Map<string, Uint8Array>, source: string): { train: LabelledImages; test: LabelledImages } {
  const take = (name: string) => {
    const bytes = files.get(name)!;
    files.delete(name);
    return decodeCifar10(bytes, join(source, name));
  };
  const train = {
    images: new Uint8Array(TRAIN_FILES.length * RECORDS * PIXELS * CHANNELS),
    labels: new Uint8Array(TRAIN_FILES.length * RECORDS),
  };
  TRAIN_FILES.forEach((name, i) => {
    const { images, labels } = take(name);
    train.images.set(images, i * images.length);
    train.labels.set(labels, i * labels.length);
  });
  return { train, test: take(TEST_FILE) };
}
