// @ts-check

// Where this package lies: a clone, which is its own project, or a copy that npm has installed in another project.

import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of this package. */
export const packageRoot = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

export const isInstalled = basename(dirname(packageRoot)) === 'node_modules';

/** What to type to set up. */
export const setupCommand = isInstalled ? 'npx weightnorm-rl setup' : 'npm run setup';

/** What to type to set up with options. */
export const setupCommandWith = (/** @type {string} */ options) =>
  isInstalled ? `${setupCommand} ${options}` : `${setupCommand} -- ${options}`;

/**
 * The folder that is set up: the clone, or the nearest one upward from the working folder that has this package.
 * @returns {string | undefined}
 */
export function findProject() {
  if (!isInstalled) return packageRoot;
  for (let folder = resolve('.'); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'node_modules/weightnorm-rl/package.json'))) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}

/** The folder of the lists of Python packages. @param {string} root of the project */
export const requirementsFolder = (root) => join(isInstalled ? packageRoot : root, 'scripts/setup');
