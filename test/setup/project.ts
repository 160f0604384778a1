// Small project folders of their own, in which the tests run the real set-up code.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { StepProgress } from '../../scripts/setup/progress.mjs';
import { type Ending, mainRoot, type Started, start as startProgram } from '../processes.ts';

export { type Ending, mainRoot };

const python = join(mainRoot, '.venv/bin/python');

const setUp = 'scripts/setup/setup.mjs';

export const silent: StepProgress = { detail() {}, done() {}, stop() {} };

/** An empty temporary folder, removed when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'weightnorm-rl-setup-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A project folder that holds the set-up code and nothing to install: no lock file, no sources. */
export function makeProject(): string {
  const root = temporaryFolder();
  cpSync(join(mainRoot, 'scripts/setup'), join(root, 'scripts/setup'), { recursive: true });
  for (const name of ['run.mjs', 'run-tests.mjs', 'count-reporter.mjs']) {
    cpSync(join(mainRoot, 'scripts', name), join(root, 'scripts', name));
  }
  writeFileSync(join(root, 'package.json'), '{ "name": "setup-test", "type": "module" }');
  return root;
}

/** Gives a project the Python environment, Node-API headers and (uncompiled) tfjs-node package of this one. */
export function addTensorFlow(root: string): void {
  symlinkSync(join(mainRoot, '.venv'), join(root, '.venv'));
  linkPackage(root, 'node-api-headers');
  const name = 'node_modules/@tensorflow/tfjs-node-gpu';
  for (const part of ['package.json', 'binding']) {
    cpSync(join(mainRoot, name, part), join(root, name, part), { recursive: true });
  }
}

/** Gives a project one of this one's npm packages. */
export function linkPackage(root: string, name: string): void {
  const place = join(root, 'node_modules', name);
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(join(mainRoot, 'node_modules', name), place);
}

/** A folder for the PATH that holds only the named programs. */
export function pathWith(...programs: ('python3' | 'npm')[]): string {
  const folder = temporaryFolder();
  for (const name of programs) {
    const target = name === 'python3' ? python : findOnPath(name);
    symlinkSync(target, join(folder, name));
  }
  return folder;
}

function findOnPath(name: string): string {
  const folder = process.env.PATH!.split(delimiter).find((candidate) => existsSync(join(candidate, name)));
  return join(folder!, name);
}

/** Starts a Node.js script of a project, by default set-up itself. */
export function start(root: string, args: string[] = [setUp], env: Record<string, string> = {}): Started {
  return startProgram(process.execPath, args, { cwd: root, env });
}

/** Runs a Node.js script of a project to its end, by default set-up itself. */
export function run(root: string, args?: string[], env?: Record<string, string>): Promise<Ending> {
  return start(root, args, env).ended;
}

/**
 * Runs set-up and measures the processor time that it and its tools take: unlike time on the clock, it does not depend
 * on what else the machine does.
 */
export function timed(root: string) {
  // The shell's `times` prints its own two times, then those of what it ran: "0m0.34s 0m0.05s".
  const { status, stdout, stderr } = spawnSync('sh', ['-c', '"$0" "$@" && times', process.execPath, setUp], {
    cwd: root,
    encoding: 'utf8',
  });
  const lines = stdout.trimEnd().split('\n');
  const processorSeconds = [...lines.at(-1)!.matchAll(/(\d+)m([\d.]+)s/g)]
    .map(([, minutes, seconds]) => 60 * Number(minutes) + Number(seconds))
    .reduce((a, b) => a + b, 0);
  expect(processorSeconds, stdout).toBeGreaterThan(0);
  return { code: status, stdout: `${lines.slice(0, -2).join('\n')}\n`, stderr, processorSeconds };
}

/** The entries of one package in this project's list of Python packages, hashes included. */
export function lockedPythonPackage(name: string): string {
  const list = readFileSync(join(mainRoot, 'scripts/setup/requirements-cpu.txt'), 'utf8');
  return new RegExp(`^${name}==(?:.*\\\\\\n)+.*\\n`, 'm').exec(list)![0];
}
