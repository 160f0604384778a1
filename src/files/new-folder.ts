import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { syncToDisk } from './atomic.ts';
import { FileError, withFile } from './errors.ts';

/**
 * Has `write` fill an empty folder beside `path`, then renames it in: at `path` there is nothing or the whole folder,
 * whatever happens. The temporary folder is removed when `write` fails.
 * @throws FileError where something of that name is there already, before anything is written, and where the folder
 *   that it is to be in is none.
 */
export async function writeNewFolder(path: string, write: (temporaryFolder: string) => Promise<void>): Promise<void> {
  checkNewFolder(path);
  const target = resolve(path); // a name may end in a slash
  const temporary = join(dirname(target), `.${randomBytes(6).toString('hex')}.tmp.${basename(target)}`);
  await withFile(path, 'cannot be written', () => mkdir(temporary));
  try {
    await write(temporary);
    for (const name of await readdir(temporary, { recursive: true })) await syncToDisk(join(temporary, name));
    await syncToDisk(temporary);
    checkNewFolder(path);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  await syncToDisk(dirname(target));
}

/** @throws FileError where a new folder cannot be made at `path`: for who wants to know before the work. */
export function checkNewFolder(path: string): void {
  if (existsSync(path)) throw new FileError(path, 'cannot be made', { code: 'EEXIST' });
  const parent = dirname(resolve(path));
  const code = statSync(parent, { throwIfNoEntry: false })?.isDirectory() ? undefined : 'ENOENT';
  if (code !== undefined) throw new FileError(parent, 'is to hold a new folder', { code });
}
