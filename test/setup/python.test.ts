import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { leftovers } from '../../scripts/setup/lock.mjs';
import { hasNvidiaGpu, problem, sitePackages } from '../../scripts/setup/python.mjs';
import { until } from '../until.ts';
import {
  type Ending,
  lockedPythonPackage,
  mainRoot,
  makeProject,
  pathWith,
  run,
  start,
  temporaryFolder,
} from './project.ts';

const python = join(mainRoot, '.venv/bin/python');
const [home, version] = execFileSync(
  python,
  ['-c', 'import sys; print(sys.base_prefix); print(f"{sys.version_info[0]}.{sys.version_info[1]}")'],
  {
    encoding: 'utf8',
  },
).split('\n') as [string, string];

/** A project that needs one small Python package, and no TensorFlow. */
function makePythonProject(): string {
  const root = makeProject();
  writeFileSync(join(root, 'scripts/setup/requirements-cpu.txt'), lockedPythonPackage('msgpack'));
  return root;
}

/** Does the Python step alone, under the lock, as set-up does it. */
const pythonStep = ['--input-type=module', '-e'].concat(`
  import * as step from './scripts/setup/python.mjs';
  import { endLeftovers, takeLock } from './scripts/setup/lock.mjs';
  import { prepareWorkFolder } from './scripts/setup/tools.mjs';
  import { asFault } from './scripts/setup/faults.mjs';
  const project = { root: process.cwd(), flavour: 'cpu' };
  await takeLock(project.root, () => {});
  await endLeftovers(project.root);
  prepareWorkFolder(project.root);
  try {
    step.preflight(project);
    await step.run(project, { detail() {}, done() {}, stop() {} });
  } catch (error) {
    console.error(asFault(error).message);
    process.exit(2);
  }`);

const works = (root: string) =>
  execFileSync(join(root, '.venv/bin/python'), ['-c', 'import msgpack; print(msgpack.packb(1))'], { encoding: 'utf8' });

function expectOneLine({ code, stdout, stderr }: Ending, line: RegExp) {
  expect(stderr).toMatch(/^.+\n$/);
  expect(stderr).toMatch(line);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
}

describe('the Python environment', () => {
  test('is made of the listed packages; damage, a move, a new list, an interruption: noticed and mended', async () => {
    const root = makePythonProject();
    expect(problem({ root })).toBe('.venv is missing or incomplete');

    const killed = start(root, pythonStep);
    // From here on it is seconds more: pip is to be unpacked, and then does its work.
    const begun = () => existsSync(join(root, '.venv/bin/python')) && leftovers(root).length > 0;
    await until('the environment was begun', begun, killed.child);
    killed.child.kill('SIGKILL');
    expect((await killed.ended).signal).toBe('SIGKILL');
    expect(problem({ root })).toBe('.venv is missing or incomplete');

    expect(await run(root, pythonStep)).toMatchObject({ code: 0, stderr: '' });
    expect(problem({ root })).toBeUndefined();
    expect(leftovers(root)).toEqual([]);
    expect(works(root)).toBe("b'\\x01'\n");

    // A list that changes is installed into the environment that is there; until that works, it stays as it is.
    const trace = join(root, '.venv/trace');
    writeFileSync(trace, '');
    const list = join(root, 'scripts/setup/requirements-cpu.txt');
    const [before, more] = [readFileSync(list, 'utf8'), lockedPythonPackage('six')];
    writeFileSync(list, before + more.replace(/sha256:\w{8}/g, 'sha256:00000000'));
    expect(problem({ root })).toBe('the package list has changed');
    expectOneLine(
      await run(root, pythonStep),
      /^pip could not .*: a download differs from its recorded hash\. .*cache purge/,
    );
    writeFileSync(list, before + more);
    const offline = await run(root, pythonStep, {
      PIP_INDEX_URL: 'http://127.0.0.1:9/simple',
      PIP_EXTRA_INDEX_URL: '',
      PIP_FIND_LINKS: '',
      PIP_NO_CACHE_DIR: '1',
      PIP_RETRIES: '1',
    });
    expectOneLine(offline, /^pip could not install the Python packages \(cpu\): the network .* cannot be reached/);
    expect(offline.stderr).not.toContain('127.0.0.1');
    expect(problem({ root })).toBe('the package list has changed');
    expect(await run(root, pythonStep)).toMatchObject({ code: 0, stderr: '' });
    expect(problem({ root })).toBeUndefined();
    expect(existsSync(trace)).toBe(true);

    expect(problem({ root, flavour: 'gpu' })).toBe('.venv is for cpu, not gpu');
    const moved = join(temporaryFolder(), 'moved');
    renameSync(root, moved);
    expect(problem({ root: moved })).toBe('the folder was moved');
    renameSync(moved, root);
    rmSync(join(sitePackages(root), 'msgpack'), { recursive: true });
    expect(problem({ root })).toBe('msgpack is missing in .venv');
    unlinkSync(join(root, '.venv/bin/python'));
    expect(problem({ root })).toBe('.venv is damaged');
  });
});

describe('the Python that makes the environment', () => {
  test('is missing: one line, exit code 2, nothing left behind', async () => {
    const root = makePythonProject();
    expectOneLine(
      await run(root, undefined, { PATH: pathWith('npm') }),
      /^Python 3\.10 to 3\.13 is missing \(looked for python3, .*\)\. Install one \(for example "apt-get install python3 python3-venv"/,
    );
    expect(readdirSync(root).sort()).toEqual(['package.json', 'scripts']);
  });

  test('is named by the user and is none', async () => {
    expectOneLine(
      await run(makePythonProject(), undefined, { WEIGHTNORM_PYTHON: '/bin/false' }),
      /^WEIGHTNORM_PYTHON=\/bin\/false is no Python 3\.10 to 3\.13\. /,
    );
  });

  test('has no venv module, as on Debian without python3-venv', async () => {
    // A real Python whose standard library lacks that part.
    const prefix = temporaryFolder();
    const [from, to] = [join(home, 'lib', `python${version}`), join(prefix, 'lib', `python${version}`)];
    mkdirSync(to, { recursive: true });
    for (const name of readdirSync(from)) if (name !== 'ensurepip') symlinkSync(join(from, name), join(to, name));
    const env = { PATH: pathWith('python3'), PYTHONHOME: prefix };
    expectOneLine(
      await run(makePythonProject(), undefined, env),
      /^python3 cannot make environments \(no venv module\): run "apt-get install python3-venv" and try again\.$/m,
    );
  });
});

describe('the flavour', () => {
  test('is for GPUs where the NVIDIA driver is loaded', () => {
    const driverFile = join(temporaryFolder(), 'version');
    writeFileSync(driverFile, 'NVRM version: NVIDIA UNIX x86_64 Kernel Module\n');
    expect(hasNvidiaGpu(driverFile)).toBe(true);
  });
});
