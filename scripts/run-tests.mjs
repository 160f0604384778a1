// @ts-check

// `npm test`: vitest, then a line for each test left out and why, then one plain line with the counts.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * @param {string} root
 * @param {string[]} args vitest's, such as files to run
 * @returns {Promise<number>} the exit code: 0 only if tests ran and none failed
 */
export async function runTests(root, args) {
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
  // Ctrl-C reaches vitest by itself; it ends, and then this process does.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => vitest.kill('SIGTERM'));
  const [code, signal] = await new Promise((resolve) => vitest.once('close', (...ending) => resolve(ending)));
  const counts = existsSync(countsFile) ? JSON.parse(readFileSync(countsFile, 'utf8')) : undefined;
  rmSync(folder, { recursive: true });

  if (!counts) {
    process.stderr.write(`The tests did not finish (vitest: ${signal ?? `exit code ${code}`}).\n`);
    return code || 1;
  }
  const { passed, failed, skipped, leftOut } = counts;
  if (passed + failed === 0) process.stderr.write('No test ran.\n');
  for (const line of leftOut) process.stdout.write(`left out: ${line}\n`);
  process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  return code || (failed > 0 || passed === 0 ? 1 : 0);
}
