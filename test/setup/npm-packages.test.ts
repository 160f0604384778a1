import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { problem } from '../../scripts/setup/npm-packages.mjs';
import { mainRoot, makeProject, pathWith, run } from './project.ts';

const locked = JSON.parse(readFileSync(join(mainRoot, 'package-lock.json'), 'utf8')).packages;

/** A project with one small npm package, whose set-up stops after the npm step for want of a Python. */
function makeNpmProject(): string {
  const root = makeProject();
  const dependencies = { picocolors: locked['node_modules/picocolors'].version };
  const lock = {
    name: 'setup-test',
    lockfileVersion: 3,
    packages: {
      '': { name: 'setup-test', dependencies },
      'node_modules/picocolors': locked['node_modules/picocolors'],
    },
  };
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name: 'setup-test', type: 'module', dependencies }));
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify(lock));
  return root;
}

const npmStep = ['--input-type=module', '-e'].concat(`
  import * as step from './scripts/setup/npm-packages.mjs';
  import { prepareWorkFolder } from './scripts/setup/tools.mjs';
  import { asFault } from './scripts/setup/faults.mjs';
  const project = { root: process.cwd() };
  prepareWorkFolder(project.root);
  try {
    step.preflight(project);
    await step.run(project, { detail() {}, done() {}, stop() {} });
  } catch (error) {
    console.error(asFault(error).message);
    process.exit(2);
  }`);

describe('the npm packages', () => {
  test('are installed as locked, and what is missing or different afterwards is noticed', async () => {
    const root = makeNpmProject();
    expect(problem({ root })).toBe('node_modules is missing or incomplete');
    mkdirSync(join(root, 'node_modules/left-by-an-interrupted-npm'), { recursive: true });

    expect(await run(root, npmStep)).toMatchObject({ code: 0, stderr: '' });
    expect(problem({ root })).toBeUndefined();
    expect(existsSync(join(root, 'node_modules/left-by-an-interrupted-npm'))).toBe(false);

    const lockPath = join(root, 'package-lock.json');
    const lock = readFileSync(lockPath, 'utf8');
    writeFileSync(lockPath, lock.replace(/"version":"[^"]+"/, '"version":"0.0.1"'));
    expect(problem({ root })).toBe('node_modules/picocolors is not as package-lock.json says');
    writeFileSync(lockPath, lock);
    expect(problem({ root })).toBeUndefined();

    rmSync(join(root, 'node_modules/picocolors'), { recursive: true });
    expect(problem({ root })).toBe('node_modules/picocolors is missing');
    writeFileSync(join(root, 'node_modules/.package-lock.json'), '{ "packages": {');
    expect(problem({ root })).toBe('node_modules is missing or incomplete');
  });

  test('are not installed where package.json asks for something else than the lock file', async () => {
    const root = makeNpmProject();
    writeFileSync(join(root, 'package.json'), '{ "name": "setup-test", "dependencies": { "zod": "4.6.7" } }');
    const { code, stderr } = await run(root, npmStep);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: 'package.json and package-lock.json name different dependencies: run "npm install".\n',
    });
  });

  test('name the network, and never an address, where the registry cannot be reached', async () => {
    const root = makeNpmProject();
    const { code, stderr } = await run(root, npmStep, {
      npm_config_registry: 'http://127.0.0.1:9/',
      npm_config_cache: join(root, 'empty-cache'),
      npm_config_fetch_retries: '0',
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^npm could not install the npm packages: the network .* cannot be reached \(ECONNREFUSED\)\. .*\n$/,
    );
    expect(stderr).not.toContain('127.0.0.1');
  });

  test('name npm where it is missing', async () => {
    const root = makeNpmProject();
    const ownNpm = existsSync(join(process.execPath, '../../lib/node_modules/npm/bin/npm-cli.js'));
    const { code, stderr } = await run(root, npmStep, { PATH: pathWith(), npm_execpath: '' });
    if (ownNpm) expect(code).toBe(0);
    else expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('npm is missing') });
  });
});
