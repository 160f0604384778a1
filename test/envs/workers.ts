// Workers as a user starts them, and sockets as whoever has keys, or has none, opens them.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decode, encode } from '@msgpack/msgpack';
import { afterAll, onTestFinished } from 'vitest';
import { Dealer, Router } from 'zeromq';
import { makeKeys, type TrainerKeys, type WorkerKeys } from '../../envs/src/worker-keys.ts';
import { descendants, type Started, startGroup } from '../processes.ts';

const command = fileURLToPath(new URL('../../envs/bin/gymnasium-js-bridge.mjs', import.meta.url));

/** The paths and contents of the keys of a trainer and its workers. */
export interface Keys {
  trainerFile: string;
  workerFile: string;
  trainer: TrainerKeys;
  worker: WorkerKeys;
}

/** New keys in a folder that goes when the tests of the file are over. */
export function newKeys(): Keys {
  const folder = mkdtempSync(join(tmpdir(), 'worker-keys-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const { trainer, worker } = makeKeys(folder);
  const read = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
  return { trainerFile: trainer, workerFile: worker, trainer: read(trainer), worker: read(worker) };
}

/** Runs the bridge's own command. `npm test` has built it. */
export function startBridge(...args: string[]): Started {
  return startGroup(process.execPath, [command, ...args]);
}

/** Starts a worker; what is left of it is killed when the test ends. */
export function startWorker(address: string, keyFile: string): Started {
  return startBridge('worker', '--connect', address, '--key-file', keyFile);
}

/** The process of a worker that runs environments now. */
export function sessionOf({ pid }: Pick<Started, 'pid'>): number | undefined {
  return descendants(pid).find(({ command }) => command.includes('gymnasium_js_bridge.session'))?.pid;
}

/** The address that a trainer says it listens at. */
export function addressIn(lines: string): string | undefined {
  return /waiting for workers at (tcp:\S+)/.exec(lines)?.[1];
}

/** A socket that connects as a worker does, with these keys. */
export function connectAs(address: string, { publicKey, secretKey, trainer }: WorkerKeys): Dealer {
  const socket = new Dealer({
    ...{ linger: 0, receiveTimeout: 60_000 },
    ...{ curvePublicKey: publicKey, curveSecretKey: secretKey, curveServerKey: trainer },
  });
  onTestFinished(() => socket.close());
  socket.connect(address);
  return socket;
}

/** A socket that listens as a trainer does, with these keys; it lets everybody in who knows its public key. */
export async function listenAs({ secretKey }: Pick<TrainerKeys, 'secretKey'>): Promise<Router> {
  const socket = new Router({ linger: 0, receiveTimeout: 60_000, curveServer: true, curveSecretKey: secretKey });
  onTestFinished(() => socket.close());
  await socket.bind('tcp://127.0.0.1:*');
  return socket;
}

/** What a worker says when it comes. */
export const joinMessage = (protocol: number) => encode({ op: 'join', protocol, pid: 1, host: 'test', python: '3' });

export const fieldsOf = (frame: Uint8Array) => decode(frame) as Record<string, unknown>;
