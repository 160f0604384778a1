import { join } from 'node:path';
import { packageFolder } from '../../src/files/package-folder.ts';

/** The project folder, from sources and from `dist` alike. */
export const projectFolder = packageFolder();

/** Where the Python peers lie; they are not compiled. */
export const peersFolder = join(projectFolder, 'scripts/benchmark/peers');
