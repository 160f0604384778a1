// @ts-check

// The steps in order: look, and do what is to be done.

import * as addon from './addon.mjs';
import * as bridgeLink from './bridge-link.mjs';
import * as build from './build.mjs';
import { asFault, SetupFault } from './faults.mjs';
import { endLeftovers, takeLock } from './lock.mjs';
import * as minatarGames from './minatar-games.mjs';
import * as nativePackages from './native-packages.mjs';
import * as npmPackages from './npm-packages.mjs';
import { isInstalled } from './place.mjs';
import { showStep } from './progress.mjs';
import * as python from './python.mjs';
import { endRunningTools, log, prepareWorkFolder, removeTemporaryFiles } from './tools.mjs';

/**
 * @typedef {object} Project
 * @property {string} root
 * @property {'cpu' | 'gpu'} [flavour] as asked for
 * @property {boolean} [force] do every step, needed or not
 * @property {boolean} [minatar] MinAtar's games too
 */

const allSteps = isInstalled ? [nativePackages, python, addon, bridgeLink] : [npmPackages, python, addon, build];

/**
 * @typedef {object} Step
 * @property {string} title
 * @property {(project: Project) => string | undefined} problem why there is something to do
 * @property {(project: Project) => void} preflight throws what can be known before the work
 * @property {(project: Project, progress: import('./progress.mjs').StepProgress) => Promise<void>} run
 */

/** @param {Project} project @returns {readonly Step[]} */
const stepsOf = ({ minatar }) => (minatar ? [...allSteps, minatarGames] : allSteps);

/** MinAtar's games alone. */
export const minatarOnly = [minatarGames];

/**
 * Brings the project folder into order. Takes milliseconds where nothing is to be done.
 *
 * @param {Project} project
 * @param {NodeJS.WriteStream} stream where progress is shown
 * @param {readonly Step[]} [steps]
 * @returns {Promise<boolean>} whether there was anything to do
 * @throws {SetupFault} for what the user can mend
 */
export async function ensureSetUp(project, stream, steps = stepsOf(project)) {
  try {
    if (!project.force && pendingSteps(project, steps).length === 0) return false;
    if (process.platform !== 'linux') {
      throw new SetupFault(
        `weightnorm-rl runs on Linux, and this is ${process.platform}: use a Linux machine, WSL or a container.`,
      );
    }
    return await whileInterruptible(() => underLock(project, stream, steps));
  } catch (error) {
    throw asFault(error);
  }
}

/** @param {Project} project @param {NodeJS.WriteStream} stream @param {readonly Step[]} steps */
async function underLock(project, stream, steps) {
  // A reader that went away (as in `npm run setup | head`) is no reason to stop half-way.
  const ignore = () => {};
  stream.on('error', ignore);
  const freeLock = await takeLock(project.root, () =>
    stream.write('Another set-up of this project is running: waiting for it.\n'),
  );
  try {
    await endLeftovers(project.root);
    const pending = pendingSteps(project, steps);
    if (pending.length === 0) return false;
    // Every fault that can be known before the long work is known now.
    for (const step of pending) step.preflight(project);

    prepareWorkFolder(project.root);
    stream.write(`Setting up weightnorm-rl (${pending.map((step) => step.title).join(', ')})\n`);
    const startMs = performance.now();
    for (const step of steps) {
      // An earlier step can make a later one needed: a new node_modules has no addon.
      const reason = project.force ? 'asked for' : step.problem(project);
      if (reason === undefined) continue;
      log(project.root, `\n# ${step.title}: ${reason}\n`);
      const progress = showStep(stream, step.title);
      try {
        await step.run(project, progress);
      } catch (error) {
        progress.stop();
        throw error;
      }
      progress.done();
    }
    removeTemporaryFiles(project.root);
    stream.write(`Set-up is complete (${((performance.now() - startMs) / 1000).toFixed(0)} s).\n`);
    return true;
  } finally {
    await freeLock();
    stream.off('error', ignore);
  }
}

/**
 * @param {Project} project
 * @returns {string | undefined} what of it the commands need and do not have
 */
export function missingPart(project) {
  for (const step of allSteps) {
    const reason = step === bridgeLink ? undefined : step.problem(project);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** @param {Project} project @param {readonly Step[]} steps */
function pendingSteps(project, steps) {
  return project.force ? steps : steps.filter((step) => step.problem(project) !== undefined);
}

/**
 * While `work` runs, SIGINT, SIGTERM and SIGHUP end its tools and then this process, with the shell's exit code.
 * @template T
 * @param {() => Promise<T>} work
 */
async function whileInterruptible(work) {
  let ending = false;
  const end = async (/** @type {number} */ exitCode) => {
    if (ending) return;
    ending = true;
    await endRunningTools();
    process.stderr.write('\nSet-up was interrupted; the next run carries on.\n');
    process.exit(exitCode);
  };
  /** @type {[NodeJS.Signals, () => void][]} */
  const handlers = [
    ['SIGINT', () => end(130)],
    ['SIGTERM', () => end(143)],
    ['SIGHUP', () => end(129)],
  ];
  for (const [signal, handler] of handlers) process.on(signal, handler);
  try {
    const result = await work();
    // Never on with the work once the process is on its way out.
    return ending ? await new Promise(() => {}) : result;
  } catch (error) {
    if (ending) await new Promise(() => {});
    throw error;
  } finally {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  }
}
