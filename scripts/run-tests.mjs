// @ts-check

// `npm test`: vitest, then a line for each test left out and why, then one plain line with the counts. With
// `--repeat N` it runs vitest N times, and before the counts lists the tests that failed: those that always did, and
// those that did not.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * What count-reporter.mjs writes of one run.
 * @typedef {object} Counts
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {string[]} leftOut a line for each test that was left out
 * @property {Record<string, 'passed' | 'failed' | 'skipped'>} outcomes of each test by its name, and of each file that
 *   failed as a whole
 */

/**
 * @param {string} root
 * @param {string[]} args vitest's, such as files to run, and `--repeat N`
 * @returns {Promise<number>} the exit code: 0 only if tests ran and none failed, in no round
 */
export async function runTests(root, args) {
  const { rounds, vitestArgs } = takeRepeat(args);
  if (rounds === undefined) {
    process.stderr.write('--repeat takes a whole number from 1 up, as in "npm test -- --repeat 10".\n');
    return 2;
  }
  let interrupted = false;
  /** @type {import('node:child_process').ChildProcess} */
  let vitest;
  // Ctrl-C reaches vitest by itself, and it ends; a SIGINT to npm alone does not.
  process.on('SIGINT', () => {
    interrupted = true;
    setTimeout(() => vitest.kill('SIGTERM'), 5000).unref();
  });
  process.on('SIGTERM', () => {
    interrupted = true;
    vitest.kill('SIGTERM');
  });

  let exitCode = 0;
  /** @type {Counts[]} */
  const results = [];
  while (results.length < rounds && !interrupted) {
    if (rounds > 1) process.stdout.write(`\nround ${results.length + 1} of ${rounds}\n`);
    const { counts, code, signal } = await runVitest(root, vitestArgs, (child) => {
      vitest = child;
    });
    if (!counts) {
      process.stderr.write(`The tests did not finish (vitest: ${signal ?? `exit code ${code}`}).\n`);
      return code || 1;
    }
    results.push(counts);
    exitCode ||= code ?? 1;
  }

  const last = /** @type {Counts} */ (results.at(-1));
  const { passed, failed, skipped } = rounds > 1 ? summarise(results) : last;
  if (passed + failed === 0) process.stderr.write('No test ran.\n');
  for (const line of last.leftOut) process.stdout.write(`left out: ${line}\n`);
  process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  return exitCode || (failed > 0 || passed === 0 || results.length < rounds ? 1 : 0);
}

/**
 * @param {string[]} args
 * @returns {{ rounds: number | undefined, vitestArgs: string[] }} no number of rounds where it is none
 */
function takeRepeat(args) {
  const at = args.findIndex((arg) => arg === '--repeat' || arg.startsWith('--repeat='));
  if (at < 0) return { rounds: 1, vitestArgs: args };
  const [, joined] = /** @type {string} */ (args[at]).split('=');
  const text = joined ?? args[at + 1] ?? '';
  const vitestArgs = args.toSpliced(at, joined === undefined ? 2 : 1);
  return { rounds: /^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined, vitestArgs };
}

/**
 * @param {string} root
 * @param {string[]} args
 * @param {(vitest: import('node:child_process').ChildProcess) => void} onStart
 * @returns {Promise<{ counts: Counts | undefined, code: number | null, signal: NodeJS.Signals | null }>} counts if it
 *   finished
 */
async function runVitest(root, args, onStart) {
  const folder = mkdtempSync(join(tmpdir(), 'weightnorm-rl-tests-'));
  const countsFile = join(folder, 'counts.json');
  const vitest = spawn(
    process.execPath,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--reporter=default',
      `--reporter=${join(root, 'scripts/count-reporter.mjs')}`,
      ...args,
    ],
    { cwd: root, stdio: 'inherit', env: { ...process.env, WEIGHTNORM_TEST_COUNTS: countsFile } },
  );
  onStart(vitest);
  const [code, signal] = await new Promise((resolve) => vitest.once('close', (...ending) => resolve(ending)));
  const counts = existsSync(countsFile) ? JSON.parse(readFileSync(countsFile, 'utf8')) : undefined;
  rmSync(folder, { recursive: true });
  return { counts, code, signal };
}

/**
 * Lists the tests that failed in some round or in each, and counts every test once: as failed if it ever did.
 * @param {Counts[]} results of each round
 */
function summarise(results) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  /** @type {string[]} */
  const [unstable, broken] = [[], []];
  for (const name of new Set(results.flatMap(({ outcomes }) => Object.keys(outcomes)))) {
    const outcomes = results.map((round) => round.outcomes[name]);
    const failures = outcomes.filter((outcome) => outcome === 'failed').length;
    if (failures === results.length) broken.push(name);
    else if (failures > 0) unstable.push(`${name}: failed in ${failures} of ${results.length} rounds`);
    counts[failures > 0 ? 'failed' : outcomes.includes('passed') ? 'passed' : 'skipped']++;
  }
  process.stdout.write('\n');
  for (const name of broken) process.stdout.write(`failed each time: ${name}\n`);
  for (const line of unstable) process.stdout.write(`not stable: ${line}\n`);
  return counts;
}
