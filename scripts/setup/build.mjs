// @ts-check

// Step 4: `dist/` and `envs/dist/`, the TypeScript sources compiled; `dist/viewer`, the page of view-runs.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupFault, ToolFailure } from './faults.mjs';
import { runTool } from './tools.mjs';

/**
 * Each source folder with the folder that its output goes to, as in the tsconfig files.
 * @type {[string, string][]}
 */
const folders = [
  ['src', 'dist/src'],
  ['agents', 'dist/agents'],
  ['scripts', 'dist/scripts'],
  ['envs/src', 'envs/dist'],
];
/** What runs in a browser is bundled. */
const pageFolder = 'src/viewer/page';
const builtPage = 'dist/viewer/index.html';
const settings = [
  'tsconfig.json',
  'tsconfig.base.json',
  'envs/tsconfig.json',
  'node_modules/typescript/package.json',
  'node_modules/vite/package.json',
  'node_modules/uplot/package.json',
];

export const title = 'TypeScript build';

/** @param {import('./steps.mjs').Project} project @returns {string | undefined} why there is something to do */
export function problem({ root }) {
  if (!existsSync(join(root, 'src'))) return undefined;
  const sources = findSources(root);
  if (!existsSync(stampPath(root)) || readFileSync(stampPath(root), 'utf8') !== sign(root, sources))
    return 'the sources have changed';
  const outputs = [...sources.map(({ output }) => output), ...(hasPage(root) ? [builtPage] : [])];
  const gone = outputs.find((output) => !existsSync(join(root, output)));
  return gone && `${gone} is missing`;
}

export function preflight() {}

/** @param {import('./steps.mjs').Project} project */
export async function run({ root, force }) {
  const sources = findSources(root);
  const before = sign(root, sources);
  // tsc trusts its own record of what it has written, so it must be told when output is gone.
  const anew = force || sources.some(({ output }) => !existsSync(join(root, output)));
  rmSync(stampPath(root), { force: true });
  try {
    await runTool({
      root,
      tool: 'tsc',
      doing: 'compile the TypeScript sources',
      command: [process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '-b', ...(anew ? ['--force'] : [])],
    });
  } catch (error) {
    const errors = error instanceof ToolFailure ? (error.output.match(/^.+: error TS.+$/gm) ?? []) : [];
    if (errors.length === 0) throw error;
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
    throw new SetupFault(
      `The TypeScript sources do not compile: ${errors[0]}${more}. Run "npm run typecheck" to see it all.`,
    );
  }
  removeStaleOutput(root, sources);
  if (hasPage(root)) await buildPage(root);
  // Sources that changed meanwhile make this stamp stale, as they should.
  writeFileSync(stampPath(root), before);
}

/** @param {string} root */
const hasPage = (root) => existsSync(join(root, pageFolder, 'index.html'));

/** @param {string} root */
async function buildPage(root) {
  const config = join(root, pageFolder, 'vite.config.mjs');
  await runTool({
    root,
    tool: 'vite',
    doing: 'bundle the page of view-runs',
    command: [process.execPath, join(root, 'node_modules/vite/bin/vite.js'), 'build', '--config', config],
  });
}

/**
 * tsc leaves the output of sources that are gone, and `npm pack` would take it along.
 * @param {string} root
 * @param {{ output: string }[]} sources
 */
function removeStaleOutput(root, sources) {
  const current = new Set(sources.map(({ output }) => output));
  for (const [, to] of folders) {
    for (const name of findFiles(join(root, to), /\.(js|js\.map|d\.ts)$/)) {
      const output = join(to, name.replace(/\.(js|js\.map|d\.ts)$/, '.js'));
      if (!current.has(output)) rmSync(join(root, to, name));
    }
  }
}

/** @param {string} root */
const stampPath = (root) => join(root, 'dist/setup-stamp.txt');

/** @param {string} root @returns {{ path: string, output: string }[]} relative to the root */
function findSources(root) {
  return folders.flatMap(([from, to]) =>
    findFiles(join(root, from), /(?<!\.d)\.ts$/)
      .filter((name) => !join(from, name).startsWith(pageFolder))
      .sort()
      .map((name) => ({
        path: join(from, name),
        output: join(to, name.replace(/ts$/, 'js')),
      })),
  );
}

/**
 * @param {string} folder
 * @param {RegExp} wanted
 * @returns {string[]} relative to the folder. (readdir's own `recursive` came with Node.js 20.1.)
 */
function findFiles(folder, wanted) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return findFiles(join(folder, entry.name), wanted).map((name) => join(entry.name, name));
    return wanted.test(entry.name) ? [entry.name] : [];
  });
}

/** @param {string} root @param {{ path: string }[]} sources */
function sign(root, sources) {
  const hash = createHash('sha256');
  const page = findFiles(join(root, pageFolder), /./).sort();
  const paths = [...settings, ...sources.map(({ path }) => path), ...page.map((name) => join(pageFolder, name))];
  for (const path of paths) {
    const stat = statSync(join(root, path), { throwIfNoEntry: false });
    hash.update(`${path}:${stat?.size}:${stat?.mtimeMs}\n`);
  }
  return hash.digest('hex');
}
