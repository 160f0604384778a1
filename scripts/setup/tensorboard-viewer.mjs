// @ts-check

// The step that is done only where it is asked for: TensorBoard's viewer, in an environment of its own beside `.venv`.

import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkDiskSpace } from './faults.mjs';
import { requirementsFolder } from './place.mjs';
import { findPython, pipInstall } from './python.mjs';
import { runTool } from './tools.mjs';

export const title = 'TensorBoard';

const neededBytes = 0.3e9;

/** @param {string} root */
const folderOf = (root) => join(root, '.tensorboard');
/** @param {string} root */
const stampPath = (root) => join(folderOf(root), 'setup-stamp.json');
/** @param {string} root */
const requirementsPath = (root) => join(requirementsFolder(root), 'requirements-tensorboard.txt');

/** What the environment, where it lies, was made from: it cannot be moved. @param {string} root */
function stampOf(root) {
  const requirements = createHash('sha256')
    .update(readFileSync(requirementsPath(root)))
    .digest('hex');
  const interpreter = realpathSync(join(folderOf(root), 'bin/python'));
  return JSON.stringify({ requirements, interpreter, folder: realpathSync(folderOf(root)) });
}

/** @param {import('./steps.mjs').Project} project @returns {string | undefined} why there is something to do */
export function problem({ root }) {
  try {
    return readFileSync(stampPath(root), 'utf8') === stampOf(root) ? undefined : '.tensorboard is out of date';
  } catch {
    return '.tensorboard is missing or incomplete';
  }
}

/** @param {import('./steps.mjs').Project} project */
export function preflight({ root }) {
  findPython(root);
  checkDiskSpace(root, neededBytes, 'TensorBoard');
}

/**
 * @param {import('./steps.mjs').Project} project
 * @param {import('./progress.mjs').StepProgress} progress
 */
export async function run({ root }, progress) {
  const folder = folderOf(root);
  rmSync(folder, { recursive: true, force: true });
  const command = [findPython(root), '-I', '-m', 'venv', folder];
  await runTool({ root, tool: 'Python', doing: 'make the environment .tensorboard', command });
  writeFileSync(join(folder, '.gitignore'), '*\n');
  await pipInstall(root, 'install TensorBoard', ['-r', requirementsPath(root)], progress, folder);
  writeFileSync(stampPath(root), stampOf(root));
}
