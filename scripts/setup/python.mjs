// @ts-check

// Step 2: `.venv`, a Python environment with exactly the packages of requirements-cpu.txt or requirements-gpu.txt.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkDiskSpace, SetupFault, ToolFailure } from './faults.mjs';
import { isInstalled, requirementsFolder, setupCommand } from './place.mjs';
import { ask, findProgram, runTool } from './tools.mjs';

/** TensorFlow 2.21 has builds for these. */
const oldestMinor = 10;
const newestMinor = 13;
/** The environment (1.7 and 6.4 GB) with all downloads beside it (0.6 and 3.5 GB), and a little. */
const neededBytes = { cpu: 2.5e9, gpu: 10.5e9 };

/** @typedef {'cpu' | 'gpu'} Flavour */
/**
 * Written into the environment when all is installed, so it disappears with it.
 * @typedef {object} Stamp
 * @property {Flavour} flavour
 * @property {string} requirements a hash of the list
 * @property {string} folder where the environment was made: it cannot be moved
 * @property {string} interpreter the file behind .venv/bin/python
 * @property {string[]} entries what lies in site-packages
 */

export const title = 'Python packages';

/** @param {string} root */
const stampPath = (root) => join(root, '.venv/setup-stamp.json');
/** @param {string} root */
const chosenFlavourPath = (root) => join(root, '.setup/flavour');

/** @param {import('./steps.mjs').Project} project @returns {string | undefined} why there is something to do */
export function problem({ root, flavour }) {
  const stamp = readStamp(root);
  if (!stamp) return '.venv is missing or incomplete';
  if (flavour && stamp.flavour !== flavour) return `.venv is for ${stamp.flavour}, not ${flavour}`;
  return (
    damage(root, stamp) ??
    (stamp.requirements === hashRequirements(root, stamp.flavour) ? undefined : 'the package list has changed')
  );
}

/** @param {import('./steps.mjs').Project} project */
export function preflight(project) {
  if (process.arch !== 'x64') {
    throw new SetupFault(`TensorFlow 2.21 has no build for ${process.arch} processors: use an x86-64 machine.`);
  }
  const flavour = chooseFlavour(project);
  refuseForeignEnvironment(project.root);
  if (!mustBeMadeAnew(project, flavour)) return;
  findPython(project.root);
  checkDiskSpace(project.root, neededBytes[flavour], `the Python packages (${flavour})`);
}

/**
 * @param {import('./steps.mjs').Project} project
 * @param {import('./progress.mjs').StepProgress} progress
 */
export async function run(project, progress) {
  const { root } = project;
  const flavour = chooseFlavour(project);
  const stamp = readStamp(root);
  const anew = mustBeMadeAnew(project, flavour);
  rememberFlavour(root, flavour);
  rmSync(stampPath(root), { force: true });
  if (anew) {
    progress.detail('making the Python environment', true);
    rmSync(join(root, '.venv'), { recursive: true, force: true });
    await runTool({
      root,
      tool: 'Python',
      doing: 'make the environment .venv',
      command: [findPython(root), '-I', '-m', 'venv', '.venv'],
    });
    writeFileSync(join(root, '.venv/.gitignore'), '*\n'); // Python 3.13 writes it by itself.
  }
  try {
    await installRequirements(root, flavour, progress);
  } catch (error) {
    // What failed before pip had changed anything leaves the old environment as good as it was.
    const untouched = error instanceof ToolFailure && !error.output.includes('Installing collected packages');
    if (!anew && untouched) writeFileSync(stampPath(root), JSON.stringify(stamp));
    throw error;
  }
  writeStamp(root, flavour);
}

/** Another project may have an environment of its own, which is not to be removed. @param {string} root */
function refuseForeignEnvironment(root) {
  const own = !isInstalled || readStamp(root) || existsSync(chosenFlavourPath(root));
  if (own || !existsSync(join(root, '.venv'))) return;
  throw new SetupFault(
    `${join(root, '.venv')} is there already, and weightnorm-rl needs the name: move it away and run ` +
      `"${setupCommand}" again.`,
  );
}

/**
 * A whole environment whose list changed is only brought up to date.
 * @param {import('./steps.mjs').Project} project
 * @param {Flavour} flavour
 */
function mustBeMadeAnew({ root, force }, flavour) {
  const stamp = readStamp(root);
  return force || !stamp || stamp.flavour !== flavour || damage(root, stamp) !== undefined;
}

/**
 * @param {string} root
 * @param {Flavour} flavour
 * @param {import('./progress.mjs').StepProgress} progress
 */
async function installRequirements(root, flavour, progress) {
  const doing = `install the Python packages (${flavour})`;
  await pipInstall(root, doing, ['-r', requirementsPath(root, flavour)], progress);
}

/**
 * Installs into an environment what a list of packages with hashes has.
 * @param {string} root
 * @param {string} doing in words
 * @param {string[]} what pip's arguments that name the list
 * @param {import('./progress.mjs').StepProgress} progress
 * @param {string} [environment] its folder
 */
export async function pipInstall(root, doing, what, progress, environment = join(root, '.venv')) {
  const options =
    '--require-hashes --only-binary=:all: --no-compile --no-input --disable-pip-version-check --progress-bar=off';
  const python = join(environment, 'bin/python');
  await runTool({
    root,
    tool: 'pip',
    doing,
    command: [python, '-I', '-m', 'pip', 'install', ...options.split(' '), ...what],
    onLine: (line) => {
      const [, act, file, size] = /^\s*(Downloading|Using cached) (\S+?)(?: \((.*)\))?$/.exec(line) ?? [];
      const name = file?.split('/').at(-1)?.split('-')[0];
      if (name && !file?.endsWith('.metadata')) {
        const large = /^\d{2,}(\.\d+)? MB|GB/.test(size ?? '');
        progress.detail(
          `${act === 'Downloading' ? 'downloading' : 'from the cache:'} ${name}${size ? `, ${size}` : ''}`,
          large,
        );
      } else if (line.startsWith('Installing collected packages')) {
        progress.detail(`unpacking ${line.split(',').length} packages`, true);
      }
    },
  });
}

/** Says that the environment, as it lies there, is whole. @param {string} root @param {Flavour} flavour */
export function writeStamp(root, flavour) {
  const folder = realpathSync(join(root, '.venv'));
  /** @type {Stamp} */
  const stamp = {
    flavour,
    requirements: hashRequirements(root, flavour),
    folder,
    interpreter: realpathSync(join(root, '.venv/bin/python')),
    entries: readdirSync(sitePackages(root)).filter((name) => name !== '__pycache__'),
  };
  writeFileSync(stampPath(root), `${JSON.stringify(stamp, undefined, 1)}\n`);
}

/** The environment's folder of packages; throws where there is none. @param {string} root */
export function sitePackages(root) {
  const lib = join(root, '.venv/lib');
  const version = readdirSync(lib).find((name) => name.startsWith('python3.'));
  return join(lib, version ?? '', 'site-packages');
}

/**
 * What is broken in a finished environment, as far as a quick look can tell. @param {string} root @param {Stamp} stamp
 */
function damage(root, stamp) {
  try {
    if (realpathSync(join(root, '.venv')) !== stamp.folder) return 'the folder was moved';
    if (realpathSync(join(root, '.venv/bin/python')) !== stamp.interpreter) return '.venv/bin/python is another Python';
    const present = new Set(readdirSync(sitePackages(root)));
    const gone = stamp.entries.find((name) => !present.has(name));
    return gone && `${gone} is missing in .venv`;
  } catch {
    return '.venv is damaged';
  }
}

/** @param {string} root @returns {Stamp | undefined} */
function readStamp(root) {
  try {
    return JSON.parse(readFileSync(stampPath(root), 'utf8'));
  } catch {
    return undefined;
  }
}

/** @param {string} root @param {Flavour} flavour */
const requirementsPath = (root, flavour) => join(requirementsFolder(root), `requirements-${flavour}.txt`);

/** @param {string} root @param {Flavour} flavour */
function hashRequirements(root, flavour) {
  return createHash('sha256')
    .update(readFileSync(requirementsPath(root, flavour)))
    .digest('hex');
}

/** Asked for, or chosen before, or by the machine. @param {import('./steps.mjs').Project} project @returns {Flavour} */
function chooseFlavour({ root, flavour }) {
  if (flavour) return flavour;
  const path = chosenFlavourPath(root);
  const before = existsSync(path) ? readFileSync(path, 'utf8').trim() : readStamp(root)?.flavour;
  if (before === 'cpu' || before === 'gpu') return before;
  return hasNvidiaGpu() ? 'gpu' : 'cpu';
}

/** @param {string} root @param {Flavour} flavour */
function rememberFlavour(root, flavour) {
  mkdirSync(join(root, '.setup'), { recursive: true });
  writeFileSync(chosenFlavourPath(root), `${flavour}\n`);
}

/** @param {string} [driverFile] there where NVIDIA's kernel driver is loaded (but not on WSL, which has nvidia-smi) */
export function hasNvidiaGpu(driverFile = '/proc/driver/nvidia/version') {
  return existsSync(driverFile) || /^GPU \d+:/m.test(ask('nvidia-smi', ['-L']) ?? '');
}

/**
 * @param {string} [root] whose own `.venv` will not do: it may be active, and about to be removed
 * @returns {string} a Python that can make the environment
 */
export function findPython(root) {
  const ownFolder = root && join(root, '.venv/bin');
  const chosen = process.env.WEIGHTNORM_PYTHON;
  const names = ['python3'];
  for (let minor = newestMinor; minor >= oldestMinor; minor--) names.push(`python3.${minor}`);
  /** @type {string[]} */
  const unfit = [];
  /** @type {string | undefined} */
  let withoutVenv;
  for (const name of chosen ? [chosen] : names) {
    const program = findProgram(name, ownFolder);
    // A program of that name need not run (pyenv's stand-ins), so ask it.
    const answer = program && ask(program, ['-c', probe]);
    if (!answer) continue;
    const { major, minor, venv } = JSON.parse(answer);
    if (major !== 3 || minor < oldestMinor || minor > newestMinor) unfit.push(`${name} is Python ${major}.${minor}`);
    else if (!venv) withoutVenv ??= name;
    else return program;
  }
  if (withoutVenv) {
    throw new SetupFault(
      `${withoutVenv} cannot make environments (no venv module): run "apt-get install python3-venv" and try again.`,
    );
  }
  const range = `3.${oldestMinor} to 3.${newestMinor}`;
  const found = chosen
    ? `WEIGHTNORM_PYTHON=${chosen} is no Python ${range}`
    : `Python ${range} is missing (looked for ${names[0]}, ${names[1]} ... ${names.at(-1)} on the PATH)`;
  throw new SetupFault(
    `${found}${unfit.length > 0 ? `: ${unfit.join(', ')}` : ''}. Install one (for example "apt-get install ` +
      'python3 python3-venv" or "uv python install 3.13"), or name one: WEIGHTNORM_PYTHON=/path/to/python3.',
  );
}

const probe = `
import importlib.util as u, json, sys
found = all(u.find_spec(name) for name in ("venv", "ensurepip"))
print(json.dumps({"major": sys.version_info[0], "minor": sys.version_info[1], "venv": found}))`;
