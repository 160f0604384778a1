import { existsSync } from 'node:fs';
import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFileWith } from '../files/atomic.ts';
import { DamagedFileError, FileError, isSystemError, withFile } from '../files/errors.ts';
import { makeFolder } from '../files/make-folder.ts';
import { type Checkpoint, Checkpoints, type Kept } from './checkpoints.ts';
import { parseDescription, type RunDescription } from './description.ts';
import { RunFolderError } from './errors.ts';
import { checkLock, lockRun, unlockRun } from './lock.ts';
import { type LoopState, writeState } from './state.ts';
import type { Trainable } from './trainable.ts';

/**
 * The folder of one run: `config.json`, `metrics.jsonl`, `checkpoints/<step>/`, TensorBoard's events, recordings,
 * pictures. A step is an agent step, or an update where there is no agent. One process writes in it at a time.
 */
export class RunFolder {
  readonly path: string;
  readonly checkpoints: Checkpoints;
  /** The checkpoint of the best evaluation so far, `best/<step>/`. */
  readonly best: Checkpoints;

  private constructor(path: string) {
    this.path = path;
    this.checkpoints = new Checkpoints(path);
    this.best = new Checkpoints(path, 'best');
  }

  /**
   * A new run: makes the folder, locks it and writes its description.
   * @throws RunFolderError for a folder that has anything in it, and where nothing can be written.
   */
  static async create(path: string, description: RunDescription): Promise<RunFolder> {
    if (existsSync(path) && (await listFolder(path)).length > 0) {
      throw new RunFolderError(
        `run folder ${path} is not empty: continue its run with --resume, or name another folder with --run-dir`,
      );
    }
    const folder = new RunFolder(path);
    try {
      await makeFolder(path);
      folder.lock();
      await replaceFileWith(folder.configPath, async (file) => {
        await file.writeFile(`${JSON.stringify(description, null, 2)}\n`);
      });
    } catch (error) {
      if (error instanceof FileError) throw new RunFolderError(error.message);
      throw isSystemError(error)
        ? new RunFolderError(new FileError(path, 'a run cannot be written there', error).message)
        : error;
    }
    return folder;
  }

  /**
   * The folder of an existing run.
   * @throws RunFolderError where there is none.
   */
  static open(path: string): RunFolder {
    const folder = new RunFolder(path);
    if (!existsSync(path)) throw new RunFolderError(`run folder ${path} does not exist`);
    if (!existsSync(folder.configPath)) {
      throw new RunFolderError(`${path} is not the folder of a run: it has no config.json`);
    }
    return folder;
  }

  get configPath(): string {
    return join(this.path, 'config.json');
  }

  get metricsPath(): string {
    return join(this.path, 'metrics.jsonl');
  }

  get recordingsPath(): string {
    return join(this.path, 'recordings');
  }

  get picturesPath(): string {
    return join(this.path, 'pictures');
  }

  get tensorBoardPath(): string {
    return join(this.path, 'tensorboard');
  }

  /** What the run is. @throws DamagedFileError for a config.json that does not say. */
  async describe(): Promise<RunDescription> {
    let value: unknown;
    try {
      value = JSON.parse(await readFile(this.configPath, 'utf8'));
    } catch (error) {
      throw new DamagedFileError(this.configPath, `it is not JSON (${(error as Error).message})`);
    }
    return parseDescription(value, this.configPath);
  }

  /** Keeps other processes from writing here. @throws RunFolderError where one does, as `lockRun`. */
  lock(options?: Parameters<typeof lockRun>[1]): void {
    lockRun(this.path, options);
  }

  /** Lets other processes write here again, where this one has the lock. */
  unlock(): void {
    unlockRun(this.path);
  }

  /**
   * Writes a checkpoint of what is trained and of the loop.
   * @param kept `keep`: the newest checkpoints that stay; `superseded`: the step of one that does not.
   * @returns Its path.
   * @throws DivergedError where a number of the state is not finite; RunFolderError where another process has taken the
   *   folder over.
   */
  writeCheckpoint(
    step: number,
    kept: Kept,
    {
      trainable,
      loop,
      saveExtras,
    }: {
      trainable: Pick<Trainable, 'getState'>;
      loop: LoopState;
      saveExtras?: ((folder: string) => Promise<void>) | undefined;
    },
  ): Promise<string> {
    checkLock(this.path);
    return withFile(this.path, 'the checkpoint cannot be written', () =>
      this.checkpoints.write(step, kept, async (temporary) => {
        await writeState(temporary, trainable.getState(), loop);
        await saveExtras?.(temporary);
      }),
    );
  }

  /** Keeps a checkpoint as that of the best evaluation, in place of the one before. */
  async keepBest(checkpoint: Checkpoint): Promise<void> {
    await withFile(this.path, 'the best checkpoint cannot be written', () => this.best.keepOnly(checkpoint));
  }

  /** Removes what `create` made, for a run that failed before its first step; files of others stay. */
  async discard(): Promise<void> {
    for (const path of [this.configPath, this.metricsPath, this.tensorBoardPath, this.picturesPath]) {
      await rm(path, { recursive: true, force: true });
    }
    this.unlock();
    await rmdir(this.path).catch(() => {}); // not empty: something of the user's lies in it
  }
}

/** The names in a folder. @throws RunFolderError where it cannot be read as one. */
export async function listFolder(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    throw new RunFolderError(`${path} cannot be read as a folder (${(error as NodeJS.ErrnoException).code})`);
  }
}
