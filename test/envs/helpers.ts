import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EnvSettings, ObservationArray, VectorEnv } from 'gymnasium-js-bridge';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import { findPython } from '../../envs/src/python.ts';
import { until } from '../until.ts';

export const python = findPython();
const pythonFolder = fileURLToPath(new URL('python', import.meta.url));

/**
 * Gives this test file a temporary folder of its own (TMPDIR) and lets sidecars find the test environments. When the
 * file's tests are over, no sidecar may run and the folder must be empty.
 */
export function useOwnTemporaryFolder(): { path: string } {
  const folder = { path: '' };
  const saved = { TMPDIR: process.env.TMPDIR, PYTHONPATH: process.env.PYTHONPATH };
  beforeAll(() => {
    // A socket's path has at most 107 bytes: where the folder for temporary files has a long one, the system's own.
    const parent = Buffer.byteLength(tmpdir()) > 50 ? '/tmp' : tmpdir();
    folder.path = mkdtempSync(join(parent, 'envs-'));
    process.env.TMPDIR = folder.path;
    process.env.PYTHONPATH = [pythonFolder, saved.PYTHONPATH].filter(Boolean).join(delimiter);
  });
  afterAll(async () => {
    await until('every sidecar ended', () => sidecarsIn(folder.path).length === 0);
    const left = { sidecars: sidecarsIn(folder.path), files: readdirSync(folder.path) };
    rmSync(folder.path, { recursive: true, force: true });
    for (const [name, value] of Object.entries(saved)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    expect(left).toEqual({ sidecars: [], files: [] });
  });
  return folder;
}

/** Closes `env` when the test is over. */
export function closing<E extends VectorEnv>(env: E): E {
  onTestFinished(() => env.close());
  return env;
}

/** Ids of the running sidecars whose TMPDIR is `folder`. */
export function sidecarsIn(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const runs = readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('gymnasium_js_bridge');
        return runs && readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`TMPDIR=${folder}`);
      } catch {
        return false; // gone meanwhile, or not ours
      }
    });
}

/** True when the process has ended (a zombie that nobody collected has, too). */
export function hasEnded(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

/** True when every thread of a process sleeps: it waits for something, and all that it had to do is done. */
export function isAsleep(pid: number): boolean {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.every((thread) => /\) S /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')));
}

/** Keeps the event loop from turning, as a long native call does, without keeping a processor from others. */
export function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Keeps the event loop from turning until `holds`. */
export function blockUntil(what: string, holds: () => boolean): void {
  const start = performance.now();
  while (!holds()) {
    if (performance.now() - start > 60_000) throw new Error(`Not within 60 s: ${what}`);
    block(1);
  }
}

/** The error that `promise` rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  const outcome = await promise.then(
    () => undefined,
    (error) => error as Error,
  );
  expect(outcome, 'a rejection').toBeInstanceOf(Error);
  return outcome as Error;
}

export function sha256(data: ObservationArray): string {
  return createHash('sha256').update(data).digest('hex');
}

/** The part of a batch that belongs to environment `env`. */
export function rowOf(batch: ObservationArray, env: number, numEnvs: number): ObservationArray {
  const elements = batch.length / numEnvs;
  return batch.subarray(env * elements, (env + 1) * elements);
}

/** Actions for tests: [step][env], the same for environment i whatever the number of environments. */
export function actionTable(steps: number, numEnvs: number, numActions: number): number[][] {
  // A few steps at a time with the same action, so that games get somewhere.
  return Array.from({ length: steps }, (_, step) =>
    Array.from({ length: numEnvs }, (_, env) => {
      const hash = Math.imul(Math.floor(step / 3) + 1, 0x9e3779b1) ^ Math.imul(env + 1, 0x85ebca6b);
      return ((hash ^ (hash >>> 15)) >>> 3) % numActions;
    }),
  );
}

/** What one environment showed in one step, as oracle.py writes it. */
export type StepRecord = [string, number, boolean, boolean, number, string | null, number | null, number | null];
export interface Trace {
  first: string[];
  steps: StepRecord[][];
}

/** Plays `actions` through the bridge from a first reset on. */
export async function play(env: VectorEnv, actions: number[][]): Promise<Trace> {
  const n = env.numEnvs;
  const start = await env.reset();
  const first = Array.from({ length: n }, (_, i) => sha256(rowOf(start.observations, i, n)));
  const steps: StepRecord[][] = [];
  for (const row of actions) {
    const result = await env.step(row);
    const records = Array.from({ length: n }, (_, i): StepRecord => {
      const ended = result.finished.find((episode) => episode.env === i);
      const finalHash = ended ? sha256(ended.finalObservation) : null;
      const frames = ended && env.settings.kind === 'atari' ? ended.lengthFrames : null;
      return [
        sha256(rowOf(result.observations, i, n)),
        result.rewards[i]!,
        result.terminated[i] === 1,
        result.truncated[i] === 1,
        result.lives[i]!,
        finalHash,
        frames,
        ended?.seed ?? null,
      ];
    });
    steps.push(records);
  }
  return { first, steps };
}

/** Plays `actions` in Python without the bridge. */
export function playInPython(settings: EnvSettings, seed: number, actions: number[][]): Trace {
  const run = spawnSync(python, [join(pythonFolder, 'oracle.py')], {
    input: JSON.stringify({ settings, seed, actions }),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  expect(run.stderr + (run.error?.message ?? '')).toBe('');
  return JSON.parse(run.stdout) as Trace;
}
