// @ts-check

// Step 1: node_modules holds what package-lock.json says.

import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { checkDiskSpace, SetupFault } from './faults.mjs';
import { findProgram, runTool } from './tools.mjs';

const neededBytes = 1.1e9;

export const title = 'npm packages';

/**
 * npm writes its own record into node_modules as the last act of an installation, so that record is the stamp: it
 * disappears with the folder, is missing after an interruption, and a user's own `npm install` counts as well.
 *
 * @param {import('./steps.mjs').Project} project
 * @returns {string | undefined} why there is something to do
 */
export function problem({ root }) {
  const wanted = readPackages(join(root, 'package-lock.json'));
  if (!wanted) return undefined;
  const present = readPackages(recordPath(root));
  if (!present) return 'node_modules is missing or incomplete';
  for (const [path, entry] of Object.entries(wanted)) {
    const there = present[path];
    // Packages for other platforms are optional, and absent.
    if (
      path !== '' &&
      (there ? there.version !== entry.version || there.integrity !== entry.integrity : !entry.optional)
    ) {
      return `${path} is not as package-lock.json says`;
    }
  }
  const gone = Object.keys(present).find((path) => !existsSync(join(root, path, 'package.json')));
  return gone && `${gone} is missing`;
}

/** @param {import('./steps.mjs').Project} project */
export function preflight({ root }) {
  checkLockFile(root);
  checkDiskSpace(root, neededBytes, 'the npm packages');
  npmCommand();
}

/**
 * @param {import('./steps.mjs').Project} project
 * @param {import('./progress.mjs').StepProgress} progress
 */
export async function run({ root }, progress) {
  const total = Object.values(readPackages(join(root, 'package-lock.json')) ?? {}).filter(
    (entry) => !entry.optional,
  ).length;
  let fetched = 0;
  rmSync(recordPath(root), { force: true });
  const folder = join(root, 'node_modules');
  // Its contents only: in a container the folder itself may be a mount.
  for (const name of existsSync(folder) ? readdirSync(folder) : []) rmSync(join(folder, name), { recursive: true });
  await runTool({
    root,
    tool: 'npm',
    doing: 'install the npm packages',
    // Not `npm ci`: npm 11 refuses a lock file without the packages of platforms that a registry mirror does not carry.
    // The development packages hold the compiler, so they come along whatever NODE_ENV says.
    command: [
      ...npmCommand(),
      ...['install', '--no-save', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund', '--loglevel=http'],
    ],
    onLine: (line) => {
      if (/^npm http (fetch|cache)/.test(line)) fetched++;
      progress.detail(fetched < total ? `${fetched} of about ${total} packages fetched` : 'unpacking');
    },
  });
}

/**
 * `npm install` would quietly install something else than the lock file says where package.json asks for it.
 * @param {string} root
 */
function checkLockFile(root) {
  const locked = readPackages(join(root, 'package-lock.json')) ?? {};
  for (const folder of Object.keys(locked).filter((path) => !path.includes('node_modules'))) {
    const wanted = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    for (const kind of /** @type {const} */ (['dependencies', 'devDependencies', 'peerDependencies'])) {
      if (!isDeepStrictEqual(wanted[kind] ?? {}, locked[folder]?.[kind] ?? {})) {
        throw new SetupFault(
          `${join(folder, 'package.json')} and package-lock.json name different ${kind}: run "npm install".`,
        );
      }
    }
  }
}

/** @param {string} root */
const recordPath = (root) => join(root, 'node_modules/.package-lock.json');

/** @returns {string[]} how to call npm */
export function npmCommand() {
  const beside = join(dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js');
  for (const script of [process.env.npm_execpath ?? '', beside]) {
    if (basename(script) === 'npm-cli.js' && existsSync(script)) return [process.execPath, script];
  }
  const npm = findProgram('npm');
  if (npm) return [npm];
  throw new SetupFault(
    'npm is missing: install it with Node.js (for example "nvm install 22") and run the command again.',
  );
}

/**
 * @typedef {object} LockedPackage
 * @property {string} [version]
 * @property {string} [integrity]
 * @property {boolean} [optional]
 * @property {boolean} [link]
 * @property {Record<string, string>} [dependencies]
 * @property {Record<string, string>} [devDependencies]
 * @property {Record<string, string>} [peerDependencies]
 */

/** @param {string} path @returns {Record<string, LockedPackage> | undefined} */
export function readPackages(path) {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch {
    if (basename(path).startsWith('.')) return undefined; // Half-written by an interrupted npm: not there.
    throw new SetupFault(`${path} is damaged: restore it with "git checkout package-lock.json".`);
  }
}
