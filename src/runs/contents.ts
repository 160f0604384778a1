// What lies in a run's folder beside its numbers, for those who look at it.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { resolveInside } from '../files/inside.ts';
import type { Checkpoint } from './checkpoints.ts';
import type { RunFolder } from './folder.ts';

/** A file in a run's folder. */
export interface RunFile {
  readonly name: string;
  readonly bytes: number;
  readonly changedMs: number;
}

export interface CheckpointSize {
  readonly step: number;
  /** All its files together. */
  readonly bytes: number;
  readonly isNewest: boolean;
  /** Whether it is the one of the best evaluation, which is kept apart. */
  readonly isBest: boolean;
}

/**
 * The ordinary files of a run with one of some extensions, by name; none of them lies outside its folder.
 * @param run The real path of the run's folder.
 * @param part The folder in it, such as `pictures`.
 */
export async function listRunFiles(run: string, part: string, extensions: readonly string[]): Promise<RunFile[]> {
  const folder = join(run, part);
  const names = await readdir(folder).catch(() => []);
  const files = await Promise.all(
    names
      .filter((name) => extensions.some((extension) => name.endsWith(extension)))
      .map(async (name): Promise<RunFile | undefined> => {
        const path = await resolveInside(run, join(folder, name));
        const found = path === undefined ? undefined : await stat(path).catch(() => undefined);
        return found?.isFile() ? { name, bytes: found.size, changedMs: found.mtimeMs } : undefined;
      }),
  );
  return files.filter((file) => file !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The checkpoints of a run with their sizes, oldest first; that of the best evaluation last.
 * @param run The real path of its folder.
 */
export async function listCheckpointSizes(
  run: string,
  { checkpoints, best }: Pick<RunFolder, 'checkpoints' | 'best'>,
): Promise<CheckpointSize[]> {
  const [all, kept] = [await checkpoints.list().catch(() => []), await best.list().catch(() => [])];
  const newest = all.at(-1)?.step;
  const sized = async ({ step, path }: Checkpoint, isBest: boolean) => ({
    step,
    bytes: await folderBytes(await resolveInside(run, path)),
    isNewest: !isBest && step === newest,
    isBest,
  });
  return Promise.all([...all.map((one) => sized(one, false)), ...kept.map((one) => sized(one, true))]);
}

async function folderBytes(path: string | undefined): Promise<number> {
  if (path === undefined) return 0;
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map((entry) => stat(join(entry.parentPath, entry.name)).then(({ size }) => size));
  return (await Promise.allSettled(sizes)).reduce((sum, one) => sum + (one.status === 'fulfilled' ? one.value : 0), 0);
}
