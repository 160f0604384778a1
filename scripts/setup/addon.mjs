// @ts-check

// Step 3: the native addon of @tensorflow/tfjs-node-gpu, compiled against the TensorFlow inside `.venv`.

import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupFault } from './faults.mjs';
import { setupCommandWith } from './place.mjs';
import { sitePackages } from './python.mjs';
import { findProgram, runTool } from './tools.mjs';

/** The package looks for its addon in a folder named after this. */
const nodeApiVersion = 8;
const addonFolder = `lib/napi-v${nodeApiVersion}`;
const libraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];
const flags = ['-std=c++17', '-O2', '-fPIC', `-DNAPI_VERSION=${nodeApiVersion}`];

export const title = 'TensorFlow addon';

/** @param {import('./steps.mjs').Project} project @returns {string | undefined} why there is something to do */
export function problem({ root }) {
  const places = findPlaces(root);
  if (typeof places === 'string') return places;
  const stamp = readStamp(places);
  if (!stamp || !existsSync(places.addon)) return 'the addon is not compiled yet';
  const { size, mtimeMs } = statSync(places.addon);
  if (stamp.size !== size || stamp.mtimeMs !== mtimeMs) return 'the addon file is not the one that was compiled';
  return stamp.signature === sign(places) ? undefined : 'TensorFlow, Node-API or the sources have changed';
}

export function preflight() {
  findCompiler();
}

/** @param {import('./steps.mjs').Project} project */
export async function run({ root }) {
  const places = findPlaces(root);
  if (typeof places === 'string') throw new SetupFault(`${places}: run "${setupCommandWith('--force')}".`);
  const { packageFolder, headers, tensorflow, addon } = places;
  const compiler = findCompiler();
  rmSync(stampPath(places), { force: true });
  mkdirSync(dirname(addon), { recursive: true });

  // Linking needs only the libraries' names. Empty libraries of the same names save reading 850 MB (9 s, 0.9 GB of
  // memory); that every symbol is there is checked below, by loading the addon.
  const stubs = libraries.map((name) => join(root, '.setup/tmp', name));
  const compile = (/** @type {string[]} */ args) =>
    runTool({
      root,
      tool: /** @type {string} */ (compiler.at(-1)),
      doing: 'compile the TensorFlow addon',
      command: [...compiler, ...args],
    });
  for (const [i, stub] of stubs.entries()) {
    await compile(['-shared', '-x', 'c++', '/dev/null', '-o', stub, `-Wl,-soname,${libraries[i]}`]);
  }

  const sources = sourceFiles(places).filter((path) => path.endsWith('.cc'));
  const include = [headers, packageFolder, join(packageFolder, 'binding'), join(tensorflow, 'include')];
  // Relative to the addon, so that it survives a move of the project folder.
  const runPath = `$ORIGIN/${relative(dirname(addon), tensorflow)}`;
  const fresh = join(dirname(addon), `fresh.${process.pid}.node`);
  await compile([
    ...flags,
    ...include.flatMap((folder) => ['-I', folder]),
    '-shared',
    ...sources,
    ...['-o', fresh, '-Wl,--no-as-needed', ...stubs, '-Xlinker', '-rpath', '-Xlinker', runPath],
  ]);
  await runTool({
    root,
    tool: 'Node.js',
    doing: 'load the TensorFlow addon',
    command: [process.execPath, '-p', `require(${JSON.stringify(fresh)}).TF_Version`],
    env: { LD_BIND_NOW: '1', CUDA_VISIBLE_DEVICES: '' },
  });

  renameSync(fresh, addon);
  for (const name of readdirSync(dirname(addon))) {
    if (/^fresh\.\d+\.node$/.test(name)) rmSync(join(dirname(addon), name));
  }
  writeStamp(places);
}

/**
 * @typedef {object} Places
 * @property {string} packageFolder the npm package that the addon belongs to
 * @property {string} headers of Node-API
 * @property {string} tensorflow inside the Python environment
 * @property {string} tensorflowVersion the name of the Python package with its version
 * @property {string} addon the file to make
 */

/** @param {string} root @returns {Places | string} or what is missing */
export function findPlaces(root) {
  const packageFolder = findPackage(root, '@tensorflow/tfjs-node-gpu');
  if (!packageFolder) return 'the npm package @tensorflow/tfjs-node-gpu is missing';
  const headers = findPackage(root, 'node-api-headers');
  if (!headers) return 'the npm package node-api-headers is missing';
  let packages;
  try {
    packages = sitePackages(root);
    const tensorflow = realpathSync(join(packages, 'tensorflow'));
    const tensorflowVersion = readdirSync(packages).find((name) => /^tensorflow(_cpu)?-[\d.]+\.dist-info$/.test(name));
    if (!tensorflowVersion || !libraries.every((name) => existsSync(join(tensorflow, name)))) throw new Error();
    return {
      packageFolder,
      headers: join(headers, 'include'),
      tensorflow,
      tensorflowVersion,
      addon: join(packageFolder, addonFolder, 'tfjs_binding.node'),
    };
  } catch {
    return 'TensorFlow is missing in .venv';
  }
}

/** @param {string} root @param {string} name @returns {string | undefined} the folder of an npm package */
function findPackage(root, name) {
  // In another project the packages for training lie in `.setup/node_modules`.
  for (const folder of createRequire(join(root, '.setup/package.json')).resolve.paths(name) ?? []) {
    if (existsSync(join(folder, name, 'package.json'))) return realpathSync(join(folder, name));
  }
  return undefined;
}

/** All that the compiled file depends on. @param {Places} places */
function sign(places) {
  const hash = createHash('sha256');
  const node = JSON.parse(readFileSync(join(places.headers, '../package.json'), 'utf8')).version;
  hash.update(
    [...flags, node, places.tensorflowVersion, relative(dirname(places.addon), places.tensorflow)].join('\n'),
  );
  for (const path of sourceFiles(places)) hash.update(readFileSync(path));
  return hash.digest('hex');
}

/** The addon's own sources, and ours. @param {Places} places */
function sourceFiles({ packageFolder }) {
  const folder = join(packageFolder, 'binding');
  const binding = readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));
  return [...binding, fileURLToPath(new URL('log-level.cc', import.meta.url))];
}

/** @param {Places} places */
const stampPath = ({ addon }) => join(dirname(addon), 'setup-stamp.json');

/** @param {Places} places @returns {{ signature: string, size: number, mtimeMs: number } | undefined} */
function readStamp(places) {
  try {
    return JSON.parse(readFileSync(stampPath(places), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Says that the addon that lies there is the right one. @param {Places} places */
export function writeStamp(places) {
  const { size, mtimeMs } = statSync(places.addon);
  writeFileSync(stampPath(places), `${JSON.stringify({ signature: sign(places), size, mtimeMs })}\n`);
}

/** @returns {string[]} the C++ compiler's command: $CXX may hold several words, as in "ccache g++" */
export function findCompiler() {
  const chosen = process.env.CXX?.trim();
  for (const command of chosen ? [chosen] : ['g++', 'c++', 'clang++']) {
    const words = command.split(/\s+/);
    if (findProgram(/** @type {string} */ (words[0]))) return words;
  }
  throw new SetupFault(
    chosen
      ? `The C++ compiler CXX="${chosen}" is not there: correct or unset CXX and run the command again.`
      : 'A C++ compiler is missing (looked for g++, c++ and clang++ on the PATH): run "apt-get install g++" and try ' +
          'again.',
  );
}
