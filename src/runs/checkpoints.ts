import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { copyFile, link, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { syncToDisk } from '../files/atomic.ts';
import { DamagedFileError } from '../files/errors.ts';
import { readJson } from '../files/json.ts';
import { RunFolderError } from './errors.ts';

/** A checkpoint in a run folder. */
export interface Checkpoint {
  /** Agent steps, or updates where there is no agent, before it. */
  readonly step: number;
  readonly path: string;
}

/** What stays when a checkpoint is written. */
export interface Kept {
  /** The newest checkpoints that stay. */
  readonly keep: number;
  /** The step of an older one that does not, where there is one. */
  readonly superseded?: number | undefined;
}

/** SHA-256 of each file of a checkpoint but this one, in hexadecimal, by its path in the folder. */
const CHECKSUMS_FILE = 'checksums.json';
/** A file that checkpoints of version 0.1.0 have, and no later one: they kept no checksums. */
const OLD_FILE = 'trainer.json';
const checksumsSchema = z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/));

/** Checkpoints of one run: `checkpoints/<step>/`, or those that are kept apart in another folder of the run. */
export class Checkpoints {
  private readonly runPath: string;
  private readonly path: string;
  private readonly what: string;

  /** @param name The folder's name in that of the run. */
  constructor(runPath: string, name: 'checkpoints' | 'best' = 'checkpoints') {
    this.runPath = runPath;
    this.path = join(runPath, name);
    this.what = name === 'best' ? 'best checkpoint' : 'checkpoint';
  }

  /** All of them, oldest first. Names that are no step count are other people's. */
  async list(): Promise<Checkpoint[]> {
    if (!existsSync(this.path)) return [];
    return (await readdir(this.path))
      .filter((name) => /^(0|[1-9]\d*)$/.test(name) && Number.isSafeInteger(Number(name)))
      .map((name) => ({ step: Number(name), path: join(this.path, name) }))
      .sort((a, b) => a.step - b.step);
  }

  /**
   * The newest whole checkpoint, or the one of a step.
   * @param step Which one; the newest where undefined.
   * @param note Hears of damaged checkpoints that were passed over.
   * @throws RunFolderError where there is none; DamagedFileError where the one that was asked for, or all are damaged.
   */
  async find(step: number | undefined, note?: (line: string) => void): Promise<Checkpoint> {
    const all = await this.list();
    if (step !== undefined) {
      const found = all.find((entry) => entry.step === step);
      if (found === undefined) {
        const known = all.map((entry) => entry.step).join(', ') || 'none';
        throw new RunFolderError(`run folder ${this.runPath} has no ${this.what} at step ${step}: there are ${known}`);
      }
      await verify(found.path);
      return found;
    }
    if (all.length === 0) throw new RunFolderError(`run folder ${this.runPath} has no ${this.what} yet`);
    let damage: unknown;
    for (const checkpoint of all.reverse()) {
      try {
        await verify(checkpoint.path);
        if (damage !== undefined) note?.(`using the checkpoint before it: ${checkpoint.path}`);
        return checkpoint;
      } catch (error) {
        if (!(error instanceof DamagedFileError)) throw error;
        note?.(`damaged checkpoint: ${error.message}`);
        damage ??= error;
      }
    }
    throw damage;
  }

  /** Renames the checkpoints after a step, for a run that goes back to it and will write them anew. */
  async setAsideAfter(step: number, note?: (line: string) => void): Promise<void> {
    for (const later of (await this.list()).filter((checkpoint) => checkpoint.step > step)) {
      let aside = `${later.path}-set-aside`;
      for (let copy = 2; existsSync(aside); copy++) aside = `${later.path}-set-aside-${copy}`;
      await rename(later.path, aside);
      note?.(`going back to step ${step}: the ${this.what} of step ${later.step} is now ${aside}`);
    }
  }

  /** Keeps a checkpoint of another folder here, and none else: its files are the same on the disk where that can be. */
  async keepOnly({ step, path }: Checkpoint): Promise<string> {
    return this.write(step, { keep: 1 }, async (folder) => {
      for (const name of await filesIn(path)) {
        await mkdir(dirname(join(folder, name)), { recursive: true });
        await link(join(path, name), join(folder, name)).catch(() => copyFile(join(path, name), join(folder, name)));
      }
    });
  }

  /**
   * Writes a checkpoint with `write`, which fills an empty folder, and renames it in: it is there whole or not at all.
   * Only then are older ones removed: the superseded one, and all but the newest `keep`. A whole one of the same step
   * stays as it is, since the state at a step is always the same.
   * @returns Its path.
   */
  async write(step: number, { keep, superseded }: Kept, write: (folder: string) => Promise<void>): Promise<string> {
    const target = join(this.path, String(step));
    await mkdir(this.path, { recursive: true });
    if (existsSync(target) && (await isWhole(target))) return target;
    for (const name of await readdir(this.path)) {
      if (name.startsWith('.tmp-')) await rm(join(this.path, name), { recursive: true, force: true });
    }
    const temporary = await mkdtemp(join(this.path, '.tmp-'));
    try {
      await write(temporary);
      const sums = await checksums(temporary);
      await writeFile(join(temporary, CHECKSUMS_FILE), `${JSON.stringify(sums, null, 2)}\n`, { flush: true });
      await syncToDisk(temporary);
      await rm(target, { recursive: true, force: true }); // a damaged one
      await rename(temporary, target);
      await syncToDisk(this.path);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
    const others = (await this.list()).filter((other) => other.step !== superseded);
    const outdated = others.slice(0, -keep).map((other) => other.path);
    if (superseded !== undefined) outdated.push(join(this.path, String(superseded)));
    for (const path of outdated) await rm(path, { recursive: true, force: true });
    return target;
  }
}

async function isWhole(path: string): Promise<boolean> {
  try {
    await verify(path);
    return true;
  } catch (error) {
    if (error instanceof DamagedFileError) return false;
    throw error;
  }
}

/** @throws DamagedFileError naming the first file that is not as it was written. */
async function verify(path: string): Promise<void> {
  const file = join(path, CHECKSUMS_FILE);
  if (!existsSync(file)) {
    if (existsSync(join(path, OLD_FILE))) return;
    throw new DamagedFileError(file, 'it is missing');
  }
  const expected = await readJson(file, checksumsSchema);
  const found = await checksums(path);
  const foreign = Object.keys(found).find((name) => !(name in expected));
  if (foreign !== undefined) throw new DamagedFileError(join(path, foreign), `${CHECKSUMS_FILE} does not list it`);
  for (const [name, sum] of Object.entries(expected)) {
    if (found[name] === sum) continue;
    const problem = found[name] === undefined ? 'it is missing' : 'its content has changed since it was written';
    throw new DamagedFileError(join(path, name), `${problem} (SHA-256)`);
  }
}

/** The files of a checkpoint whose sums are kept, by their paths in its folder, sorted. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((name) => name !== CHECKSUMS_FILE)
    .sort();
}

async function checksums(folder: string): Promise<Record<string, string>> {
  const sums: Record<string, string> = {};
  for (const name of await filesIn(folder)) {
    const hash = createHash('sha256');
    // In parts: Node.js reads no whole file above 2 GiB.
    for await (const part of createReadStream(join(folder, name), { highWaterMark: 1 << 20 })) hash.update(part);
    sums[name] = hash.digest('hex');
  }
  return sums;
}
