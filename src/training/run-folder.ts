import { closeSync, existsSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFileWith, syncToDisk } from '../files/atomic.ts';
import { DamagedFileError } from '../files/errors.ts';

/** The run folder cannot be used as asked; the message is one line that says how to mend it. */
export class RunFolderError extends Error {
  override readonly name = 'RunFolderError';
}

/**
 * The folder of one run: `config.json`, `metrics.jsonl`, TensorBoard events, `checkpoints/<step>/`, and what its kind of run adds. A step is an agent step, or an update where there is no
 * agent. One process writes in it at a time.
 */
export class RunFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** A new run: makes the folder and writes its config. Refuses a folder that has anything in it. */
  static async create(path: string, config: unknown): Promise<RunFolder> {
    if (existsSync(path) && (await listFolder(path)).length > 0) {
      throw new RunFolderError(
        `run folder ${path} is not empty: continue its run with --resume, or name another folder with --run-dir`,
      );
    }
    await mkdir(path, { recursive: true });
    const folder = new RunFolder(path);
    folder.lock();
    await replaceFileWith(folder.configPath, async (file) => {
      await file.writeFile(`${JSON.stringify(config, null, 2)}\n`);
    });
    return folder;
  }

  /** The folder of an existing run, for reading. */
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

  private get checkpointsPath(): string {
    return join(this.path, 'checkpoints');
  }

  private get lockPath(): string {
    return join(this.path, 'run.lock');
  }

  async readConfig(): Promise<unknown> {
    try {
      return JSON.parse(await readFile(this.configPath, 'utf8'));
    } catch (error) {
      throw new DamagedFileError(this.configPath, `it is not JSON (${(error as Error).message})`);
    }
  }

  /** Keeps a second training process out until `unlock`, or until this process is gone. */
  lock(): void {
    for (let attempt = 0; ; attempt++) {
      try {
        const file = openSync(this.lockPath, 'wx');
        writeSync(file, processIdentity(process.pid)!);
        closeSync(file);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 2) throw error;
        const holder = readFileSync(this.lockPath, 'utf8');
        const pid = Number.parseInt(holder, 10);
        if (processIdentity(pid) === holder) {
          throw new RunFolderError(`run folder ${this.path} is in use by process ${pid}: wait for it, or end it`);
        }
        rmSync(this.lockPath, { force: true });
      }
    }
  }

  unlock(): void {
    rmSync(this.lockPath, { force: true });
  }

  /** Complete checkpoints, oldest first. */
  async checkpoints(): Promise<{ step: number; path: string }[]> {
    const names = existsSync(this.checkpointsPath) ? await listFolder(this.checkpointsPath) : [];
    return names
      .filter((name) => /^\d+$/.test(name))
      .map((name) => ({ step: Number(name), path: join(this.checkpointsPath, name) }))
      .sort((a, b) => a.step - b.step);
  }

  /** The newest checkpoint, or the one of the given step. */
  async checkpoint(step?: number): Promise<{ step: number; path: string }> {
    const all = await this.checkpoints();
    const found = step === undefined ? all.at(-1) : all.find((entry) => entry.step === step);
    if (found !== undefined) return found;
    if (step === undefined) throw new RunFolderError(`run folder ${this.path} has no checkpoint yet`);
    const known = all.map((entry) => entry.step).join(', ') || 'none';
    throw new RunFolderError(`run folder ${this.path} has no checkpoint at step ${step}: there are ${known}`);
  }

  /**
   * Writes a checkpoint with `write`, which fills an empty folder, and renames it in: it is there whole or not at all. Only then are older ones removed,
   * but for the newest `keep`.
   */
  async writeCheckpoint(step: number, keep: number, write: (folder: string) => Promise<void>): Promise<string> {
    const target = join(this.checkpointsPath, String(step));
    await mkdir(this.checkpointsPath, { recursive: true });
    for (const name of await listFolder(this.checkpointsPath)) {
      if (name.startsWith('.tmp-')) await rm(join(this.checkpointsPath, name), { recursive: true, force: true });
    }
    const temporary = await mkdtemp(join(this.checkpointsPath, '.tmp-'));
    try {
      await write(temporary);
      await syncToDisk(temporary);
      if (existsSync(target)) await rm(target, { recursive: true });
      await rename(temporary, target);
      await syncToDisk(this.checkpointsPath);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
    for (const { path } of (await this.checkpoints()).slice(0, -keep)) await rm(path, { recursive: true, force: true });
    return target;
  }
}

async function listFolder(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    throw new RunFolderError(`${path} cannot be read as a folder (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** A process's id and when it started (ids are used again), or undefined where there is none. */
function processIdentity(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const startTicks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]; // field 22, after the name
    return `${pid} ${startTicks}`;
  } catch {
    return undefined;
  }
}
