// @ts-check

// The last step in another project: its own code can import gymnasium-js-bridge, which lies inside this package. npm
// adds it to the project's package.json as a link, or it would remove it the next time that it installs anything.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { npmCommand } from './npm-packages.mjs';
import { runTool } from './tools.mjs';

const name = 'gymnasium-js-bridge';
const place = `node_modules/weightnorm-rl/node_modules/${name}`;

export const title = `${name} in package.json`;

/** @param {import('./steps.mjs').Project} project @returns {string | undefined} why there is something to do */
export function problem({ root }) {
  if (existsSync(join(root, 'node_modules', name, 'package.json'))) return undefined;
  // Other package managers have their own ways to add it.
  if (['pnpm-lock.yaml', 'yarn.lock'].some((file) => existsSync(join(root, file)))) return undefined;
  return `the project cannot import ${name}`;
}

export function preflight() {
  npmCommand();
}

/** @param {import('./steps.mjs').Project} project */
export async function run({ root }) {
  await runTool({
    root,
    tool: 'npm',
    doing: `add ${name} to package.json`,
    command: [
      ...npmCommand(),
      ...['install', '--prefix', root, '--ignore-scripts', '--no-audit', '--no-fund', `./${place}`],
    ],
  });
}
