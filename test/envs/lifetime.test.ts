import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, watch } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { makeVectorEnv } from 'gymnasium-js-bridge';
import { describe, expect, onTestFinished, test } from 'vitest';
import { sidecarFolder } from '../../envs/src/python.ts';
import { until } from '../until.ts';
import { hasEnded, isAsleep, python, sidecarsIn, useOwnTemporaryFolder } from './helpers.ts';

const temporary = useOwnTemporaryFolder();
const ownerPath = fileURLToPath(new URL('children/owner.mjs', import.meta.url));

/** Runs the owner program in a process group of its own; ends it with the test. */
function startOwner(...args: string[]): { child: ChildProcess; lines: string[]; errors: string[] } {
  const child = spawn(process.execPath, [ownerPath, ...args], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  const errors: string[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => lines.push(line));
  createInterface({ input: child.stderr! }).on('line', (line) => errors.push(line));
  onTestFinished(() => void child.kill('SIGKILL'));
  return { child, lines, errors };
}

/** The owner, once its sidecar is ready, and the sidecar's process id. */
async function readyOwner(
  ...args: string[]
): Promise<{ child: ChildProcess; pid: number; lines: string[]; errors: string[] }> {
  const owner = startOwner(...args);
  const settled = () => owner.lines.length > 0 || owner.child.exitCode !== null;
  await until('the owner said who its sidecar is', settled);
  const pid = Number(owner.lines[0]);
  expect(pid, owner.errors.join('\n')).toBeGreaterThan(0);
  return { ...owner, pid };
}

async function ended(child: ChildProcess): Promise<number | NodeJS.Signals> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode ?? child.signalCode!;
}

const nothingLeft = () => sidecarsIn(temporary.path).length === 0 && readdirSync(temporary.path).length === 0;

describe('an owner that ends in its own way leaves nothing', () => {
  test.each<[string, number, string?]>([
    ['return', 0],
    ['close', 0],
    ['exit', 3],
    ['exit-busy', 3, 'bridge_test_envs:Slow-v0'],
    ['throw', 1],
  ])('%s', async (way, code, ...id) => {
    const { child, errors } = await readyOwner(way, ...(id as string[]));
    expect(await ended(child), errors.join('\n')).toBe(code);
    await until('nothing was left', nothingLeft);
    if (way !== 'throw') expect(errors).toEqual([]); // no warning of zeromq's either
  });

  test('a thread that is terminated', async () => {
    const { child } = await readyOwner('worker');
    await until('nothing was left', nothingLeft);
    expect(child.exitCode).toBe(null); // while the process lives on
  });
});

describe('an owner that is killed', () => {
  test.each([
    ['while the sidecar is idle', 'wait', 'CartPole-v1'],
    ['while the sidecar is busy in Python', 'sleep-step', 'bridge_test_envs:Slow-v0'],
    ['while an extension holds the interpreter', 'greedy-step', 'bridge_test_envs:Slow-v0'],
  ])('takes its sidecar along, %s', async (_, way, id) => {
    const file = join(temporary.path, 'stepped');
    process.env.BRIDGE_TEST_FILE = file;
    onTestFinished(() => void delete process.env.BRIDGE_TEST_FILE);
    const { child, pid } = await readyOwner(way, id);
    if (way !== 'wait') await until('the step began', () => existsSync(file) && isAsleep(pid));
    rmSync(file, { force: true });
    expect(hasEnded(pid)).toBe(false);
    child.kill('SIGKILL');
    await ended(child);
    await until('nothing was left', () => hasEnded(pid) && nothingLeft()); // the step itself takes 600 s
  });

  test.each<[string, (kill: () => void) => void | Promise<void>]>([
    ['at once', (kill) => kill()],
    [
      'when the sidecar has been started',
      (kill) => until('it ran', () => sidecarsIn(temporary.path).length > 0).then(kill),
    ],
    ['when the socket has its folder', (kill) => onChange(1, kill)],
    ['when the folder has been removed again', (kill) => onChange(2, kill)],
  ])('leaves nothing even when that happens during the start, %s', async (_, whenToKill) => {
    const { child } = startOwner('start');
    await whenToKill(() => void child.kill('SIGKILL'));
    await ended(child);
    await until('nothing was left', nothingLeft);
  });
});

test('a sidecar that leaves while its socket is being made leaves no folder', async () => {
  const program = [
    'import os, threading, zmq',
    'from gymnasium_js_bridge import lifetime, server',
    'removing, bound = threading.Event(), threading.Event()',
    'bind, rmdir = zmq.Socket.bind, os.rmdir',
    // The folder has been found empty, and is about to be removed.
    'def slow_rmdir(*args, **options):',
    '    removing.set()',
    '    bound.wait(10)',
    '    rmdir(*args, **options)',
    'def late_bind(socket, endpoint):',
    '    threading.Thread(target=lifetime.leave).start()',
    '    removing.wait(1)',
    '    bind(socket, endpoint)',
    '    bound.set()',
    'os.rmdir, zmq.Socket.bind = slow_rmdir, late_bind',
    'server.bind(None)',
    'threading.Event().wait()',
  ];
  const child = spawn(python, ['-c', program.join('\n')], { cwd: sidecarFolder, stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  expect(await ended(child)).toBe(0);
  expect(readdirSync(temporary.path)).toEqual([]);
});

test('a sidecar that nobody listens to leaves no folder', async () => {
  const child = spawn(python, ['-m', 'gymnasium_js_bridge'], {
    cwd: sidecarFolder,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  child.stdout!.destroy(); // as that of an owner that was killed after the sidecar had made its folder
  expect(await ended(child)).toBe(1);
  expect(readdirSync(temporary.path)).toEqual([]);
});

/** Acts when something has been made or removed in the temporary folder for the `count`th time. */
function onChange(count: number, act: () => void): void {
  let seen = 0;
  const watcher = watch(temporary.path, (event) => {
    if (event === 'rename' && ++seen === count) act();
  });
  onTestFinished(() => {
    watcher.close();
    expect(seen).toBeGreaterThanOrEqual(count);
  });
}

describe('Ctrl-C', () => {
  test('ends an owner without a handler, and leaves nothing', async () => {
    const { child, pid } = await readyOwner('wait');
    process.kill(-child.pid!, 'SIGINT'); // the whole process group, as a terminal does
    expect(await ended(child)).toBe('SIGINT');
    await until('nothing was left', () => hasEnded(pid) && nothingLeft());
  });

  test('lets an owner with a handler use the sidecar once more, then leaves nothing', async () => {
    const { child, lines } = await readyOwner('save-on-interrupt');
    process.kill(-child.pid!, 'SIGINT');
    expect(await ended(child)).toBe(0);
    expect(lines[1]).toBe('saved 1');
    await until('nothing was left', nothingLeft);
  });
});

describe('SIGTERM', () => {
  test('ends an idle sidecar even where it does not interrupt its wait', async () => {
    const program = [
      'import os, signal, threading',
      'from gymnasium_js_bridge import lifetime, server',
      'lifetime.ignore_terminal_signals()',
      'socket, _ = server.bind(None)',
      'def main_sleeps():',
      '    stat = open(f"/proc/self/task/{os.getpid()}/stat").read()',
      '    return stat.rpartition(")")[2].split()[0] == "S"',
      // In another thread than the one that waits: as if it came just before the wait. That one also sleeps while this
      // one keeps it from the interpreter, but not each of many times.
      'def interrupt():',
      '    while not all(main_sleeps() for _ in range(100)):',
      '        pass',
      '    signal.raise_signal(signal.SIGTERM)',
      'threading.Thread(target=interrupt).start()',
      'server.Server(socket, None).serve()',
    ];
    const child = spawn(python, ['-c', program.join('\n')], { cwd: sidecarFolder, stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
    expect(await ended(child)).toBe(0);
    expect(nothingLeft()).toBe(true);
  });
});

// `npm run test:faults` starts more.
const SIDECARS = process.env.WEIGHTNORM_FAULTS === 'long' ? 100 : 24;

describe('many sidecars', () => {
  test(`starts and stops ${SIDECARS} without a leak of processes, files, descriptors or threads`, async () => {
    const cycle = async (seed: number) => {
      const env = await makeVectorEnv({ id: 'CartPole-v1', seed });
      await env.reset();
      await env.step([1]);
      await env.close();
      expect(hasEnded(env.info.pid)).toBe(true);
    };
    const descriptors = () => readdirSync('/proc/self/fd').length;
    const threads = () => Number(/Threads:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]);
    const listeners = () => process.listenerCount('exit');

    await cycle(0);
    const before = { descriptors: descriptors(), threads: threads(), listeners: listeners() };
    // Four at a time: a start is mostly one core's work.
    for (let seed = 1; seed <= SIDECARS; seed += 4) await Promise.all([0, 1, 2, 3].map((i) => cycle(seed + i)));
    await until('nothing was left', nothingLeft);
    // A leak would show as one for each; the test runner itself opens and closes one now and then.
    await until('the descriptors were closed', () => descriptors() <= before.descriptors + 3);
    expect(threads()).toBeLessThanOrEqual(before.threads + 4);
    expect(listeners()).toBe(before.listeners);
  });
});
