import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeGivenFolder, UsageError } from '../../src/cli/index.ts';
import { replaceFileWith } from '../../src/files/atomic.ts';

/**
 * Makes sure that results may be written to a folder: it is new, empty, or holds nothing but files of these names,
 * which an earlier call wrote and the same command writes again.
 * @throws UsageError naming a file that is in the way.
 */
export async function prepareResultsFolder(path: string, names: readonly string[]): Promise<void> {
  if (existsSync(path)) {
    const foreign = (await listFolder(path)).filter((name) => !names.includes(name));
    if (foreign.length > 0) {
      throw new UsageError(`--out ${path} holds other files (${foreign[0]}): name a new folder, or empty this one`);
    }
  }
  await makeGivenFolder('--out', path);
}

/** Writes the files, each whole or not at all. Returns their paths. */
export async function writeResults(path: string, files: Readonly<Record<string, string>>): Promise<string[]> {
  const paths: string[] = [];
  for (const [name, content] of Object.entries(files)) {
    const file = join(path, name);
    await replaceFileWith(file, (handle) => handle.writeFile(content));
    paths.push(file);
  }
  return paths;
}

async function listFolder(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    throw new UsageError(
      `--out ${path} cannot be read as a folder (${(error as NodeJS.ErrnoException).code}): name another folder`,
    );
  }
}
