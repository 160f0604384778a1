import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * A name in the same folder (so that a rename cannot cross file systems) with the same extension (so that tools know
 * the format).
 */
function temporaryPathBeside(path: string): string {
  return join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp.${basename(path)}`);
}

/** Waits until what was written to a file, or the names in a folder, are on the disk. */
export async function syncToDisk(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Has `write` make a file beside `path`, then renames it in: `path` is the old file or the whole new one, never a part,
 * whatever happens. The temporary file is removed when `write` fails.
 */
export async function replaceFile(path: string, write: (temporaryPath: string) => Promise<void>): Promise<void> {
  const temporaryPath = temporaryPathBeside(path);
  try {
    await write(temporaryPath);
    await syncToDisk(temporaryPath);
    await rename(temporaryPath, path);
  } catch (error) {
    await rm(temporaryPath, { force: true });
    throw error;
  }
  await syncToDisk(dirname(path));
}

/** As `replaceFile`, with the temporary file opened for writing. */
export async function replaceFileWith(path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  await replaceFile(path, async (temporaryPath) => {
    const handle = await open(temporaryPath, 'wx');
    try {
      await write(handle);
    } finally {
      await handle.close();
    }
  });
}
