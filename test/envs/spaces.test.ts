import { spawnSync } from 'node:child_process';
import {
  EnvOptionsError,
  makeVectorEnv,
  optionsFrom,
  UnknownEnvError,
  UnsupportedEnvError,
  type VectorEnvOptions,
} from 'gymnasium-js-bridge';
import { describe, expect, test } from 'vitest';
import { sidecarFolder } from '../../envs/src/python.ts';
import { closing, python, rejection, sidecarsIn, useOwnTemporaryFolder } from './helpers.ts';

const temporary = useOwnTemporaryFolder();

describe('spaces and settings', () => {
  test('shows Enduro as 4 grey frames of 84 x 84 and 9 actions, with every default and the ROM told', async () => {
    const env = closing(await makeVectorEnv({ game: 'Enduro' }));
    expect(env.numEnvs).toBe(1);
    expect(env.observationSpace).toEqual({ kind: 'box', shape: [4, 84, 84], dtype: 'uint8', low: 0, high: 255 });
    expect(env.actionSpace).toEqual({
      kind: 'discrete',
      n: 9,
      meanings: ['NOOP', 'FIRE', 'RIGHT', 'LEFT', 'DOWN', 'DOWNRIGHT', 'DOWNLEFT', 'RIGHTFIRE', 'LEFTFIRE'],
    });
    expect(env.settings).toEqual({
      kind: 'atari',
      id: 'enduro',
      frameSkip: 4,
      maxNoops: 30,
      stickyActionProbability: 0,
      fullActionSpace: false,
      fireReset: false,
      maxEpisodeFrames: 108_000,
      frameStack: 4,
      grayscale: true,
      height: 84,
      width: 84,
    });
    expect(env.info.rom).toEqual({ name: 'enduro.bin', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(Object.keys(env.info.packages).sort()).toEqual(['ale-py', 'gymnasium', 'numpy']);
    expect(env.info.protocolVersion).toBe(2);
    expect(env.info.pid).toBeGreaterThan(0);
  });

  test('shows Breakout in colour, full size and 18 actions where asked, and again from the settings', async () => {
    const settings = { frameStack: 1, grayscale: false, height: 210, width: 160, fullActionSpace: true };
    const first = closing(await makeVectorEnv({ game: 'ALE/Breakout-v5', ...settings }));
    const again = closing(await makeVectorEnv(optionsFrom(first.settings)));
    for (const env of [first, again]) {
      expect(env.observationSpace.shape).toEqual([1, 210, 160, 3]);
      expect(env.actionSpace.n).toBe(18);
      const { observations, lives } = await env.reset();
      expect(observations).toBeInstanceOf(Uint8Array);
      expect(observations.length).toBe(210 * 160 * 3);
      expect([...lives]).toEqual([5]);
    }
    expect(again.settings).toEqual(first.settings);
  });

  test('shows CartPole with its bounds, 2 actions and its own time limit', async () => {
    const env = closing(await makeVectorEnv({ id: 'CartPole-v1', numEnvs: 3 }));
    const { shape, dtype, low, high } = env.observationSpace;
    expect({ shape, dtype }).toEqual({ shape: [4], dtype: 'float32' });
    expect(low).toEqual([expect.closeTo(-4.8), -Infinity, expect.closeTo(-0.4189, 4), -Infinity]);
    expect(high).toEqual([expect.closeTo(4.8), Infinity, expect.closeTo(0.4189, 4), Infinity]);
    expect(env.actionSpace).toEqual({ kind: 'discrete', n: 2 });
    expect(env.settings).toEqual({ kind: 'gymnasium', id: 'CartPole-v1', maxEpisodeSteps: 500 });
    const { observations, lives } = await env.reset();
    expect(observations).toBeInstanceOf(Float32Array);
    expect(observations.length).toBe(3 * 4);
    expect([...lives]).toEqual([0, 0, 0]);
  });

  test('carries small integers as int32 and actions that do not start at 0', async () => {
    const env = closing(await makeVectorEnv({ id: 'bridge_test_envs:ShiftedSmall-v0' }));
    expect(env.observationSpace).toEqual({ kind: 'box', shape: [1], dtype: 'int32', low: -5, high: 5 });
    expect(env.actionSpace.n).toBe(3);
    await env.reset();
    expect((await env.step([2])).observations).toEqual(Int32Array.of(5));
  });
});

describe('names', () => {
  test('knows every game of the emulator in every usual spelling, and no RAM version', () => {
    const script = `
import json
from ale_py import roms
from gymnasium_js_bridge.names import atari_game
games = roms.get_all_rom_ids()
camel = lambda game: "".join(word.capitalize() for word in game.split("_"))
spellings = "{snake}", "{camel}", "ALE/{camel}-v5", "{camel}-v0", "{camel}NoFrameskip-v4", "{camel}Deterministic-v4"
wrong = [s for g in games for s in spellings if atari_game(s.format(snake=g, camel=camel(g)), games) != g]
print(json.dumps([len(games), wrong, atari_game("Enduro-ram-v5", games)]))`;
    const run = spawnSync(python, ['-c', script], { cwd: sidecarFolder, encoding: 'utf8' });
    expect(JSON.parse(run.stdout)).toEqual([108, [], null]);
  });

  test.each([{ game: 'SpaceInvadersNoFrameskip-v4' }, { id: 'ALE/SpaceInvaders-v5' }])(
    'makes Space Invaders from %j',
    async (options) => {
      const env = closing(await makeVectorEnv(options));
      expect(env.settings.id).toBe('space_invaders');
    },
  );

  test('names the nearest games when a game is unknown', async () => {
    const error = await rejection(makeVectorEnv({ game: 'SpaceInvadrs' }));
    expect(error).toBeInstanceOf(UnknownEnvError);
    expect((error as UnknownEnvError).envName).toBe('SpaceInvadrs');
    expect((error as UnknownEnvError).suggestions[0]).toBe('space_invaders');
    expect(error.message).toContain('"SpaceInvadrs"');
    expect(error.message).toContain('space_invaders');
  });

  test('names the nearest ids when a Gymnasium id is unknown', async () => {
    const error = await rejection(makeVectorEnv({ id: 'CartPol-v1' }));
    expect(error).toBeInstanceOf(UnknownEnvError);
    expect((error as UnknownEnvError).suggestions[0]).toBe('CartPole-v1');
  });
});

describe('what cannot be', () => {
  test.each([
    ['Pendulum-v1', 'Box('],
    ['bridge_test_envs:DictObservations-v0', 'Dict('],
  ])('says which space of %s is not carried', async (id, space) => {
    const error = await rejection(makeVectorEnv({ id }));
    expect(error).toBeInstanceOf(UnsupportedEnvError);
    expect(error.message).toContain(space);
  });

  test.each<[VectorEnvOptions & Record<string, unknown>, string]>([
    [{ game: 'Enduro', numEnvs: 0 }, '"numEnvs" is 0; it must be an integer from 1 to 4096'],
    [{ game: 'Enduro', frameSkip: -1 }, '"frameSkip" is -1'],
    [{ game: 'Enduro', seed: 2 ** 31 }, '"seed" is 2147483648; it must be an integer from 0 to 2147483647'],
    [{ game: 'Enduro', seed: 0.5 }, '"seed" is 0.5'],
    [
      { game: 'Enduro', stickyActionProbability: 1.1 },
      '"stickyActionProbability" is 1.1; it must be a number from 0 to 1',
    ],
    [{ game: 'Enduro', maxEpisodeSteps: 10 }, '"maxEpisodeSteps" is not for atari'],
    [{ id: 'CartPole-v1', frameSkip: 4 }, '"frameSkip" is not for gymnasium'],
    [{ game: 'Enduro', id: 'CartPole-v1' }, 'one of "game" and "id"'],
    [{}, 'one of "game" and "id"'],
    [{ game: '' }, '"game" is ""'],
    [{ game: 'Enduro', frameskip: 4 }, 'no option "frameskip"'],
  ])('refuses %j before any process starts', async (options, message) => {
    const error = await rejection(makeVectorEnv(options));
    expect(error).toBeInstanceOf(EnvOptionsError);
    expect(error.message).toContain(message);
    expect(sidecarsIn(temporary.path)).toEqual([]);
  });

  test('refuses wrong actions, masks and seeds by name, and plays on', async () => {
    const env = closing(await makeVectorEnv({ id: 'CartPole-v1', numEnvs: 2 }));
    expect((await rejection(env.step([0, 0]))).message).toContain('reset()');
    expect((await rejection(env.reset({ mask: [true, false] }))).message).toContain('first reset');
    await env.reset();
    expect((await rejection(env.step([0, 2]))).message).toBe('"actions[1]" is 2; it must be an integer from 0 to 1');
    expect((await rejection(env.step([0]))).message).toContain('"actions" has 1 entries');
    expect((await rejection(env.step([0, 0], { nextSeeds: [1, -1] }))).message).toContain('"nextSeeds[1]" is -1');
    expect((await rejection(env.reset({ mask: [false, false] }))).message).toContain('all false');
    expect((await rejection(env.receive())).message).toContain('send()');
    env.send([0, 1]);
    expect(() => env.send([0, 1])).toThrow('under way');
    expect((await rejection(env.reset())).message).toContain('under way');
    expect([...(await env.receive()).rewards]).toEqual([1, 1]);
  });
});
