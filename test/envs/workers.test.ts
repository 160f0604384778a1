// Workers that connect over CURVE, as on other machines, here over loopback.
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { encode } from '@msgpack/msgpack';
import {
  type EnvFault,
  makeVectorEnv,
  NoWorkerError,
  SidecarTimeoutError,
  type VectorEnv,
  type VectorEnvOptions,
  WorkerLostError,
} from 'gymnasium-js-bridge';
import { describe, expect, test } from 'vitest';
import { curveKeyPair } from 'zeromq';
import { encodeRequest, PROTOCOL_VERSION } from '../../envs/src/protocol.ts';
import { Generator } from '../../src/random/index.ts';
import { printed, processes, type Started, signal } from '../processes.ts';
import { until } from '../until.ts';
import { closing, hasEnded, rejection, sha256, useOwnTemporaryFolder } from './helpers.ts';
import {
  addressIn,
  connectAs,
  fieldsOf,
  joinMessage,
  listenAs,
  newKeys,
  sessionOf,
  startBridge,
  startWorker,
} from './workers.ts';

useOwnTemporaryFolder();
const keys = newKeys();

/** A trainer in this process whose environments are on workers; `ready` once those are there. */
function trainer(options: VectorEnvOptions, count: number, more: { listen?: string; waitMs?: number } = {}) {
  const notes: string[] = [];
  const faults: EnvFault[] = [];
  const workers = { count, listen: 'tcp://127.0.0.1:*', keyFile: keys.trainerFile, ...more };
  const ready = makeVectorEnv({
    ...{ maxRestarts: 3, onFault: (fault: EnvFault) => void faults.push(fault) },
    ...options,
    workers: { ...workers, onNote: (line: string) => notes.push(line) },
  }).then(closing);
  ready.catch(() => {});
  const address = async () => {
    await until('the trainer listens', () => addressIn(notes.join('\n')) !== undefined);
    return addressIn(notes.join('\n'))!;
  };
  return { ready, notes, faults, address };
}

const kill = (worker: Started, name: NodeJS.Signals) => signal(sessionOf(worker)!, name);

/** Everything that steps with seeded random actions show, a text a step. */
async function play(env: VectorEnv, steps: number, before?: (step: number) => unknown): Promise<string[]> {
  const random = new Generator(1, 'actions');
  const shown: string[] = [];
  await env.reset();
  for (let step = 0; step < steps; step++) {
    await before?.(step);
    const result = await env.step(Array.from({ length: env.numEnvs }, () => random.integer(env.actionSpace.n)));
    shown.push(JSON.stringify(result, (_, value) => (ArrayBuffer.isView(value) ? sha256(value as Uint8Array) : value)));
  }
  await env.close();
  return shown;
}

describe('two workers', () => {
  const options = { game: 'Enduro', seed: 5, numEnvs: 3, maxEpisodeFrames: 200, stickyActionProbability: 0.25 };
  const steps = 150;

  test('show what one sidecar shows, lose sessions, are taken over, and serve the next trainer', async () => {
    const expected = await play(closing(await makeVectorEnv(options)), steps);

    const first = trainer(options, 2);
    const address = await first.address();
    const workers = [startWorker(address, keys.workerFile), startWorker(address, keys.workerFile)];
    const env = await first.ready;
    expect(env.info.packages).toHaveProperty('ale-py');
    // Killed in turn: the process with the environments, which comes back.
    const random = new Generator(2, 'kills');
    const killAt = new Map(workers.map((worker) => [random.integer(steps), worker] as const));
    expect(await play(env, steps, (step) => killAt.has(step) && kill(killAt.get(step)!, 'SIGKILL'))).toEqual(expected);
    expect(first.faults.map(({ error }) => error)).toEqual([expect.any(WorkerLostError), expect.any(WorkerLostError)]);
    expect(first.faults[0]!.error.message).toMatch(
      /^the worker on \S+ \(process \d+\) was lost during "step": its connection has ended$/,
    );

    // The next trainer, at the same address. One worker goes for good: the other takes its environments over.
    const second = trainer(options, 2, { listen: address });
    const again = await second.ready;
    // Started anew later, it gets some of them back.
    const shown = await play(again, steps, async (step) => {
      if (step === 40) signal(workers[0]!.pid, 'SIGKILL');
      if (step !== 80) return;
      const come = () => second.notes.filter((line) => line.startsWith('a worker has come')).length;
      const before = come();
      workers.push(startWorker(address, keys.workerFile));
      await until('the new worker has come', () => come() > before);
    });
    expect(second.notes).toContainEqual(
      expect.stringMatching(/^moving environments from the worker on .* to one that stands by$/),
    );
    expect(shown).toEqual(expected);
    expect(second.faults).toHaveLength(1);
    await until('nothing of the killed worker is left', () =>
      processes().every(({ group }) => group !== workers[0]!.pid),
    );

    // The other one ends when it is asked to, with nothing left.
    signal(workers[1]!.pid, 'SIGTERM');
    expect(await workers[1]!.ended).toMatchObject({ code: 0, stdout: '' });
    expect(workers[1]!.output.stderr).toMatch(/^worker: waiting for the trainer at tcp:\S+\nworker: joined .*/);
    expect(workers[1]!.output.stderr.trim().split('\n').at(-1)).toBe('worker: stopped');
    expect(processes().filter(({ group }) => group === workers[1]!.pid)).toEqual([]);
  });
});

describe('a worker', () => {
  test('that is slow is given up and ends its process; another takes over; Ctrl-C ends a worker', async () => {
    const slow = trainer({ id: 'bridge_test_envs:Slow-v0', timeoutMs: 2000, maxRestarts: 1 }, 1);
    const worker = startWorker(await slow.address(), keys.workerFile);
    const env = await slow.ready;
    await env.reset();
    const session = sessionOf(worker)!;
    const error = await rejection(env.step([2])); // each time
    expect(error).toBeInstanceOf(SidecarTimeoutError);
    expect(error.message).toMatch(/^the worker on .* did not answer "step" within 2000 ms, so it was given up$/);
    expect(slow.faults).toMatchObject([{ restart: 1, error: expect.any(SidecarTimeoutError) }]);
    await until('its process ended', () => hasEnded(session));
    await printed(worker, 'starting another');
    expect(worker.output.stderr).toContain('worker: its process ended (an environment did not come back in time)');
    await env.close();
    signal(worker.pid, 'SIGINT');
    expect((await worker.ended).code).toBe(0);
  });

  test('of another version, or with other packages than the first one, is sent away with one line', async () => {
    const stop = new AbortController();
    const { ready, notes, address } = trainer({ id: 'CartPole-v1', numEnvs: 2, signal: stop.signal }, 2);
    const old = connectAs(await address(), keys.worker);
    await old.send(joinMessage(PROTOCOL_VERSION - 1));
    const reason =
      `the worker on test speaks protocol ${PROTOCOL_VERSION - 1}, the trainer ${PROTOCOL_VERSION}; install the same ` +
      'version of gymnasium-js-bridge on both';
    expect(fieldsOf((await old.receive())[0]!)).toMatchObject({ op: 'refuse', reason });
    expect(notes.at(-1)).toBe(reason);

    const made = (numpy: string) => ({
      observation: { shape: [4], dtype: 'float32', low: 0, high: 1 },
      ...{ numActions: 2, settings: { id: 'CartPole-v1' }, packages: { numpy } },
    });
    const workers = [connectAs(await address(), keys.worker), connectAs(await address(), keys.worker)];
    for (const [i, worker] of workers.entries()) {
      await worker.send(joinMessage(PROTOCOL_VERSION));
      const { id, ...request } = fieldsOf((await worker.receive())[0]!);
      expect(request).toMatchObject({ op: 'make', kind: 'gymnasium', name: 'CartPole-v1', numEnvs: 1 });
      await worker.send(encode({ id, ok: true, ...made(i === 0 ? '2.0' : '1.9') }));
    }
    const difference = 'it has numpy 1.9, the first worker 2.0: install the same version on both';
    expect(fieldsOf((await workers[1]!.receive())[0]!)).toMatchObject({ op: 'refuse', reason: difference });
    await until('the trainer says so', () => notes.at(-1)!.endsWith(difference));

    // A late answer of one that was sent away is nothing to tell of.
    await workers[1]!.send(encode({ id: 0, ok: true }));
    await workers[1]!.send(joinMessage(PROTOCOL_VERSION));
    await until('it has come again', () => notes.at(-1)!.startsWith('a worker has come'));
    expect(notes.join('\n')).not.toContain('left a message');

    stop.abort(new Error('enough'));
    expect((await rejection(ready)).message).toBe('enough');
  });

  test('that lacks a package ends the start with the mend, and tells of which machine', async () => {
    const { ready, address } = trainer({ id: 'CartPole-v1' }, 1);
    const bare = connectAs(await address(), keys.worker);
    await bare.send(joinMessage(PROTOCOL_VERSION));
    const { id } = fieldsOf((await bare.receive())[0]!);
    const details = { packages: ['gymnasium>=1.4'] };
    const error = { kind: 'missing-packages', type: 'MissingPackages', message: 'm', traceback: '', details };
    await bare.send(encode({ id, ok: false, error }));
    const { name, message, ...rest } = await rejection(ready);
    expect({ name, message, ...rest }).toMatchObject({
      ...{ name: 'SidecarStartError', message: 'the worker on test (process 1): m' },
      missingPackages: details.packages,
    });
  });

  test('says so where its trainer refuses it, and ends with exit code 2', async () => {
    const socket = await listenAs(keys.trainer);
    const worker = startWorker(socket.lastEndpoint!, keys.workerFile);
    const [identity, hello] = await socket.receive();
    expect(fieldsOf(hello!)).toMatchObject({ op: 'join', protocol: PROTOCOL_VERSION });
    await socket.send([identity!, encodeRequest(0, 'refuse', { reason: 'too old\u001b[2J' })]);
    const { code, stderr } = await worker.ended;
    expect(code).toBe(2);
    expect(stderr.trim().split('\n').at(-1)).toBe('worker: the trainer sends this worker away: too old?[2J');
  });

  test('with a key that the trainer does not know ends with one line on both sides', async () => {
    const stop = new AbortController();
    const { ready, notes, address } = trainer({ id: 'CartPole-v1', signal: stop.signal }, 1);
    const strange = join(dirname(keys.workerFile), 'strange.key');
    const pair = { ...curveKeyPair(), trainer: keys.trainer.publicKey };
    writeFileSync(strange, JSON.stringify(pair), { mode: 0o600 });
    const worker = startWorker(await address(), strange);
    const { code, stderr } = await worker.ended;
    expect(code).toBe(2);
    expect(stderr.trim().split('\n').at(-1)).toMatch(/^worker: the trainer at .* does not know this worker's key/);
    expect(notes.at(-1)).toBe(`refused a worker at 127.0.0.1: its key is not in ${keys.trainerFile}`);
    stop.abort(new Error('enough'));
    await rejection(ready);
  });
});

test('no worker in time is one line', async () => {
  const { ready } = trainer({ id: 'CartPole-v1' }, 1, { waitMs: 50 });
  const error = await rejection(ready);
  expect(error).toBeInstanceOf(NoWorkerError);
  expect(error.message).toMatch(/^no worker came to tcp:\/\/127\.0\.0\.1:\d+ within 0\.05 s: start one with "npx /);
});

describe('keys', () => {
  const folder = dirname(keys.trainerFile);

  test('are for their owner alone, and never overwritten', async () => {
    const made = await startBridge('keys', join(folder, 'more')).ended;
    expect(made).toMatchObject({ code: 0, stderr: '' });
    const files = ['trainer.key', 'worker.key'].map((name) => join(folder, 'more', name));
    for (const file of files) {
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(made.stdout).toContain(file);
    }
    const before = files.map((file) => readFileSync(file, 'utf8'));
    for (const secret of before.map((text) => JSON.parse(text).secretKey)) expect(made.stdout).not.toContain(secret);
    const again = await startBridge('keys', join(folder, 'more')).ended;
    expect(again).toMatchObject({ code: 2, stdout: '' });
    expect(again.stderr).toBe(
      `gymnasium-js-bridge: ${files[0]} is there already, and keys are never overwritten: name another folder\n`,
    );
    expect(files.map((file) => readFileSync(file, 'utf8'))).toEqual(before);
  });

  test('that others can read, that are others, or are missing, are refused by trainer and worker', async () => {
    const open = join(folder, 'open.key');
    writeFileSync(open, readFileSync(keys.trainerFile));
    chmodSync(open, 0o640);
    const worker = (file: string) => startWorker('tcp://127.0.0.1:1', file).ended;
    const trainerWith = (keyFile: string) =>
      rejection(makeVectorEnv({ id: 'CartPole-v1', workers: { listen: 'tcp://127.0.0.1:*', keyFile } }));
    expect((await trainerWith(open)).message).toBe(
      `${open} can be read by other users of this machine: run "chmod 600 ${open}"`,
    );
    expect((await trainerWith(keys.workerFile)).message).toContain(`${keys.workerFile} is no key file of a trainer`);
    const [readable, other, missing] = await Promise.all([open, keys.trainerFile, '/nowhere/worker.key'].map(worker));
    expect(readable).toMatchObject({
      ...{ code: 2, stdout: '' },
      stderr: `worker: ${open} can be read by other users of this machine: run "chmod 600 ${open}"\n`,
    });
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('is no key file of a worker: "npx ') });
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringMatching(/cannot be read: No such file.*\n$/) });
  });

  test.each<[string[], string]>([
    [[], 'no command: there are keys, worker'],
    [['start'], 'no command "start": there are keys, worker'],
    [['keys'], 'keys takes one folder: gymnasium-js-bridge keys FOLDER'],
    [['worker', '--key-file', 'x'], "--connect is missing: the trainer's address, such as tcp://192.168.1.5:7777"],
    [['worker', '--connect', 'tcp://x:1'], '--key-file is missing: the copy of worker.key from the trainer'],
    [['worker', '--key', 'x'], "Unknown option '--key'"],
  ])('are asked for in the right words: %j', async (args, text) => {
    const { code, stderr } = await startBridge(...args).ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(/^gymnasium-js-bridge: .*\n$/);
    expect(stderr).toContain(text);
  });
});
