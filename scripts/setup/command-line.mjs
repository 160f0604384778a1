// @ts-check

// What the entry files setup.mjs, run.mjs and bin/weightnorm-rl.mjs do once the Node version is known to be good.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { SetupFault, setupLog } from './faults.mjs';
import { ray, tensorboard } from './own-environments.mjs';
import { findProject, isInstalled, packageRoot, setupCommand, setupCommandWith } from './place.mjs';
import { ensureSetUp, minatarOnly, missingPart } from './steps.mjs';

const usage = isInstalled
  ? `Usage: ${setupCommand} [OPTIONS]

Prepares this project for training, whatever of it is missing or out of date: npm packages in .setup, a Python
environment in .venv, the compiled TensorFlow addon, and gymnasium-js-bridge in package.json.
`
  : `Usage: npm run setup [-- OPTIONS]

Installs the npm packages, makes the Python environment .venv, compiles the TensorFlow addon and the TypeScript sources:
whatever of it is missing or out of date. The other commands do the same by themselves.
`;

const help = `${usage}
Options:
  --gpu      TensorFlow for NVIDIA GPUs (10.5 GB of disk; the default where such a GPU is found)
  --cpu      TensorFlow for the CPU only (2.5 GB of disk)
  --minatar  MinAtar's games too, which a run in one of them installs by itself
  --force    do every step anew, needed or not
  --help     show this text

Environment variables:
  WEIGHTNORM_PYTHON    the Python to use (3.10 to 3.13) in place of python3 on the PATH
  CXX                  the C++ compiler to use in place of g++

Full output of the tools: ${setupLog}
`;

/** @param {string[]} args */
export async function setUp(args) {
  survivePipes();
  const options = {
    gpu: { type: /** @type {const} */ ('boolean') },
    cpu: { type: /** @type {const} */ ('boolean') },
    minatar: { type: /** @type {const} */ ('boolean') },
    force: { type: /** @type {const} */ ('boolean') },
    help: { type: /** @type {const} */ ('boolean') },
  };
  let chosen;
  try {
    chosen = parseArgs({ args, options }).values;
    if (chosen.gpu && chosen.cpu) throw new Error('--gpu and --cpu exclude each other');
  } catch (error) {
    fail(`${/** @type {Error} */ (error).message.split('. ')[0]}: see "${setupCommandWith('--help')}".`, 2);
  }
  if (chosen.help) {
    process.stdout.write(help);
    return;
  }
  /** @type {import('./steps.mjs').Project} */
  const project = { root: findProjectOrExit(), force: chosen.force ?? false, minatar: chosen.minatar ?? false };
  if (chosen.gpu) project.flavour = 'gpu';
  if (chosen.cpu) project.flavour = 'cpu';
  if (!(await ensureOrExit(project, process.stdout))) process.stdout.write('Everything is up to date.\n');
}

/** Installs MinAtar's games alone; what it does goes to stderr. */
export async function addMinAtar() {
  survivePipes();
  await ensureOrExit({ root: findProjectOrExit() }, process.stderr, minatarOnly);
}

/**
 * Makes one of the environments that are made when first asked for, where it is missing, and prints its Python; what it
 * does goes to stderr.
 * @param {'tensorboard' | 'ray'} name
 */
export async function addEnvironment(name) {
  survivePipes();
  const root = findProjectOrExit();
  const step = { tensorboard, ray }[name];
  await ensureOrExit({ root }, process.stderr, [step]);
  process.stdout.write(`${step.pythonOf(root)}\n`);
}

/** @param {string[]} args the command's name and its own arguments */
export async function run([name = '', ...args]) {
  survivePipes();
  if (!isInstalled) {
    // Progress goes to stderr: a command's stdout is its result.
    await ensureOrExit({ root: packageRoot }, process.stderr);
    if (name === 'test') {
      const { runTests } = await import('../run-tests.mjs');
      process.exitCode = await toItsEnd(() => runTests(packageRoot, args));
      return;
    }
  }
  const known = commands();
  if (!known.includes(name)) {
    fail(`There is no command ${JSON.stringify(name)}${known.length > 0 ? `: there are ${known.join(', ')}` : ''}.`, 2);
  }
  const script = join(packageRoot, 'dist/scripts', `${name}.js`);
  if (isInstalled && !needNoSetUp.includes(name) && !args.includes('--help') && !args.includes('-h'))
    refuseUnlessSetUp();
  // In this process, so that signals, the terminal and the exit code are the command's own.
  process.argv = [process.execPath, script, ...args];
  await import(pathToFileURL(script).href);
}

/** `npx weightnorm-rl setup`, or another command by its name. @param {string[]} args */
export async function main([name, ...args]) {
  if (name === 'setup') return setUp(args);
  if (name !== undefined && name !== '--help') return run([name, ...args]);
  survivePipes();
  process.stdout.write(`Usage: npx weightnorm-rl setup [OPTIONS]    prepares a project for training; --help tells more
       npx weightnorm-rl COMMAND [OPTIONS]  runs a command; --help tells more

Commands: ${commands().join(', ')}\n`);
}

/** The commands that are there, once they are compiled. @returns {string[]} */
function commands() {
  const folder = join(packageRoot, 'dist/scripts');
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((name) => name.endsWith('.js'));
  return files.map((name) => name.slice(0, -'.js'.length)).sort();
}

/** @returns {string} */
function findProjectOrExit() {
  const root = findProject();
  if (root) return root;
  fail(
    `weightnorm-rl is not installed in ${process.cwd()} or a folder above it: go to your project, or run "npm ` +
      'install" there.',
    2,
  );
}

/** Commands that only read, by what npm has installed. */
const needNoSetUp = ['view-runs'];

/** In another project nothing of this size is installed unasked. */
function refuseUnlessSetUp() {
  const root = findProjectOrExit();
  const missing = missingPart({ root });
  if (missing) {
    fail(`${root} is not set up for training (${missing}): run "${setupCommand}" (some two minutes, 2.5 GB).`, 2);
  }
}

/**
 * The exit code is 1 where nothing can happen any more and the work has come to no end.
 * @template T
 * @param {() => Promise<T>} work
 */
async function toItsEnd(work) {
  let ended = false;
  process.once('exit', (code) => {
    if (ended || code !== 0) return;
    process.exitCode = 1;
    process.stderr.write('Ended without a result, waiting for something that never came.\n');
  });
  try {
    return await work();
  } finally {
    ended = true;
  }
}

/** Progress that nobody reads any more (`| head`) must not end the work. */
function survivePipes() {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}

/**
 * @param {import('./steps.mjs').Project} project
 * @param {NodeJS.WriteStream} stream
 * @param {readonly import('./steps.mjs').Step[]} [steps]
 */
async function ensureOrExit(project, stream, steps) {
  try {
    return await toItsEnd(() => ensureSetUp(project, stream, steps));
  } catch (error) {
    if (error instanceof SetupFault) fail(error.message, 2);
    fail(`Set-up failed unexpectedly: ${/** @type {Error} */ (error).stack}`, 1);
  }
}

/** @param {string} message @param {number} exitCode @returns {never} */
function fail(message, exitCode) {
  process.stderr.write(`${message}\n`);
  process.exit(exitCode);
}
