// Workers as actors of a real Ray, on this machine alone. Needs Ray's own environment, .venv-ray.
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type EnvFault, makeVectorEnv, type VectorEnv, WorkerLostError } from 'gymnasium-js-bridge';
import { expect, onTestFinished, test } from 'vitest';
import { sidecarFolder } from '../../envs/src/python.ts';
import { descendants, mainRoot, processes, signal, start } from '../processes.ts';
import { until } from '../until.ts';
import { closing, python, sha256, useOwnTemporaryFolder } from './helpers.ts';
import { addressIn, newKeys } from './workers.ts';

const temporary = useOwnTemporaryFolder();
const keys = newKeys();
const rayPython = join(mainRoot, '.venv-ray/bin/python');

/** Everything that steps show, a text a step. */
async function play(env: VectorEnv, before?: (step: number) => unknown): Promise<string[]> {
  const shown: string[] = [];
  await env.reset();
  for (let step = 0; step < 60; step++) {
    before?.(step);
    const result = await env.step(Array.from({ length: env.numEnvs }, (_, i) => (step + i) % 2));
    shown.push(JSON.stringify(result, (_, value) => (ArrayBuffer.isView(value) ? sha256(value as Uint8Array) : value)));
  }
  await env.close();
  return shown;
}

test('actors of Ray run environments, and one that is killed is started again by Ray', async ({ skip }) => {
  skip(!existsSync(rayPython), 'Ray is not installed (.venv-ray)');
  const options = { id: 'CartPole-v1', seed: 3, numEnvs: 4 };
  const expected = await play(closing(await makeVectorEnv(options)));

  const notes: string[] = [];
  const faults: EnvFault[] = [];
  const remote = { count: 2, listen: 'tcp://127.0.0.1:*', keyFile: keys.trainerFile };
  const ready = makeVectorEnv({
    ...{ ...options, maxRestarts: 3, onFault: (fault: EnvFault) => void faults.push(fault) },
    workers: { ...remote, onNote: (line: string) => notes.push(line) },
  }).then(closing);
  await until('the trainer listens', () => notes.length > 0);
  // Ray writes a token of its own to the home folder.
  const home = join(temporary.path, 'home');
  mkdirSync(home);
  const command = ['-m', 'gymnasium_js_bridge.ray_workers', '--connect', addressIn(notes[0]!)!];
  const actors = start(
    rayPython,
    [...command, '--key-file', keys.workerFile, '--count', '2', '--address', 'local', '--python', python],
    {
      ...{ cwd: sidecarFolder, detached: true },
      env: { HOME: home, RAY_TMPDIR: temporary.path, RAY_USAGE_STATS_ENABLED: '0', PYTHONDONTWRITEBYTECODE: '1' },
    },
  );
  // Ray's processes lead groups of their own, so they are known by what they descend from.
  const all = () => [actors.pid, ...descendants(actors.pid).map(({ pid }) => pid)];
  onTestFinished(async () => {
    const left = all();
    signal(actors.pid, 'SIGINT');
    await until('Ray has ended', () => processes().every(({ pid }) => pid !== actors.pid));
    for (const pid of left) signal(pid, 'SIGKILL');
    await until('none of its processes is left', () => processes().every(({ pid }) => !left.includes(pid)));
    rmSync(temporary.path, { recursive: true, force: true });
    mkdirSync(temporary.path);
  });
  const env = await ready.catch((error) => Promise.reject(new Error(`${error.message}\n${actors.output.stderr}`)));
  const pids = () =>
    descendants(actors.pid).flatMap(({ command, pid }) => (command.startsWith('ray::EnvWorker') ? [pid] : []));
  const [killed] = pids();
  const shown = await play(env, (step) => step === 20 && signal(killed!, 'SIGKILL'));
  expect(shown).toEqual(expected);
  expect(faults.map(({ error }) => error)).toEqual([expect.any(WorkerLostError)]);
  await until('Ray has started it again', () => pids().length === 2 && !pids().includes(killed!));
});
