import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { sep } from 'node:path';

/**
 * Where a path leads, symbolic links followed, or undefined where that is not within a folder, or nowhere.
 * @param folder Its real path, as `realpath` gives it.
 */
export async function resolveInside(folder: string, path: string): Promise<string | undefined> {
  let found: string;
  try {
    found = await realpath(path);
  } catch {
    return undefined;
  }
  const within = folder.endsWith(sep) ? folder : folder + sep;
  return found === folder || found.startsWith(within) ? found : undefined;
}

/**
 * Opens an ordinary file for reading; undefined for anything else, such as a pipe, which would be waited for without
 * end, and for what is not there.
 */
export async function openOrdinaryFile(path: string): Promise<FileHandle | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if ((await handle.stat()).isFile()) return handle;
  } catch {
    // not there, or not ours to read
  }
  await handle?.close();
  return undefined;
}
