import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnvOptionsError } from './errors.ts';
import { loadZeromq } from './zeromq.ts';

/** What the trainer's key file holds: its own pair, and whom it lets in. Keys are Z85 text of 40 characters. */
export interface TrainerKeys {
  publicKey: string;
  secretKey: string;
  /** The public keys of workers that may connect. */
  workers: string[];
}

/** What a worker's key file holds: its own pair, and whose environments it runs. */
export interface WorkerKeys {
  publicKey: string;
  secretKey: string;
  /** The public key of the trainer. */
  trainer: string;
}

export const TRAINER_FILE = 'trainer.key';
export const WORKER_FILE = 'worker.key';

/** No key file is longer than this, in bytes. */
const MAX_BYTES = 1 << 20;
/** Read and write for the owner, nothing for others. */
const OWNER_ONLY = 0o600;

/**
 * Makes new keys in a folder: a file for the trainer and one for its workers, for their owner alone to read.
 *
 * @returns The paths of both.
 * @throws EnvOptionsError where a file is there already, or cannot be written.
 */
export function makeKeys(folder: string): { trainer: string; worker: string } {
  const { curveKeyPair } = loadZeromq();
  const [trainer, worker] = [curveKeyPair(), curveKeyPair()];
  const paths = { trainer: join(folder, TRAINER_FILE), worker: join(folder, WORKER_FILE) };
  const contents: [string, TrainerKeys | WorkerKeys][] = [
    [paths.trainer, { ...trainer, workers: [worker.publicKey] }],
    [paths.worker, { ...worker, trainer: trainer.publicKey }],
  ];
  const written: string[] = [];
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const [path, keys] of contents) {
      writeFileSync(path, `${JSON.stringify(keys, null, 2)}\n`, { flag: 'wx', mode: OWNER_ONLY });
      written.push(path);
    }
  } catch (error) {
    for (const path of written) rmSync(path, { force: true });
    const { code, message, path } = error as NodeJS.ErrnoException;
    const isThere = code === 'EEXIST' && path !== folder;
    throw new EnvOptionsError(
      isThere
        ? `${path} is there already, and keys are never overwritten: name another folder`
        : `keys cannot be written to ${folder}: ${message}`,
    );
  }
  return paths;
}

/** The keys of a trainer. @throws EnvOptionsError where the file is missing, is another, or others may read it. */
export function readTrainerKeys(path: string): TrainerKeys {
  const { publicKey, secretKey, workers } = readKeys(path);
  if (isKey(publicKey) && isKey(secretKey) && Array.isArray(workers) && workers.every(isKey))
    return { publicKey, secretKey, workers };
  throw new EnvOptionsError(
    `${path} is no key file of a trainer: make one with "npx gymnasium-js-bridge keys FOLDER", which writes ` +
      `FOLDER/${TRAINER_FILE}`,
  );
}

function readKeys(path: string): Record<string, unknown> {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const { mode, size } = fstatSync(file);
    if ((mode & 0o077) !== 0)
      throw new EnvOptionsError(`${path} can be read by other users of this machine: run "chmod 600 ${path}"`);
    if (size > MAX_BYTES) return {};
    const keys: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof keys === 'object' && keys !== null ? (keys as Record<string, unknown>) : {};
  } catch (error) {
    if (error instanceof EnvOptionsError) throw error;
    if (error instanceof SyntaxError) return {};
    throw new EnvOptionsError(`the key file ${path} cannot be read: ${(error as Error).message}`);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

const Z85 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';

function isKey(value: unknown): value is string {
  return typeof value === 'string' && value.length === 40 && [...value].every((letter) => Z85.includes(letter));
}

/** The 32 bytes of a key in Z85 (ZeroMQ RFC 32), as the handshake shows it. */
export function keyBytes(key: string): Buffer {
  const bytes = Buffer.alloc(32);
  for (let word = 0; word < 8; word++) {
    let value = 0;
    for (let i = 0; i < 5; i++) value = value * 85 + Z85.indexOf(key[word * 5 + i]!);
    bytes.writeUInt32BE(value % 2 ** 32, word * 4);
  }
  return bytes;
}
