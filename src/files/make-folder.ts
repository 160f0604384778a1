import { existsSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FileError } from './errors.ts';

/**
 * Makes a folder and those above it, where they are missing. Node.js' own way never comes back where a file system
 * refuses with ENOENT, such as /proc, or where the working folder has been deleted.
 * @throws FileError naming the folder that could not be made, such as one in whose place there is a file.
 */
export async function makeFolder(path: string): Promise<void> {
  const missing: string[] = [];
  for (let folder = path; !existsSync(folder) && dirname(folder) !== folder; folder = dirname(folder))
    missing.push(folder);
  for (const folder of missing.reverse()) {
    try {
      await mkdir(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw new FileError(folder, 'cannot be made', error);
    }
  }
  if (!statSync(path).isDirectory()) throw new FileError(path, 'cannot be made', { code: 'EEXIST' });
}
