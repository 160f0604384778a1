import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type EnvFault,
  EnvValueError,
  makeVectorEnv,
  NotReproducibleError,
  SidecarDiedError,
  SidecarError,
  SidecarTimeoutError,
  type StepResult,
  type VectorEnv,
  type VectorEnvOptions,
} from 'gymnasium-js-bridge';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Generator } from '../../src/random/index.ts';
import { until } from '../until.ts';
import { closing, rejection, sha256, sidecarsIn, useOwnTemporaryFolder } from './helpers.ts';

const temporary = useOwnTemporaryFolder();

interface Play {
  steps: number;
  /** Is called before each step. */
  before?: (env: VectorEnv, step: number) => void;
  /** Is called between the sending of actions and the wait for their answer. */
  between?: (env: VectorEnv, step: number) => void;
}

/** Everything that steps with seeded random actions show, a text a step. */
async function play(options: VectorEnvOptions, { steps, before, between }: Play): Promise<string[]> {
  const env = closing(await makeVectorEnv(options));
  const random = new Generator(1, 'actions');
  const shown: string[] = [];
  await env.reset();
  for (let step = 0; step < steps; step++) {
    before?.(env, step);
    env.send(Array.from({ length: env.numEnvs }, () => random.integer(env.actionSpace.n)));
    between?.(env, step);
    shown.push(textOf(await env.receive()));
  }
  await env.close();
  return shown;
}

/** A step's result as text, with hashes in place of observations. */
function textOf({ observations, finished, ...result }: StepResult): string {
  const episodes = finished.map((episode) => ({ ...episode, finalObservation: sha256(episode.finalObservation) }));
  return JSON.stringify({ ...result, observations: sha256(observations), episodes });
}

const kill = (env: VectorEnv, signal: NodeJS.Signals) => process.kill(env.info.pid, signal);

describe('environments whose sidecar is lost', () => {
  test.each<[string, VectorEnvOptions, number]>([
    ['CartPole, 1 environment', { id: 'CartPole-v1', seed: 3 }, 300],
    ['CartPole, 5 environments', { id: 'CartPole-v1', seed: 4, numEnvs: 5 }, 300],
    [
      'Pong, 3 environments, sticky actions, short episodes',
      { game: 'Pong', seed: 5, numEnvs: 3, stickyActionProbability: 0.25, maxEpisodeFrames: 200 },
      150,
    ],
  ])('show the same as if it had lived on: %s', async (_, options, steps) => {
    const expected = await play(options, { steps });
    const faults: EnvFault[] = [];
    const random = new Generator(2, 'kills');
    const killAt = new Set(Array.from({ length: 3 }, () => random.integer(steps)));
    const shown = await play(
      { ...options, maxRestarts: 3, onFault: (fault) => void faults.push(fault) },
      {
        steps,
        before: (env, step) => killAt.has(step) && step % 2 === 0 && kill(env, 'SIGKILL'),
        between: (env, step) => killAt.has(step) && step % 2 === 1 && kill(env, 'SIGKILL'),
      },
    );
    expect(shown).toEqual(expected);
    expect(expected.some((step) => step.includes('lengthFrames'))).toBe(true);
    // An answer may be there before the kill is noticed; then the next step finds the sidecar gone.
    expect(faults.length).toBeGreaterThanOrEqual(killAt.size - 1);
    for (const { error, restart } of faults) {
      expect(error).toBeInstanceOf(SidecarDiedError);
      expect(restart).toBe(1);
    }
    expect(sidecarsIn(temporary.path)).toEqual([]);
  });

  test('are started again when it hangs', async () => {
    const options = { id: 'CartPole-v1', timeoutMs: 3000 };
    const expected = await play(options, { steps: 20 });
    const faults: EnvFault[] = [];
    const shown = await play(
      { ...options, maxRestarts: 1, onFault: (fault) => void faults.push(fault) },
      { steps: 20, before: (env, step) => step === 7 && kill(env, 'SIGSTOP') },
    );
    expect(shown).toEqual(expected);
    expect(faults.map(({ error }) => error)).toEqual([expect.any(SidecarTimeoutError)]);
  });

  test('are reset as asked where it is lost before or in a reset, of all or of some', async () => {
    const run = async (maxRestarts: number) => {
      const env = closing(await makeVectorEnv({ id: 'CartPole-v1', numEnvs: 3, seed: 9, maxRestarts }));
      const lose = () => maxRestarts > 0 && kill(env, 'SIGKILL');
      const shown: unknown[] = [];
      lose();
      shown.push(await env.reset());
      shown.push(await env.step([0, 1, 0]), await env.step([1, 1, 0]));
      lose();
      shown.push(await env.reset({ mask: [false, true, false] }));
      shown.push(await env.step([0, 1, 1]));
      const reset = env.reset({ seeds: [5, 6, 7] });
      lose();
      shown.push(await reset, await env.step([0, 1, 1], { nextSeeds: [1, 2, 3] }), env.getState());
      return shown;
    };
    expect(await run(2)).toEqual(await run(0));
  });
});

describe('an environment that raises', () => {
  const file = () => join(temporary.path, 'raise-once');

  test('is built again and goes on where it raises no more', async () => {
    process.env.BRIDGE_TEST_FILE = file();
    onTestFinished(() => {
      delete process.env.BRIDGE_TEST_FILE;
      rmSync(file(), { force: true });
    });
    const options = { id: 'bridge_test_envs:RaisingOnce-v0', numEnvs: 2 };
    const expected = await play(options, { steps: 25 });
    writeFileSync(file(), '');
    const faults: EnvFault[] = [];
    const recovering = { ...options, maxRestarts: 3, onFault: (fault: EnvFault) => void faults.push(fault) };
    expect(await play(recovering, { steps: 25 })).toEqual(expected);
    expect(existsSync(file())).toBe(false);
    expect(faults).toMatchObject([{ restart: 1, error: { pythonType: 'RuntimeError' } }]);
  });

  test.each([
    ['Raising', 'RuntimeError', 'the paint is wet'],
    [
      'Leaving',
      'SystemExit',
      'it called sys\\.exit\\(3\\); an environment that cannot go on must raise an error instead',
    ],
  ])('each time is given up after as many starts as allowed, and says what and where: %s', async (name, type, text) => {
    const faults: EnvFault[] = [];
    const id = `bridge_test_envs:${name}-v0`;
    const env = closing(await makeVectorEnv({ id, maxRestarts: 3, onFault: (fault) => void faults.push(fault) }));
    await env.reset();
    for (let step = 0; step < 7; step++) await env.step([0]);
    const error = await rejection(env.step([0]));
    expect(error).toBeInstanceOf(SidecarError);
    expect(faults.map(({ restart }) => restart)).toEqual([1, 2, 3]);
    expect((error as SidecarError).describe()).toMatch(
      new RegExp(`^the environment ${id} raised ${type} in step: ${text} \\(.*bridge_test_envs\\.py, line \\d+\\)$`),
    );
  });

  test('is not brought back where its seed does not decide what it shows', async () => {
    const env = closing(await makeVectorEnv({ id: 'bridge_test_envs:Unseeded-v0', maxRestarts: 3 }));
    await env.reset();
    await env.step([0]);
    kill(env, 'SIGKILL');
    const error = await rejection(env.step([0]));
    expect(error).toBeInstanceOf(NotReproducibleError);
    expect(error.message).toContain('bridge_test_envs:Unseeded-v0');
  });
});

test('the fault is awaited before the start, and closing meanwhile leaves no process', async () => {
  let allow = () => {};
  const allowed = new Promise<void>((resolve) => {
    allow = resolve;
  });
  let heard = false;
  const env = await makeVectorEnv({
    id: 'CartPole-v1',
    maxRestarts: 3,
    onFault: () => {
      heard = true;
      return allowed;
    },
  });
  await env.reset();
  const { pid } = env.info;
  process.kill(pid, 'SIGKILL');
  const step = rejection(env.step([0]));
  await until('the fault was heard of', () => heard);
  expect(env.info.pid).toBe(pid);
  await env.close();
  allow();
  await step;
  await until('every sidecar ended', () => sidecarsIn(temporary.path).length === 0);
});

describe('numbers that nobody can learn from', () => {
  test.each([
    ['NanReward', 'the reward NaN, which is not finite'],
    ['InfiniteReward', 'the reward Infinity, which is not finite'],
    ['HugeReward', 'the reward 1e+30, which is more than 1000000000 in size'],
    ['NoReward', 'the reward None (of type NoneType) in step; it must give a number'],
    ['NanObservation', 'the observation NaN'],
    ['HugeObservation', 'the observation -1e+30'],
  ])('are refused where they come from: %s', async (name, text) => {
    const id = `bridge_test_envs:${name}-v0`;
    const env = closing(await makeVectorEnv({ id, maxRestarts: 3 }));
    await env.reset();
    for (let step = 0; step < 7; step++) await env.step([0]);
    const error = await rejection(env.step([0]));
    expect(error).toBeInstanceOf(EnvValueError);
    expect(error.message).toContain(`the environment ${id} gave ${text}`);
    expect((await rejection(env.step([0]))).message).toContain('reset()');
  });
});
