import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { Generator } from '../../src/random/index.ts';

/** A folder that is removed after the file's tests. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'supervised-data-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Bytes from 0 to 255, the same for the same seed. */
export function randomBytes(length: number, seed: number): Uint8Array {
  const generator = new Generator(seed, 'bytes');
  return Uint8Array.from({ length }, () => generator.integer(256));
}

/** A file of CIFAR-10's layout. */
export function cifarRecords(records: number, seed: number): Uint8Array {
  const bytes = randomBytes(records * 3073, seed);
  for (let record = 0; record < records; record++) bytes[record * 3073] %= 10;
  return bytes;
}

/** Runs the system's tar. */
export function tar(...args: string[]): void {
  execFileSync('tar', args, { stdio: 'pipe' });
}

/** The message of the error that a promise fails with. */
export async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it did not fail');
}
