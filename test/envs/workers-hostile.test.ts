// Peers without a key, and messages that are none: they get nothing, and nothing of it ends a process.
import { connect, createServer, type Socket } from 'node:net';
import { encode } from '@msgpack/msgpack';
import { BridgeError, makeVectorEnv, SidecarReplyError } from 'gymnasium-js-bridge';
import { describe, expect, onTestFinished, test } from 'vitest';
import { curveKeyPair, Dealer, Router } from 'zeromq';
import type { Connection } from '../../envs/src/connection.ts';
import { decodeReply, encodeRequest, PROTOCOL_VERSION } from '../../envs/src/protocol.ts';
import { makeSidecarEnvs } from '../../envs/src/sidecar-envs.ts';
import { Generator } from '../../src/random/index.ts';
import { until } from '../until.ts';
import { closing, hasEnded, rejection, useOwnTemporaryFolder } from './helpers.ts';
import { addressIn, connectAs, fieldsOf, joinMessage, listenAs, newKeys, sessionOf, startWorker } from './workers.ts';

useOwnTemporaryFolder();
const keys = newKeys();
const isLong = process.env.WEIGHTNORM_FAULTS === 'long';
const CONNECTIONS = isLong ? 10_000 : 1000;
const MESSAGES = 10_000;
/** How long the trainer may take to answer a stranger: far longer than it takes to answer a worker, in ms. */
const SILENCE_MS = 500;

/** A trainer in this process that waits for workers; it is sent home when the test is over. */
async function waitingTrainer() {
  const notes: string[] = [];
  const stop = new AbortController();
  const onNote = (line: string) => notes.push(line);
  const workers = { listen: 'tcp://127.0.0.1:*', keyFile: keys.trainerFile, onNote };
  const ready = makeVectorEnv({ id: 'CartPole-v1', numEnvs: 2, maxRestarts: 3, signal: stop.signal, workers });
  ready.then(closing, () => {});
  onTestFinished(async () => {
    stop.abort(new Error('the test is over'));
    await ready.catch(() => {});
  });
  await until('the trainer listens', () => notes.length > 0);
  return { ready, notes, address: addressIn(notes[0]!)! };
}

function portOf(address: string): number {
  return Number(/:(\d+)$/.exec(address)![1]);
}

/** Writes to a port; what came back when the other side closed, or when it had been silent for a while. */
function talk(port: number, ...writes: Uint8Array[]): Promise<Buffer> {
  return new Promise((resolve) => {
    const heard: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => {
      for (const bytes of writes) socket.write(bytes);
    });
    const done = () => {
      socket.destroy();
      resolve(Buffer.concat(heard));
    };
    socket.on('data', (bytes) => heard.push(bytes));
    socket.on('error', done).on('close', done).setTimeout(SILENCE_MS, done);
  });
}

const bytes = (random: Generator, length: number) => Uint8Array.from({ length }, () => random.integer(256));

/** The first 64 bytes of a ZMTP 3.1 peer that wants CURVE. */
const greeting = Buffer.concat([
  Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1]),
  Buffer.concat([Buffer.from('CURVE'), Buffer.alloc(15)]),
  Buffer.alloc(32),
]);

/** A message with a few bytes changed, or cut, or with others behind it. */
function mutated(random: Generator, message: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(message);
  const changes = 1 + random.integer(4);
  for (let i = 0; i < changes; i++) copy[random.integer(copy.length)] = random.integer(256);
  const kind = random.integer(4);
  if (kind === 0) return copy.subarray(0, random.integer(copy.length));
  if (kind === 1) return Buffer.concat([copy, bytes(random, random.integer(40))]);
  return copy;
}

describe('whoever has no key', () => {
  test('reads and sends nothing: without CURVE, with another key, with another idea of the trainer', async () => {
    const { notes, address } = await waitingTrainer();
    const plain = new Dealer({ linger: 0 });
    plain.connect(address);
    const stranger = connectAs(address, { ...curveKeyPair(), trainer: keys.trainer.publicKey });
    const mistaken = connectAs(address, { ...keys.worker, trainer: curveKeyPair().publicKey });
    onTestFinished(() => plain.close());
    for (const socket of [plain, stranger, mistaken]) {
      socket.receiveTimeout = SILENCE_MS;
      // What a worker says when it comes, then an answer and actions as if it had been let in.
      for (const message of [
        joinMessage(PROTOCOL_VERSION),
        encode({ id: 1, ok: true, numActions: 2 }),
        encodeRequest(2, 'step', { actions: Int32Array.of(1, 1) }),
      ])
        await socket.send(message);
    }
    for (const socket of [plain, stranger, mistaken]) await expect(socket.receive()).rejects.toThrow();
    // Raw bytes get those that any ZeroMQ peer sends first, and none of this program's words.
    for (const words of [greeting, Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.from(joinMessage(PROTOCOL_VERSION))]) {
      const heard = await talk(portOf(address), words);
      expect(heard.length).toBeLessThanOrEqual(128);
      expect(heard.toString('latin1')).not.toMatch(/make|CartPole|gymnasium/);
    }
    expect(notes.filter((line) => line.includes('has come'))).toEqual([]);
    expect(notes).toContain(`refused a worker at 127.0.0.1: its key is not in ${keys.trainerFile}`);
    // The door is still open for those who have it.
    const worker = connectAs(address, keys.worker);
    await worker.send(joinMessage(PROTOCOL_VERSION));
    expect(fieldsOf((await worker.receive())[0]!)).toMatchObject({ op: 'make', name: 'CartPole-v1' });
  });

  test('hears no word of a worker, whose address or place it has taken', async () => {
    const impostor = new Router({ linger: 0, receiveTimeout: SILENCE_MS });
    const other = await listenAs(curveKeyPair());
    onTestFinished(() => impostor.close());
    await impostor.bind('tcp://127.0.0.1:*');
    other.receiveTimeout = SILENCE_MS;
    const workers = [impostor, other].map((socket) => startWorker(socket.lastEndpoint!, keys.workerFile));
    for (const worker of workers)
      await until('it says so', () => worker.output.stderr.includes('trying on'), worker.child);
    for (const socket of [impostor, other]) await expect(socket.receive()).rejects.toThrow();
  });

  test('that stands in between reads no observation and no action', async () => {
    const { ready, address } = await waitingTrainer();
    const seen: Buffer[] = [];
    const proxy = createServer((incoming: Socket) => {
      const outgoing = connect(portOf(address), '127.0.0.1');
      for (const [from, to] of [
        [incoming, outgoing],
        [outgoing, incoming],
      ] as const) {
        from.on('data', (data: Buffer) => {
          seen.push(data);
          to.write(data);
        });
        from.on('error', () => {}).on('close', () => to.destroy());
      }
    });
    onTestFinished(() => void proxy.close());
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.address() as { port: number };
    startWorker(`tcp://127.0.0.1:${port}`, keys.workerFile);
    const env = await ready;
    const { observations } = await env.reset();
    const { observations: next } = await env.step([0, 1]);
    const wire = Buffer.concat(seen);
    expect(wire.length).toBeGreaterThan(1000);
    for (const word of ['CartPole', 'actions', 'rewards', 'gymnasium']) expect(wire.includes(word)).toBe(false);
    for (const frame of [observations, next])
      expect(wire.includes(Buffer.from(frame.buffer as ArrayBuffer, frame.byteOffset, frame.byteLength))).toBe(false);
    await env.close();
  });
});

describe(`${MESSAGES} fuzzed messages`, () => {
  test('on raw connections end in refused connections', async () => {
    const { notes, address } = await waitingTrainer();
    const random = new Generator(1, 'raw');
    let left = CONNECTIONS;
    const each = async () => {
      while (left-- > 0) {
        const start = random.integer(3) === 0 ? Buffer.alloc(0) : greeting;
        const body = Array.from({ length: Math.ceil(MESSAGES / CONNECTIONS) }, () =>
          bytes(random, 1 + random.integer(60)),
        );
        await talk(portOf(address), start, ...body);
      }
    };
    await Promise.all(Array.from({ length: 50 }, each));
    // Few lines, however many came, and none of a worker.
    expect(notes.length).toBeLessThan(100);
    expect(notes.filter((line) => line.includes('has come'))).toEqual([]);
    const worker = connectAs(address, keys.worker);
    await worker.send(joinMessage(PROTOCOL_VERSION));
    expect(fieldsOf((await worker.receive())[0]!)).toMatchObject({ op: 'make' });
  });

  test('of a peer with a key, to the trainer, end in lines and not in a crash', async () => {
    const { ready, notes, address } = await waitingTrainer();
    const random = new Generator(1, 'to the trainer');
    const patterns = [
      joinMessage(PROTOCOL_VERSION),
      encode({ id: 1, ok: true, numActions: 2, packages: {}, settings: { id: 'x' } }),
      encode({ id: null, ok: false, error: { kind: 'x', type: 'x', message: 'x', traceback: 'x', details: {} } }),
    ];
    const peer = connectAs(address, keys.worker);
    peer.sendHighWaterMark = 0;
    for (let i = 0; i < MESSAGES; i++) {
      const frames = Array.from({ length: 1 + random.integer(2) }, () =>
        random.integer(5) === 0
          ? bytes(random, random.integer(80))
          : mutated(random, patterns[random.integer(patterns.length)]!),
      );
      await peer.send(frames);
    }
    // Some came as workers by chance, were given environments to make, and answered nonsense.
    const error = await rejection(ready);
    expect(error).toBeInstanceOf(SidecarReplyError);
    expect(error.message).toMatch(/^the worker on .*$/);
    expect(notes.length).toBeLessThan(100);
  });

  test('as answers to the trainer are environments, or errors of the bridge', async () => {
    const random = new Generator(1, 'answers');
    const made = {
      ...{ observation: { shape: [4], dtype: 'float32', low: 0, high: 1 }, numActions: 2, actionMeanings: null },
      ...{ settings: { kind: 'gymnasium', id: 'x' }, packages: {}, rom: null, framesPerSecond: null },
    };
    const stepped = {
      ...{ rewards: new Uint8Array(16), terminated: Uint8Array.of(1, 0), truncated: new Uint8Array(2) },
      ...{ lives: new Uint8Array(8), lengthFrames: new Uint8Array(4) },
    };
    const answers: Record<string, [header: object, frames: number[]]> = {
      make: [made, []],
      reset: [{ lives: new Uint8Array(8) }, [32]],
      step: [stepped, [32, 16]],
    };
    let [good, bad] = [0, 0];
    for (let i = 0; i < MESSAGES; i++) {
      const spoilt = ['make', 'reset', 'step'][random.integer(3)];
      let failed: unknown;
      const connection: Connection = {
        async request(op) {
          if (failed !== undefined) throw failed;
          const [fields, sizes] = answers[op]!;
          const header = encode({ id: 1, ok: true, ...fields });
          const frames = sizes.map((size) => new Uint8Array(size));
          if (op !== spoilt) return decodeReply([header, ...frames]);
          const change = random.integer(3);
          if (change === 0 && frames.length > 0)
            frames[random.integer(frames.length)] = bytes(random, random.integer(64));
          if (change === 1) frames.pop();
          return decodeReply([change === 2 ? mutated(random, header) : header, ...frames]);
        },
        fail: (error) => {
          failed = error;
        },
        close: async () => {},
      };
      const asked = { kind: 'gymnasium', name: 'x', settings: {}, numThreads: 0, numEnvs: 2, batch: 0 } as const;
      const hello = { protocol: PROTOCOL_VERSION, pid: 1, python: '3' };
      try {
        const envs = await makeSidecarEnvs(connection, hello, { ...asked, startTimeoutMs: 1, timeoutMs: 1 });
        const elements = envs.observationSpace.shape.reduce((a, b) => a * b, 2);
        const { observations } = await envs.reset([true, true], Int32Array.of(1, 2));
        expect(observations.length).toBe(elements);
        const step = await envs.step(Int32Array.of(0, 1), Int32Array.of(3, 4));
        expect([step.observations.length, step.rewards.length, step.lives.length]).toEqual([elements, 2, 2]);
        good++;
      } catch (error) {
        expect(error).toBeInstanceOf(BridgeError);
        expect((error as Error).message).not.toContain('\n');
        bad++;
      }
    }
    expect(Math.min(good, bad)).toBeGreaterThan(MESSAGES / 10);
  });

  test('to a worker, of a trainer with the right key, are answered with errors by the same process', async () => {
    const socket = await listenAs(keys.trainer);
    const worker = startWorker(socket.lastEndpoint!, keys.workerFile);
    const [identity] = await socket.receive();
    const session = sessionOf(worker)!;
    const random = new Generator(1, 'to a worker');
    const make = { batch: 0, kind: 'gymnasium', name: 'CartPole-v1', numEnvs: 2, numThreads: 0, settings: {} };
    const ask = async (id: number, op: string, fields: Record<string, unknown>) => {
      await socket.send([identity!, encodeRequest(id, op, fields)]);
      for (;;) {
        const answer = fieldsOf((await socket.receive())[1]!);
        if (answer.id === id) return answer;
      }
    };
    expect(await ask(1, 'make', make)).toMatchObject({ ok: true });
    const two = { batch: 0, mask: Uint8Array.of(1, 1), seeds: Int32Array.of(1, 2) };
    expect(await ask(2, 'reset', two)).toMatchObject({ ok: true });
    const patterns = [
      encodeRequest(3, 'reset', two),
      encodeRequest(4, 'step', { batch: 0, actions: Int32Array.of(0, 1), nextSeeds: Int32Array.of(1, 2) }),
      encodeRequest(5, 'make', { ...make, kind: 'none', batch: 1 }),
      encodeRequest(6, 'drop', { batch: 7 }),
    ];
    for (let i = 0; i < MESSAGES; i += 100) {
      for (let j = 0; j < 100; j++) {
        const message =
          random.integer(5) === 0
            ? bytes(random, random.integer(60))
            : mutated(random, patterns[random.integer(patterns.length)]!);
        await socket.send(random.integer(10) === 0 ? [identity!, message, message] : [identity!, message]);
      }
      for (let j = 0; j < 100; j++) {
        const answer = fieldsOf((await socket.receive())[1]!);
        expect(typeof answer.ok).toBe('boolean');
        if (answer.ok === false) expect(answer.error).toHaveProperty('message');
      }
    }
    expect(await ask(7, 'ping', {})).toMatchObject({ ok: true });
    expect(hasEnded(session)).toBe(false);
    expect(sessionOf(worker)).toBe(session);
  });
});
