import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findCompiler, findPlaces, problem } from '../../scripts/setup/addon.mjs';
import { endLeftovers, leftovers } from '../../scripts/setup/lock.mjs';
import { until } from '../until.ts';
import { addTensorFlow, makeProject, pathWith, run, start, temporaryFolder, timed } from './project.ts';

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
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' };
  return execFileSync(process.execPath, ['-p', `require(${JSON.stringify(path)}).TF_Version`], {
    encoding: 'utf8',
    env,
  }).trim();
}

/** Where a compiler stops: at which of its calls, and how much of its output is there by then. */
interface StoppingPoint {
  /** 1 and 2 make the empty libraries, 3 the addon. */
  call: 1 | 2 | 3;
  output: 'none' | 'part' | 'whole';
}

/**
 * Starts a set-up and waits until its compiler has come to a point, at which it stays: to kill one that runs freely,
 * a test would have to know how fast this machine compiles.
 */
async function startAndStop(root: string, { call, output }: StoppingPoint) {
  const folder = temporaryFolder();
  onTestFinished(() => endLeftovers(root));
  const script = `#!/bin/sh
echo >> '${folder}/calls'
[ "$(wc -l < '${folder}/calls')" = ${call} ] || exec ${findCompiler().join(' ')} "$@"
for word; do [ "$before" = -o ] && output="$word"; before="$word"; done
case ${output} in
  part) printf '\\177ELF' > "$output" ;;
  whole) ${findCompiler().join(' ')} "$@" || exit ;;
esac
touch '${folder}/stopped'
while [ -e '${folder}/stopped' ]; do sleep 0.1; done
[ ${output} = whole ] || exec ${findCompiler().join(' ')} "$@"
`;
  // By its name, since CXX is split at spaces, and this folder may have some in its path.
  writeFileSync(join(folder, 'stopping-compiler'), script, { mode: 0o755 });
  const started = start(root, setUp, {
    PATH: [folder, process.env.PATH].join(delimiter),
    CXX: 'stopping-compiler',
  });
  const stopped = () => existsSync(join(folder, 'stopped')) && leftovers(root).length === 2; // the shell, and sleep
  await until('its compiler stopped', stopped, started.child);
  return { ...started, goOn: () => rmSync(join(folder, 'stopped')) };
}

describe('the TensorFlow addon', () => {
  test('is compiled once, by the first of two set-ups; the second waits, and then nothing is to be done', async () => {
    const root = makeAddonProject();
    expect(problem({ root })).toBe('the addon is not compiled yet');
    const builder = await startAndStop(root, { call: 3, output: 'none' });
    const waiter = start(root);
    await once(waiter.child.stdout!, 'data'); // that it waits
    builder.goOn();
    expect(await waiter.ended).toMatchObject({
      code: 0,
      stdout: 'Another set-up of this project is running: waiting for it.\nEverything is up to date.\n',
      stderr: '',
    });
    const { code, stdout, stderr } = await builder.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^Setting up weightnorm-rl \(TensorFlow addon\)\nTensorFlow addon \.\.\.\n(.*\n)* {2}done \(.* s\)\nSet-up is complete \(\d+ s\)\.\n$/,
    );
    expect(addonVersion(root)).toMatch(/^2\.\d+\.\d+$/);
    expect(readdirSync(join(root, addonFolder)).sort()).toEqual(['setup-stamp.json', 'tfjs_binding.node']);

    const again = timed(root);
    expect(again).toMatchObject({ code: 0, stdout: 'Everything is up to date.\n', stderr: '' });
    expect(again.processorSeconds).toBeLessThan(2);

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

  test('is whole after set-ups that were killed at any point, and after a move of the project', async () => {
    const root = makeAddonProject();
    const points: StoppingPoint[] = [
      { call: 1, output: 'none' },
      { call: 3, output: 'none' },
      { call: 3, output: 'part' },
      { call: 3, output: 'whole' },
    ];
    for (const point of points) {
      const { child, ended } = await startAndStop(root, point);
      child.kill('SIGKILL');
      expect((await ended).signal).toBe('SIGKILL');
      expect(problem({ root })).toBe('the addon is not compiled yet');
      expect(leftovers(root), 'of what it ran').not.toEqual([]);
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

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('on %s, set-up ends its compiler and exits with %i', async (signal, exitCode) => {
    const root = makeAddonProject();
    const { child, ended } = await startAndStop(root, { call: 3, output: 'part' });
    child.kill(signal);
    const { code, stderr } = await ended;
    expect({ code, stderr }).toEqual({
      code: exitCode,
      stderr: '\nSet-up was interrupted; the next run carries on.\n',
    });
    expect(leftovers(root)).toEqual([]);
  });

  test('without a compiler gives one line and exit code 2, before any work', async () => {
    const root = makeAddonProject();
    const path = pathWith('python3', 'npm');
    expect(await run(root, setUp, { PATH: path, CXX: '' })).toMatchObject({
      code: 2,
      stdout: '',
      stderr:
        'A C++ compiler is missing (looked for g++, c++ and clang++ on the PATH): run "apt-get install g++" and ' +
        'try again.\n',
    });
    expect(await run(root, setUp, { CXX: 'no-such-compiler -v' })).toMatchObject({
      code: 2,
      stdout: '',
      stderr:
        'The C++ compiler CXX="no-such-compiler -v" is not there: correct or unset CXX and run the command again.\n',
    });
    expect(existsSync(join(root, '.setup'))).toBe(false);
  });

  test('that does not compile gives the compiler’s error in one line', async () => {
    const root = makeAddonProject();
    const binding = join(root, 'node_modules/@tensorflow/tfjs-node-gpu/binding');
    writeFileSync(join(binding, 'utils.h'), '#error out of order\n');
    const { code, stderr } = await run(root);
    expect(code).toBe(2);
    expect(stderr.startsWith(`${findCompiler().at(-1)} could not compile the TensorFlow addon (`)).toBe(true);
    expect(stderr).toMatch(
      /^[^\n]*\(exit code 1: .*out of order\): see \.setup\/setup\.log, then run "npm run setup" again\.\n$/,
    );
  });

  test('cannot be made without TensorFlow, which is said', () => {
    const root = makeProject();
    expect(problem({ root })).toBe('the npm package @tensorflow/tfjs-node-gpu is missing');
    addTensorFlow(root);
    rmSync(join(root, '.venv'));
    expect(problem({ root })).toBe('TensorFlow is missing in .venv');
  });
});
