import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project folder, from sources and from `dist` alike. */
export const projectFolder = findProjectFolder(dirname(fileURLToPath(import.meta.url)));

/** Where the Python peers lie; they are not compiled. */
export const peersFolder = join(projectFolder, 'scripts/benchmark/peers');

function findProjectFolder(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : findProjectFolder(dirname(folder));
}
