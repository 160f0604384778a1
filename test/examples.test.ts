// The programs of examples/, as a reader runs them after the build: a short one here, all with `npm run test:programs`.

import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const isLong = process.env.WEIGHTNORM_PROGRAMS === 'long';
const NEEDS_ASKING = 'trains for some ten seconds: npm run test:programs';
const SHORT = 'own-learning-step';
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'examples-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The last line that each prints. */
const lastLines: Record<string, RegExp> = {
  'early-stopping': /^stopped at agent step \d+$/,
  'evaluate-and-record': /^checkpoint 2000: mean return [\d.]+; its first recording plays again bit for bit$/,
  'own-agent': /^mean return [\d.]+$/,
  'own-environment': /^mean return 0\.[678]\d$/,
  'own-learning-step': /^compiled: loss 0\.00\d\d after 500 updates$/,
  resuming: /^resumed to agent step 3000, after \d+ episodes in all$/,
  'own-network': /^mean score [\d.]+ over the last \d+ episodes$/,
};

test('each example has its test, and is short', () => {
  const names = readdirSync(join(root, 'examples'))
    .filter((name) => name.endsWith('.ts')) // the others have tests of their own
    .map((name) => name.replace('.ts', ''));
  expect(names.sort()).toEqual(Object.keys(lastLines).sort());
  for (const name of names) {
    const lines = readFileSync(join(root, 'examples', `${name}.ts`), 'utf8').split('\n').length - 1;
    expect(lines, name).toBeLessThan(name === 'own-agent' ? 150 : 40);
  }
});

test.for(Object.entries(lastLines))('%s', async ([name, lastLine], { skip }) => {
  skip(!isLong && name !== SHORT, NEEDS_ASKING);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(root, 'dist/examples', `${name}.js`), join(folder, name)],
    { cwd: folder },
  );
  expect(stdout.trim().split('\n').at(-1)).toMatch(lastLine);
});
