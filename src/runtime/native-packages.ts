// The npm packages that training needs and a browser does not: in a clone npm has installed them like any other; in
// another project `npx weightnorm-rl setup` installs them into `.setup/node_modules`.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(import.meta.url);
const isInstalled = here.includes('/node_modules/weightnorm-rl/');

/** What to type to install and compile what is missing. */
export function setupCommand(option?: '--force'): string {
  const command = isInstalled ? 'npx weightnorm-rl setup' : 'npm run setup';
  if (option === undefined) return command;
  return isInstalled ? `${command} ${option}` : `${command} -- ${option}`;
}

/** What to type to run a command of ours with these arguments, which are to be quoted for a shell already. */
export function commandLine(name: string, args: string): string {
  return isInstalled ? `npx weightnorm-rl ${name} ${args}` : `npm run ${name} -- ${args}`;
}

/** A program in `scripts/setup` of this package, from its sources and from `dist`. */
export function setupScript(name: 'minatar.mjs' | 'tensorboard.mjs' | 'ray.mjs'): string {
  const scripts = ['../../scripts/setup', '../../../scripts/setup'].map((path) => join(dirname(here), path, name));
  return scripts.find((script) => existsSync(script))!;
}

/** `require` for such packages: from the nearest `.setup` upward from this package, then from the working folder. */
export const requireNative = createRequire(
  (isInstalled && (setupFolderAbove(dirname(here)) ?? setupFolderAbove(process.cwd()))) || here,
);

function setupFolderAbove(folder: string): string | undefined {
  for (let current = folder; ; current = dirname(current)) {
    if (existsSync(join(current, '.setup/node_modules'))) return join(current, '.setup/index.js');
    if (current === dirname(current)) return undefined;
  }
}
