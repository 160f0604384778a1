// @ts-check

// The step that is done only where it is asked for: MinAtar's games in `.venv`.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { requirementsFolder } from './place.mjs';
import { pipInstall, sitePackages } from './python.mjs';

export const title = 'MinAtar';

/** @param {string} root */
const requirementsPath = (root) => join(requirementsFolder(root), 'requirements-minatar.txt');

/** @param {import('./steps.mjs').Project} project @returns {string | undefined} why there is something to do */
export function problem({ root }) {
  const [, version] = /^minatar==(\S+)/.exec(readFileSync(requirementsPath(root), 'utf8')) ?? [];
  try {
    if (existsSync(join(sitePackages(root), `MinAtar-${version}.dist-info`))) return undefined;
  } catch {
    // There is no .venv yet.
  }
  return `MinAtar ${version} is missing`;
}

export function preflight() {}

/**
 * @param {import('./steps.mjs').Project} project
 * @param {import('./progress.mjs').StepProgress} progress
 */
export async function run({ root }, progress) {
  await pipInstall(root, 'install MinAtar', ['--no-deps', '-r', requirementsPath(root)], progress);
}
