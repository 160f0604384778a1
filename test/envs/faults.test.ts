import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { decode, encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import {
  EnvClosedError,
  makeVectorEnv,
  ProtocolMismatchError,
  SidecarDiedError,
  SidecarError,
  SidecarStartError,
  SidecarTimeoutError,
} from 'gymnasium-js-bridge';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { Dealer } from 'zeromq';
import { errorFrom, MAX_REQUEST_BYTES, PROTOCOL_VERSION } from '../../envs/src/protocol.ts';
import { sidecarFolder } from '../../envs/src/python.ts';
import { startSidecar } from '../../envs/src/sidecar-process.ts';
import { until } from '../until.ts';
import { block, blockUntil, closing, hasEnded, isAsleep, python, rejection, useOwnTemporaryFolder } from './helpers.ts';

fc.configureGlobal({ seed: 1 }); // the same examples in every run

const temporary = useOwnTemporaryFolder();

describe('Python exceptions', () => {
  test('arrive typed, with message and traceback, and the sidecar lives on', async () => {
    const log: string[] = [];
    const env = closing(
      await makeVectorEnv({ id: 'bridge_test_envs:Faulty-v0', onSidecarLog: (line) => log.push(line) }),
    );
    await env.reset();
    const error = await rejection(env.step([1]));
    expect(error).toBeInstanceOf(SidecarError);
    expect(error).toMatchObject({ pythonType: 'ValueError', message: 'the wheel came off: \u2603' });
    expect((error as SidecarError).traceback).toContain('bridge_test_envs.py');
    expect((await rejection(env.step([0]))).message).toContain('reset()');
    await env.reset();
    expect(await rejection(env.step([2]))).toMatchObject({
      pythonType: 'SystemExit',
      message: expect.stringContaining('sys.exit(7)'),
    });
    await env.reset();
    expect([...(await env.step([3])).rewards]).toEqual([1]);
    await until('the line was logged', () => log.includes('printed by the environment'));
  });

  test('tells a missing Python, one without the packages and a program that is none, each with the mend', async () => {
    const bare = join(temporary.path, 'bare-python');
    writeFileSync(bare, `#!/bin/sh\nexec '${python}' -I -S "$@"\n`);
    const isolated = join(temporary.path, 'isolated-python');
    writeFileSync(isolated, `#!/bin/sh\nexec '${python}' -S "$@"\n`);
    for (const file of [bare, isolated]) chmodSync(file, 0o755);
    onTestFinished(() => {
      for (const file of [bare, isolated]) rmSync(file);
    });

    const missing = await rejection(makeVectorEnv({ game: 'Enduro', python: '/nowhere/python' }));
    expect(missing).toBeInstanceOf(SidecarStartError);
    expect(missing.message).toContain('"/nowhere/python" (not found): install Python');
    const none = await rejection(makeVectorEnv({ game: 'Enduro', python: '/bin/echo' }));
    expect(none).toBeInstanceOf(SidecarStartError);
    const empty = await rejection(makeVectorEnv({ game: 'Enduro', python: isolated }));
    expect(empty).toBeInstanceOf(SidecarStartError);
    expect((empty as SidecarStartError).missingPackages).toContain('pyzmq>=27');
    expect(empty.message).toMatch(/lacks pyzmq, .*-m pip install "pyzmq>=27"/);
    const noModule = await rejection(makeVectorEnv({ game: 'Enduro', python: bare }));
    expect(noModule).toBeInstanceOf(SidecarDiedError);
    expect(noModule.message).toContain('No module named gymnasium_js_bridge');
  });
});

describe('a sidecar that dies or hangs', () => {
  test('is noticed at once after kill -9, with a request under way and without', async () => {
    // 2 s on a machine that is not busy; here far below the 60 s of the request's time limit.
    const limitMs = 20_000;
    for (const underWay of [true, false]) {
      const env = closing(await makeVectorEnv({ id: 'bridge_test_envs:Slow-v0' }));
      await env.reset();
      const step = underWay ? env.step([2]) : undefined;
      step?.catch(() => {});
      process.kill(env.info.pid, 'SIGKILL');
      const start = performance.now();
      const error = await rejection(step ?? until('it ended', () => hasEnded(env.info.pid)).then(() => env.reset()));
      expect(performance.now() - start).toBeLessThan(limitMs);
      expect(error).toBeInstanceOf(SidecarDiedError);
      expect(error).toMatchObject({ signal: 'SIGKILL', exitCode: null });
      expect(await rejection(env.reset())).toBe(error);
      await env.close();
    }
  });

  test('runs into the time limit when it is stopped, and is killed', async () => {
    const env = closing(await makeVectorEnv({ id: 'CartPole-v1', timeoutMs: 3000 }));
    await env.reset();
    process.kill(env.info.pid, 'SIGSTOP');
    const error = await rejection(env.step([0]));
    expect(error).toBeInstanceOf(SidecarTimeoutError);
    expect(error).toMatchObject({ op: 'step', timeoutMs: 3000 });
    await until('it was killed', () => hasEnded(env.info.pid));
    expect(await rejection(env.reset())).toBe(error);
  });

  test('is noticed by its heartbeat when it is stopped while idle', async () => {
    const env = closing(await makeVectorEnv({ id: 'CartPole-v1', timeoutMs: 3000, heartbeatMs: 100 }));
    process.kill(env.info.pid, 'SIGSTOP');
    await until('it was killed', () => hasEnded(env.info.pid));
    expect(await rejection(env.reset())).toMatchObject({ name: 'SidecarTimeoutError', op: 'ping' });
  });

  test('survives Ctrl-C and hang-up, which are for its parent', async () => {
    const env = closing(await makeVectorEnv({ id: 'CartPole-v1' }));
    process.kill(env.info.pid, 'SIGINT');
    process.kill(env.info.pid, 'SIGHUP');
    expect((await env.reset()).observations.length).toBe(4);
  });

  test('is killed by an aborted signal, before, during and after the start', async () => {
    expect(await rejection(makeVectorEnv({ id: 'CartPole-v1', signal: AbortSignal.abort() }))).toMatchObject({
      name: 'AbortError',
    });
    const during = new AbortController();
    const starting = makeVectorEnv({ id: 'CartPole-v1', signal: during.signal });
    during.abort(new Error('changed my mind'));
    expect((await rejection(starting)).message).toBe('changed my mind');
    const after = new AbortController();
    const env = closing(await makeVectorEnv({ id: 'bridge_test_envs:Slow-v0', signal: after.signal }));
    await env.reset();
    env.send([2]);
    after.abort(new Error('enough'));
    expect((await rejection(env.receive())).message).toBe('enough');
  });
});

describe('close', () => {
  test('fails what is under way, kills a busy sidecar after a grace time, and may be called twice', async () => {
    const env = closing(await makeVectorEnv({ id: 'bridge_test_envs:Slow-v0' }));
    await env.reset();
    env.send([2]);
    const start = performance.now();
    const closed = env.close();
    expect(await rejection(env.receive())).toBeInstanceOf(EnvClosedError);
    await closed;
    expect(performance.now() - start).toBeLessThan(30_000); // the grace time is 2 s, and the step takes 600 s
    expect(hasEnded(env.info.pid)).toBe(true);
    await env.close();
    expect(await rejection(env.reset())).toBeInstanceOf(EnvClosedError);
  });
});

describe('a blocked event loop', () => {
  let file: string;
  beforeEach(() => {
    file = join(temporary.path, 'stepped');
    process.env.BRIDGE_TEST_FILE = file;
  });
  afterEach(() => {
    delete process.env.BRIDGE_TEST_FILE;
    rmSync(file, { force: true });
  });

  test('never keeps the sidecar from working: it steps while the loop is blocked right after send()', async () => {
    const env = closing(await makeVectorEnv({ id: 'bridge_test_envs:Touching-v0' }));
    await env.reset();
    for (let step = 1; step <= 100; step++) {
      rmSync(file, { force: true });
      env.send([0]);
      blockUntil(`it stepped before the loop turned, in step ${step}`, () => existsSync(file));
      block(1); // so that, mostly, the answer is there before anyone asks for it
      await env.receive();
    }
  });

  test('does not make an answer late that came in time', async () => {
    const timeoutMs = 2000;
    const env = closing(await makeVectorEnv({ id: 'bridge_test_envs:Touching-v0', timeoutMs }));
    await env.reset();
    env.send([0]);
    const start = performance.now();
    blockUntil('it answered', () => existsSync(file) && isAsleep(env.info.pid));
    blockUntil('the time limit passed', () => performance.now() - start > 1.5 * timeoutMs);
    expect((await env.receive()).finished).toEqual([]);
  });
});

/** A sidecar started by hand at a known address, and a way to talk to it without the client. */
async function rawSidecar(): Promise<{ child: ChildProcess; connect(): Dealer }> {
  const folder = mkdtempSync(join(temporary.path, 'raw-'));
  const child = spawn(python, ['-m', 'gymnasium_js_bridge', '--endpoint', `ipc://${folder}/s`], {
    cwd: sidecarFolder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const sockets: Dealer[] = [];
  onTestFinished(async () => {
    for (const socket of sockets) socket.close();
    const ended = once(child, 'exit');
    child.kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  const { endpoint } = JSON.parse(line) as { endpoint: string };
  return {
    child,
    connect() {
      const socket = new Dealer({ linger: 0, receiveTimeout: 60_000 });
      socket.connect(endpoint);
      sockets.push(socket);
      return socket;
    },
  };
}

async function ask(socket: Dealer, ...frames: Uint8Array[]): Promise<Record<string, unknown>> {
  await socket.send(frames);
  const [header] = await socket.receive();
  return decode(header!) as Record<string, unknown>;
}

/** Waits until the other end drops the connection. */
async function disconnection(socket: Dealer): Promise<void> {
  for await (const { type } of socket.events) if (type === 'disconnect') return;
}

describe('the protocol on the wire', () => {
  test('answers malformed messages with an error and goes on', async () => {
    const { connect } = await rawSidecar();
    const socket = connect();
    expect(await ask(socket, encode({ id: 1, op: 'ping' }))).toMatchObject({
      id: 1,
      ok: false,
      error: { kind: 'protocol' },
    });
    expect(await ask(socket, encode({ id: 2, op: 'hello', protocol: 99 }))).toMatchObject({
      id: 2,
      ok: false,
      error: { kind: 'version', message: expect.stringContaining(`protocol ${PROTOCOL_VERSION}, the client 99`) },
    });
    expect(errorFrom({ kind: 'version', type: '', message: '', traceback: '', details: {} })).toBeInstanceOf(
      ProtocolMismatchError,
    );
    expect(await ask(socket, encode({ id: 3, op: 'hello', protocol: PROTOCOL_VERSION }))).toMatchObject({
      id: 3,
      ok: true,
      protocol: PROTOCOL_VERSION,
    });

    const unreadable: Uint8Array[][] = [
      [new Uint8Array(0)],
      [Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff)], // an array that claims 4 G entries
      [Uint8Array.of(0xc6, 0xff, 0xff, 0xff, 0xff)], // bytes that claim 4 GB
      [new Uint8Array(100_000).fill(0x91)], // 100,000 arrays in each other
      [encode({ id: 4, op: 'ping' }), encode({ id: 5, op: 'ping' })],
      [encode([1, 2])],
      [encode({ id: '4', op: 'ping' })],
      [encode({ id: 4 })],
    ];
    for (const frames of unreadable) {
      expect(await ask(socket, ...frames)).toMatchObject({ id: null, ok: false, error: { kind: 'protocol' } });
    }
    const wrong: [string, Record<string, unknown>, string][] = [
      ['dance', {}, 'unknown op "dance"'],
      ['step', { actions: new Uint8Array(4) }, 'field "batch"'],
      ['step', { batch: 0, actions: new Uint8Array(4) }, '"make" comes before'],
      ['make', { batch: 0 }, 'field "kind"'],
      ['make', { batch: 0, kind: 'board', name: 'x', numEnvs: 1, settings: {} }, 'kind "board"'],
      ['make', { batch: 0, kind: 'board', name: 'x', numEnvs: 5000, settings: {} }, '1 to 4096 environments'],
    ];
    for (const [op, fields, message] of wrong) {
      const reply = await ask(socket, encode({ id: 6, op, ...fields }));
      expect(reply).toMatchObject({ id: 6, ok: false, error: { message: expect.stringContaining(message) } });
    }

    const made = { id: 7, op: 'make', batch: 0, kind: 'gymnasium', name: 'CartPole-v1', numEnvs: 2, settings: {} };
    expect(await ask(socket, encode(made))).toMatchObject({ ok: true, numActions: 2 });
    const int32 = (...numbers: number[]) => new Uint8Array(Int32Array.from(numbers).buffer);
    const start = { id: 8, op: 'reset', batch: 0, mask: Uint8Array.of(1, 1), seeds: int32(1, 2) };
    expect(await ask(socket, encode(start))).toMatchObject({ ok: true });
    for (const actions of [int32(0), int32(0, 2), int32(-1, 0), Uint8Array.of(1), 'left', [0, 1]]) {
      const reply = await ask(socket, encode({ id: 9, op: 'step', batch: 0, actions, nextSeeds: int32(3, 4) }));
      expect(reply).toMatchObject({ id: 9, ok: false, error: { kind: 'protocol' } });
    }
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
        expect(await ask(socket, bytes)).toMatchObject({ ok: false });
      }),
      { numRuns: 200 },
    );
    expect(
      await ask(socket, encode({ id: 10, op: 'step', batch: 0, actions: int32(0, 1), nextSeeds: int32(3, 4) })),
    ).toMatchObject({
      id: 10,
      ok: true,
    });
  });

  test('drops the connection of a peer that sends too much, and serves the others', async () => {
    const { child, connect } = await rawSidecar();
    const good = connect();
    expect(await ask(good, encode({ id: 1, op: 'hello', protocol: PROTOCOL_VERSION }))).toMatchObject({ ok: true });
    const bad = connect();
    expect(await ask(bad, encode({ id: 1, op: 'hello', protocol: PROTOCOL_VERSION }))).toMatchObject({ ok: true });
    const dropped = disconnection(bad);
    await bad.send(new Uint8Array(MAX_REQUEST_BYTES + 1));
    await dropped;
    bad.receiveTimeout = 0;
    await expect(bad.receive()).rejects.toThrow(); // nothing was answered
    expect(await ask(good, encode({ id: 2, op: 'ping' }))).toMatchObject({ id: 2, ok: true });
    expect(child.exitCode).toBeNull();
  });

  test('listens in a folder that only its user can enter, gone once the client is connected', async () => {
    const sidecar = await startSidecar({ startTimeoutMs: 60_000 });
    onTestFinished(() => sidecar.kill());
    const folder = dirname(sidecar.endpoint.replace('ipc://', ''));
    expect(folder.startsWith(temporary.path)).toBe(true);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const socket = new Dealer({ linger: 0, receiveTimeout: 60_000 });
    onTestFinished(() => socket.close());
    socket.connect(sidecar.endpoint);
    expect(await ask(socket, encode({ id: 1, op: 'hello', protocol: PROTOCOL_VERSION, token: 'guess' }))).toMatchObject(
      { ok: false },
    );
    expect(
      await ask(socket, encode({ id: 2, op: 'hello', protocol: PROTOCOL_VERSION, token: sidecar.token })),
    ).toMatchObject({
      ok: true,
    });
    expect(statSync(folder, { throwIfNoEntry: false })).toBeUndefined();
    sidecar.kill();
    expect((await sidecar.exited).signal).toBe('SIGKILL');
  });

  test('goes over loopback where the path would be too long, and knows its client by the token', async () => {
    const long = join(temporary.path, 'x'.repeat(100));
    mkdirSync(long);
    process.env.TMPDIR = long;
    onTestFinished(() => {
      process.env.TMPDIR = temporary.path;
      rmSync(long, { recursive: true });
    });
    const sidecar = await startSidecar({ startTimeoutMs: 60_000 });
    onTestFinished(() => sidecar.kill());
    expect(sidecar.endpoint).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/);
    const stranger = new Dealer({ linger: 0, receiveTimeout: 60_000 });
    onTestFinished(() => stranger.close());
    stranger.connect(sidecar.endpoint);
    const reply = await ask(stranger, encode({ id: 1, op: 'hello', protocol: PROTOCOL_VERSION }));
    expect(reply).toMatchObject({ ok: false, error: { message: 'hello with a wrong token' } });
    const env = closing(await makeVectorEnv({ id: 'CartPole-v1' }));
    expect((await env.reset()).observations.length).toBe(4);
  });
});
