// @ts-check

// Starts the tools that do the work (npm, pip, the compiler, tsc) and can end all of them at once.

import { spawn, spawnSync } from 'node:child_process';
import { accessSync, appendFileSync, constants, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setupLog, ToolFailure } from './faults.mjs';
import { marker, markerName } from './lock.mjs';

const keptOutputCharacters = 200_000;

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
let ended = false;

/** Makes `.setup/` with an empty log and an empty folder for temporary files. @param {string} root */
export function prepareWorkFolder(root) {
  rmSync(join(root, '.setup/tmp'), { recursive: true, force: true });
  mkdirSync(join(root, '.setup/tmp'), { recursive: true });
  writeFileSync(join(root, setupLog), '');
  writeFileSync(join(root, '.setup/.gitignore'), '*\n');
}

/** @param {string} root */
export function removeTemporaryFiles(root) {
  rmSync(join(root, '.setup/tmp'), { recursive: true, force: true });
}

/** @param {string} root @param {string} text */
export function log(root, text) {
  appendFileSync(join(root, setupLog), text);
}

/**
 * Runs a tool in a process group of its own, its whole output going to the log.
 *
 * @param {object} options
 * @param {string} options.root the project folder, in which it runs
 * @param {string} options.tool its name for the user
 * @param {string} options.doing what it does, as in "<tool> could not <doing>"
 * @param {string[]} options.command the program and its arguments
 * @param {Record<string, string>} [options.env] variables beside the inherited ones
 * @param {(line: string) => void} [options.onLine]
 * @returns {Promise<string>} the end of its output
 * @throws {ToolFailure} unless it ends with exit code 0
 */
export async function runTool({ root, tool, doing, command, env = {}, onLine = () => {} }) {
  if (ended) await new Promise(() => {}); // This process is on its way out.
  const [program, ...args] = command;
  log(root, `\n$ ${command.join(' ')}\n`);
  const child = spawn(/** @type {string} */ (program), args, {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Temporary files go to the project's own disk: /tmp is often a small memory disk, and what is left is found again.
    env: { ...process.env, TMPDIR: join(root, '.setup/tmp'), ...env, [markerName]: marker(root) },
  });
  running.add(child);
  let output = '';
  let line = '';
  const onText = (/** @type {string} */ text) => {
    log(root, text);
    output = (output + text).slice(-keptOutputCharacters);
    const lines = (line + text).split('\n');
    line = /** @type {string} */ (lines.pop());
    lines.forEach(onLine);
  };
  child.stdout.setEncoding('utf8').on('data', onText);
  child.stderr.setEncoding('utf8').on('data', onText);
  const ending = await new Promise((resolve) => {
    child.once('error', (/** @type {NodeJS.ErrnoException} */ error) => resolve(error.code ?? error.message));
    child.once('close', (code, signal) => resolve(code === null ? `signal ${signal}` : `exit code ${code}`));
  });
  running.delete(child);
  log(root, `[${ending}]\n`);
  if (ending !== 'exit code 0') throw new ToolFailure(doing, tool, ending, output);
  return output;
}

/**
 * Ends every running tool with all that it started: asked first (pip then removes its temporary files), made to after 3
 * s.
 */
export async function endRunningTools() {
  ended = true;
  signalGroups('SIGINT');
  for (let waitedMs = 0; running.size > 0 && waitedMs < 3000; waitedMs += 50) await sleep(50);
  signalGroups('SIGKILL');
}

/** @param {NodeJS.Signals} signal */
function signalGroups(signal) {
  for (const child of running) {
    try {
      if (child.pid) process.kill(-child.pid, signal);
    } catch {
      // The whole group has ended.
    }
  }
}

/**
 * @param {string} program a name to look for on the PATH, or a path
 * @param {string} [avoided] a folder not to look in
 * @returns {string | undefined} its path
 */
export function findProgram(program, avoided) {
  const folders = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '' && resolve(folder) !== avoided);
  const candidates = program.includes('/') ? [program] : folders.map((folder) => join(folder, program));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return statSync(path).isFile();
    } catch {
      return false;
    }
  });
}

/**
 * Asks a program something quick.
 * @param {string} program
 * @param {string[]} args
 * @returns {string | undefined} what it printed, or undefined where it does not run
 */
export function ask(program, args) {
  const { status, stdout } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: 20_000,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return status === 0 ? stdout : undefined;
}
