// Gymnasium environments that are made wrongly, or give what environments do not give: what the messages say.

import { spawnSync } from 'node:child_process';
import {
  atariGame,
  EnvOptionsError,
  EnvValueError,
  isAtariId,
  makeVectorEnv,
  optionsFrom,
  SidecarError,
  SidecarStartError,
  UnknownEnvError,
  UnsupportedEnvError,
  type VectorEnvOptions,
} from 'gymnasium-js-bridge';
import { describe, expect, test } from 'vitest';
import { sidecarFolder } from '../../envs/src/python.ts';
import { closing, python, rejection, useOwnTemporaryFolder } from './helpers.ts';

useOwnTemporaryFolder();
const id = (name: string) => `bridge_test_envs:${name}-v0`;

/** Plays action 0 until something is wrong. */
async function play(options: VectorEnvOptions): Promise<Error> {
  const env = closing(await makeVectorEnv(options));
  return rejection(
    (async () => {
      await env.reset();
      for (let step = 0; step < 20; step++) await env.step([0]);
    })(),
  );
}

describe('what an environment gives', () => {
  test.each([
    [
      'OldStep',
      'gave 4 values in step; it must give the five values (observation, reward, terminated, truncated, info)',
    ],
    ['OldReset', 'gave one value of type ndarray in reset; it must give the two values (observation, info)'],
    ['WrongShape', 'gave an observation of shape (3,) in reset; it must give one of shape (2,)'],
    ['ArrayReward', 'gave the reward [1.] (an array of shape (1,)) in step; it must give a number'],
    ['NoReward', 'gave the reward None (of type NoneType) in step; it must give a number'],
  ])('%s: names the environment, the method, what came and what it must be', async (name, expected) => {
    const error = await play({ id: id(name) });
    expect(error).toBeInstanceOf(EnvValueError);
    expect(error.message).toBe(`the environment ${id(name)} ${expected}`);
  });

  test('sys.exit is named, not its number alone', async () => {
    const error = await play({ id: id('Leaving') });
    expect(error).toBeInstanceOf(SidecarError);
    expect((error as SidecarError).describe()).toContain(
      `the environment ${id('Leaving')} raised SystemExit in step: it called sys.exit(3); an environment that cannot`,
    );
  });

  test('int64 travels as float32, and what float32 does not hold is refused', async () => {
    const env = closing(await makeVectorEnv({ id: id('Large') }));
    expect(env.observationSpace).toMatchObject({ shape: [2], dtype: 'float32' });
    await env.reset();
    expect((await env.step([0])).observations).toEqual(Float32Array.of(1, -1));
    const error = await play({ id: id('Large'), envOptions: { factor: 2 ** 23 } });
    expect(error).toBeInstanceOf(EnvValueError);
    expect(error.message).toContain(
      `${id('Large')} gave the observation 25165824; int64 observations travel as float32`,
    );
  });
});

describe('what cannot be made', () => {
  test.each<[string, VectorEnvOptions, new (...args: never[]) => Error, string]>([
    ['a shape with a 0', { id: id('EmptyShape') }, UnsupportedEnvError, 'which shows nothing: each size of its shape'],
    ['no spaces', { id: id('NoSpaces') }, UnsupportedEnvError, 'has no action_space that can be used'],
    ['a missing argument', { id: id('Sized') }, EnvOptionsError, "missing 1 required positional argument: 'size'"],
    [
      'an argument that there is not',
      { id: 'CartPole-v1', envOptions: { colour: 'red' } },
      EnvOptionsError,
      'CartPole-v1 cannot be made with envOptions {"colour": "red"}: CartPoleEnv.__init__() got an unexpected keyword',
    ],
    ['an argument of Gymnasium', { id: 'CartPole-v1', envOptions: { num_envs: 2 } }, EnvOptionsError, '"num_envs"'],
    ['a limit', { id: 'CartPole-v1', envOptions: { max_episode_steps: 2 } }, EnvOptionsError, '"maxEpisodeSteps"'],
    ['options of no kind', { id: 'CartPole-v1', envOptions: [] as never }, EnvOptionsError, 'an object of names'],
    ['options for a game', { game: 'pong', envOptions: { a: 1 } }, EnvOptionsError, '"envOptions" is not for atari'],
    ['an unknown module', { id: 'nowhere_at_all:X-v0' }, UnknownEnvError, 'no Python module "nowhere_at_all"'],
    ['a version that is gone', { id: 'LunarLander-v2' }, UnknownEnvError, 'LunarLander-v3'],
    ['no id', { id: '!!' }, UnknownEnvError, '"!!" is no id of an environment'],
    ['a game for two', { game: 'joust' }, UnsupportedEnvError, 'the emulator plays it with several players only'],
    ['a game for two, by its id', { id: 'ALE/Combat-v5' }, UnsupportedEnvError, '"combat"'],
  ])('%s', async (_, options, kind, message) => {
    const error = await rejection(makeVectorEnv(options));
    expect(error).toBeInstanceOf(kind);
    expect(error.message).toContain(message);
  });

  test('a missing extra comes with the command for the Python that runs here', async () => {
    const script = 'import gymnasium; gymnasium.make("Ant-v5")';
    const lacksMujoco = spawnSync(python, ['-c', script], { encoding: 'utf8' }).stderr.includes(
      'DependencyNotInstalled',
    );
    if (!lacksMujoco) return; // there is nothing missing on this machine
    const error = await rejection(makeVectorEnv({ id: 'Ant-v5' }));
    expect(error).toBeInstanceOf(SidecarStartError);
    expect(error.message).toMatch(/install with: \/\S*python\S* -m pip install "gymnasium\[mujoco\]"$/);
  });

  test('a game that cannot be played is never suggested', async () => {
    const error = (await rejection(makeVectorEnv({ game: 'jousd' }))) as UnknownEnvError;
    expect(error.suggestions).toHaveLength(3);
    expect(error.suggestions).not.toContain('joust');
  });
});

describe('options', () => {
  test('reach the environment, and its settings make it again', async () => {
    const envOptions = { size: 3, label: 'four' };
    const first = closing(await makeVectorEnv({ id: id('Sized'), envOptions, maxEpisodeSteps: 5 }));
    expect(first.settings).toEqual({ kind: 'gymnasium', id: id('Sized'), envOptions, maxEpisodeSteps: 5 });
    const again = closing(await makeVectorEnv(optionsFrom(first.settings)));
    for (const env of [first, again]) expect((await env.reset()).observations).toEqual(Float64Array.of(4, 4, 4));
  });

  test('an id without a version is stored with the one that was made', async () => {
    const env = closing(await makeVectorEnv({ id: 'CartPole' }));
    expect(env.settings.id).toBe('CartPole-v1');
    const own = closing(await makeVectorEnv({ id: 'bridge_test_envs:Counting' }));
    expect(own.settings.id).toBe(id('Counting'));
  });
});

describe('names of Atari games', () => {
  test('are the registered ones of ale-py, in every spelling', () => {
    const script = `
import json, ale_py, gymnasium
from ale_py import roms
from gymnasium_js_bridge import names
ids = [env_id for env_id in gymnasium.registry if "ale_py" in str(gymnasium.registry[env_id].entry_point)]
print(json.dumps([[env_id, names.atari_game(env_id, roms.get_all_rom_ids())] for env_id in ids]))`;
    const run = spawnSync(python, ['-c', script], { cwd: sidecarFolder, encoding: 'utf8' });
    const ids = JSON.parse(run.stdout) as [string, string | null][];
    expect(new Set(ids.map(([, game]) => game)).size).toBeGreaterThan(100);
    for (const [spelling, game] of ids) {
      expect(atariGame(spelling)?.toLowerCase(), spelling).toBe(game?.replaceAll('_', ''));
      expect(isAtariId(spelling), spelling).toBe(true);
    }
  });

  test.each(['CartPole-v1', 'Blackjack-v1', 'Blackjack', 'module:Pong-v0', 'Corridor', 'joust', 'other/Pong-v5'])(
    '%s is no id of an Atari game',
    (name) => expect(isAtariId(name)).toBe(false),
  );

  test.each(['PongNoFrameskip-v4', 'Pong-v0', 'Pong', 'PongDeterministic-v4', 'ALE/Pong-v5'])(
    'the id %s makes the game',
    async (spelling) => {
      const env = closing(await makeVectorEnv({ id: spelling }));
      expect(env.settings).toMatchObject({ kind: 'atari', id: 'pong', frameSkip: 4, stickyActionProbability: 0 });
    },
  );
});
