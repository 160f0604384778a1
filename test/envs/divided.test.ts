// Environments divided over processes show what those of one process show.
import {
  type EnvFault,
  EnvOptionsError,
  makeVectorEnv,
  type VectorEnv,
  type VectorEnvOptions,
} from 'gymnasium-js-bridge';
import { describe, expect, test } from 'vitest';
import { shares } from '../../envs/src/divided-envs.ts';
import { Generator } from '../../src/random/index.ts';
import { closing, rejection, sha256, sidecarsIn, useOwnTemporaryFolder } from './helpers.ts';

const temporary = useOwnTemporaryFolder();

/** Everything that resets and steps with seeded random actions show, a text each. */
async function play(options: VectorEnvOptions, before?: (env: VectorEnv, step: number) => void): Promise<string[]> {
  const env = closing(await makeVectorEnv(options));
  const random = new Generator(1, 'actions');
  const shown: string[] = [];
  const show = (result: object) =>
    shown.push(JSON.stringify(result, (_, value) => (ArrayBuffer.isView(value) ? sha256(value as Uint8Array) : value)));
  show(await env.reset());
  for (let step = 0; step < 120; step++) {
    before?.(env, step);
    show(await env.step(Array.from({ length: env.numEnvs }, () => random.integer(env.actionSpace.n))));
    // Some of one process alone, then some of each.
    if (step === 50) show(await env.reset({ mask: [true, false, false, false, false] }));
    if (step === 51) show(await env.reset({ mask: [false, true, false, false, true], seeds: [1, 2, 3, 4, 5] }));
  }
  show(env.getState());
  await env.close();
  return shown;
}

const pong = { game: 'Pong', seed: 5, numEnvs: 5, stickyActionProbability: 0.25, maxEpisodeFrames: 120 };

describe('environments over several sidecars', () => {
  test.each<[string, VectorEnvOptions]>([
    ['Pong, sticky actions, short episodes', pong],
    ['CartPole', { id: 'CartPole-v1', seed: 4, numEnvs: 5 }],
  ])('show the same as in one, also where one is lost: %s', async (_, options) => {
    const expected = await play(options);
    expect(expected.some((step) => step.includes('"terminated":true') || step.includes('"truncated":true'))).toBe(true);
    const faults: EnvFault[] = [];
    const recovering = {
      ...options,
      workers: 2,
      maxRestarts: 3,
      onFault: (fault: EnvFault) => void faults.push(fault),
    };
    const shown = await play(recovering, (_env, step) => {
      if (step !== 60) return;
      const running = sidecarsIn(temporary.path);
      expect(running).toHaveLength(2);
      process.kill(running[1]!, 'SIGKILL');
    });
    expect(shown).toEqual(expected);
    expect(faults).toMatchObject([{ restart: 1 }]);
    expect(sidecarsIn(temporary.path)).toEqual([]);
  });

  test('hand on what is wrong with the environment, and leave no process', async () => {
    const error = await rejection(makeVectorEnv({ game: 'Pongo', numEnvs: 2, workers: 2 }));
    expect(error).toMatchObject({ name: 'UnknownEnvError', suggestions: expect.arrayContaining(['pong']) });
    expect(sidecarsIn(temporary.path)).toEqual([]);
  });
});

test('shares are as even as can be', () => {
  expect(shares(5, 2)).toEqual([3, 2]);
  expect(shares(8, 3)).toEqual([3, 3, 2]);
  expect(shares(4, 4)).toEqual([1, 1, 1, 1]);
});

const remote = { listen: 'tcp://*:7777', keyFile: 'trainer.key' };
test.each<[unknown, string]>([
  [0, '"workers" is 0; it must be an integer from 1 to 2, the number of environments'],
  [3, '"workers" is 3; it must be an integer from 1 to 2'],
  ['two', '"workers" is "two"; it must be an integer'],
  [{ ...remote, count: 3 }, '"workers.count" is 3; it must be an integer from 1 to 2'],
  [{ ...remote, listen: 'tcp://*' }, '"workers.listen" is "tcp://*"; it must be tcp://ADDRESS:PORT'],
  [{ ...remote, listen: 'ipc:///tmp/x' }, '"workers.listen" is "ipc:///tmp/x"; it must be tcp://ADDRESS:PORT'],
  [{ ...remote, waitMs: 0 }, '"workers.waitMs" is 0; it must be an integer from 1'],
  [{ ...remote, sidecars: 2 }, 'there is no option "sidecars"; the options are count, keyFile, listen'],
  [{ listen: 'tcp://*:1' }, '"workers.keyFile" is undefined; it must be the path of a key file'],
  [{ ...remote, keyFile: '/nowhere/trainer.key' }, 'the key file /nowhere/trainer.key cannot be read: ENOENT'],
])('impossible workers are refused before anything starts: %j', async (workers, text) => {
  const options = { id: 'CartPole-v1', numEnvs: 2, workers } as VectorEnvOptions;
  const error = await rejection(makeVectorEnv(options));
  expect(error).toBeInstanceOf(EnvOptionsError);
  expect(error.message).toContain(text);
});

test('options of sidecars here are refused beside workers elsewhere', async () => {
  const error = await rejection(makeVectorEnv({ id: 'CartPole-v1', workers: remote, python: 'python3' }));
  expect(error.message).toBe('option "python" does nothing with workers elsewhere: leave it out');
});
