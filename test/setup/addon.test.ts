import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { findPlaces, problem } from '../../scripts/setup/addon.mjs';
import { leftovers } from '../../scripts/setup/lock.mjs';
import { addTensorFlow, makeProject, pathWith, run, start } from './project.ts';

// Compiling takes seconds, and far longer on a busy machine.
vi.setConfig({ testTimeout: 240_000 });

const setUp = ['scripts/setup/setup.mjs'];
const addonFolder = 'node_modules/@tensorflow/tfjs-node-gpu/lib/napi-v8';

/** A project for whose set-up only the addon is missing. */
function makeAddonProject(): string {
  const root = makeProject();
  addTensorFlow(root);
  return root;
}

function addonVersion(root: string): string {
  const path = join(root, addonFolder, 'tfjs_binding.node');
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2' };
  return execFileSync(process.execPath, ['-p', `require(${JSON.stringify(path)}).TF_Version`], {
    encoding: 'utf8',
    env,
  }).trim();
}

describe('the TensorFlow addon', () => {
  it('is compiled once, by the first of two set-ups; the second waits, and then nothing is to be done', async () => {
    const root = makeAddonProject();
    expect(problem({ root })).toBe('the addon is not compiled yet');
    const endings = await Promise.all([run(root), run(root)]);
    expect(endings.map(({ code, stderr }) => ({ code, stderr }))).toEqual([
      { code: 0, stderr: '' },
      { code: 0, stderr: '' },
    ]);
    const [waiter, builder] = endings
      .sort((a, b) => a.stdout.indexOf('waiting') - b.stdout.indexOf('waiting'))
      .reverse();
    expect(waiter!.stdout).toBe(
      'Another set-up of this project is running: waiting for it.\nEverything is up to date.\n',
    );
    expect(builder!.stdout).toMatch(
      /^Setting up weightnorm-rl \(TensorFlow addon\)\nTensorFlow addon \.\.\.\n(.*\n)* {2}done \(.* s\)\nSet-up is complete \(\d+ s\)\.\n$/,
    );
    expect(addonVersion(root)).toMatch(/^2\.\d+\.\d+$/);
    expect(readdirSync(join(root, addonFolder)).sort()).toEqual(['setup-stamp.json', 'tfjs_binding.node']);

    const again = await run(root);
    expect(again).toMatchObject({ code: 0, stdout: 'Everything is up to date.\n', stderr: '' });
    expect(again.elapsedMs).toBeLessThan(2000);

    // What it was made from, or its file, changes.
    const places = findPlaces(root);
    if (typeof places === 'string') throw new Error(places);
    appendFileSync(join(places.packageFolder, 'binding/utils.h'), '// changed\n');
    expect(problem({ root })).toBe('TensorFlow, Node-API or the sources have changed');
    appendFileSync(places.addon, 'x');
    expect(problem({ root })).toBe('the addon file is not the one that was compiled');
    rmSync(places.addon);
    expect(problem({ root })).toBe('the addon is not compiled yet');
  });

  it('is whole after set-ups that were killed at any point, and after a move of the project', async () => {
    const root = makeAddonProject();
    for (const delayMs of [150, 600, 2000]) {
      const { child, ended } = start(root);
      await sleep(delayMs);
      child.kill('SIGKILL');
      await ended;
      expect(problem({ root })).toBe('the addon is not compiled yet');
    }
    expect(await run(root)).toMatchObject({ code: 0, stderr: '' });
    expect(problem({ root })).toBeUndefined();
    expect(leftovers(root)).toEqual([]);
    expect(readdirSync(join(root, addonFolder)).sort()).toEqual(['setup-stamp.json', 'tfjs_binding.node']);
    expect(existsSync(join(root, '.setup/tmp'))).toBe(false);

    // It finds TensorFlow from where it lies.
    const moved = `${root}-moved`;
    renameSync(root, moved);
    expect(problem({ root: moved })).toBeUndefined();
    expect(addonVersion(moved)).toMatch(/^2\./);
    renameSync(moved, root);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('on %s, set-up ends its compiler and exits with %i', async (signal, exitCode) => {
    const root = makeAddonProject();
    const { child, ended } = start(root);
    while (leftovers(root).length < 2) await sleep(10); // the compiler and its parts
    child.kill(signal);
    const { code, stderr } = await ended;
    expect({ code, stderr }).toEqual({
      code: exitCode,
      stderr: '\nSet-up was interrupted; the next run carries on.\n',
    });
    expect(leftovers(root)).toEqual([]);
  });

  it('without a compiler gives one line and exit code 2, before any work', async () => {
    const root = makeAddonProject();
    const path = pathWith('python3', 'npm');
    expect(await run(root, setUp, { PATH: path })).toMatchObject({
      code: 2,
      stdout: '',
      stderr:
        'A C++ compiler is missing (looked for g++, c++ and clang++ on the PATH): run "apt-get install g++" and try again.\n',
    });
    expect(await run(root, setUp, { CXX: 'no-such-compiler -v' })).toMatchObject({
      code: 2,
      stdout: '',
      stderr:
        'The C++ compiler CXX="no-such-compiler -v" is not there: correct or unset CXX and run the command again.\n',
    });
    expect(existsSync(join(root, '.setup'))).toBe(false);
  });

  it('that does not compile gives the compiler’s error in one line', async () => {
    const root = makeAddonProject();
    const binding = join(root, 'node_modules/@tensorflow/tfjs-node-gpu/binding');
    writeFileSync(join(binding, 'utils.h'), '#error out of order\n');
    const { code, stderr } = await run(root);
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^g\+\+ could not compile the TensorFlow addon \(exit code 1: .*out of order\): see \.setup\/setup\.log, then run "npm run setup" again\.\n$/,
    );
  });

  it('cannot be made without TensorFlow, which is said', () => {
    const root = makeProject();
    expect(problem({ root })).toBe('the npm package @tensorflow/tfjs-node-gpu is missing');
    addTensorFlow(root);
    rmSync(join(root, '.venv'));
    expect(problem({ root })).toBe('TensorFlow is missing in .venv');
  });
});
