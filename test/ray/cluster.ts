// A real Ray cluster on this machine, for the tests.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { mainRoot, processes, signal } from '../processes.ts';

const python = join(mainRoot, '.venv-ray/bin/python');

/** Why a test is left out where Ray is not installed. */
export const NEEDS_RAY = 'needs Ray (npm run test:ray installs it into .venv-ray)';
export const hasRay = existsSync(python);

export const TOKEN = 'a-token-of-the-tests-that-no-other-cluster-has';

/** Ray gives up on a node whose agent needs more than 15 s to start, as it may on a busy machine. */
const STARTS = 4;

export interface Cluster {
  address: string;
  hasHead: boolean;
  /** Ray's ids of the nodes that are left, by their names. */
  nodes: Record<string, string>;
  /** Has cluster.py do something, and waits until it is done. */
  order(line: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a head without CPUs and nodes with one each, all on loopback, with a token. */
export async function startCluster(names: string[]): Promise<Cluster> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(names);
    } catch (error) {
      if (attempt === STARTS) throw error;
    }
  }
}

async function startOnce(names: string[]): Promise<Cluster> {
  // The paths of sockets below it are to be short.
  const folder = mkdtempSync('/tmp/ray-');
  mkdirSync(join(folder, 'ray')); // where Ray writes the head's address, and makes no folder for it
  const args = [join(mainRoot, 'test/ray/cluster.py'), folder, String(await freePort()), names.join(',')];
  const child = spawn(python, args, {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      RAY_TMPDIR: folder,
      RAY_AUTH_MODE: 'token',
      RAY_AUTH_TOKEN: TOKEN,
      RAY_USAGE_STATS_ENABLED: '0',
      // Where this says no, Ray's own default is loopback; else it would bind to the machine's address in its network.
      RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER: '0',
      RAY_raylet_start_wait_time_s: '120',
      // A node that is gone without a word is found out sooner.
      RAY_health_check_period_ms: '1000',
    },
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stop = async () => {
    child.stdin.end();
    await ended;
    for (const { pid, group } of processes()) if (group === child.pid) signal(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  };
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the cluster ended: ${errors}`);
    return JSON.parse(value);
  };
  try {
    const { ready, nodes } = await answer();
    const cluster: Cluster = {
      ...{ address: ready, nodes, hasHead: true, stop },
      async order(line) {
        child.stdin.write(`${line}\n`);
        await answer();
        if (line === 'head') cluster.hasHead = false;
        const [, removed] = /^remove (\w+)$/.exec(line) ?? [];
        if (removed !== undefined) delete nodes[removed];
      },
    };
    return cluster;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A port of loopback that nothing listens at. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
