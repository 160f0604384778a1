import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { makeVectorEnv } from 'gymnasium-js-bridge';
import type { Benchmark, Plan, PrepareOptions, Variant } from './plan.ts';
import { bridgeTurn } from './sidecar.ts';

const GAME = 'Enduro';
const NUM_ENVS = 8;
const PROCESSES = 2;

export const workers: Benchmark = {
  about: 'emulation in one sidecar, in two on this machine, and in two workers over TCP with CURVE on loopback',
  rounds: 8,
  turnSeconds: 0.7,
  seconds: 60,
  prepare,
};

async function prepare({ note, defer }: PrepareOptions): Promise<Plan> {
  note('starting emulators and workers');
  const folder = mkdtempSync(join(tmpdir(), 'benchmark-keys-'));
  defer(async () => rmSync(folder, { recursive: true }));
  const bridge = join(dirname(createRequire(import.meta.url).resolve('gymnasium-js-bridge')), '../bin');
  const start = (...args: string[]) =>
    spawn(process.execPath, [join(bridge, 'gymnasium-js-bridge.mjs'), ...args], { stdio: 'ignore' });
  await ended(start('keys', folder));

  const options = { game: GAME, seed: 1, numEnvs: NUM_ENVS, frameStack: 1 };
  const startWorkers = (line: string) => {
    const address = /waiting for workers at (\S+)/.exec(line)?.[1];
    if (address === undefined) return;
    for (let i = 0; i < PROCESSES; i++) {
      const worker = start('worker', '--connect', address, '--key-file', join(folder, 'worker.key'));
      defer(async () => {
        worker.kill('SIGTERM');
        await ended(worker);
      });
    }
  };
  const remote = {
    ...{ count: PROCESSES, listen: 'tcp://127.0.0.1:*', keyFile: join(folder, 'trainer.key') },
    onNote: startWorkers,
  };
  const starting = {
    oneSidecar: makeVectorEnv(options),
    twoSidecars: makeVectorEnv({ ...options, workers: PROCESSES }),
    twoWorkers: makeVectorEnv({ ...options, workers: remote }),
  };
  for (const env of Object.values(starting)) {
    env.then((made) => defer(() => made.close())).catch(() => {});
  }
  const titles = { oneSidecar: 'one sidecar', twoSidecars: 'two sidecars', twoWorkers: 'two workers, TCP and CURVE' };
  const variants: Variant[] = [];
  for (const [name, env] of Object.entries(starting)) {
    variants.push({ name, title: titles[name as keyof typeof titles], turn: await bridgeTurn(await env) });
  }
  const ratio = (below: keyof typeof titles) => ({
    name: `oneOver${below[0]!.toUpperCase()}${below.slice(1)}`,
    title: `one sidecar / ${titles[below]}`,
    above: 'oneSidecar',
    below,
  });
  return {
    work: `one agent step (4 frames) of one of ${NUM_ENVS} environments of ${GAME}`,
    unit: 'us',
    settings: { game: GAME, numEnvs: NUM_ENVS, processes: PROCESSES },
    variants,
    ratios: [ratio('twoSidecars'), ratio('twoWorkers')],
  };
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}
