import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import * as bridge from 'gymnasium-js-bridge';
import {
  BridgeError,
  CartPole,
  EnvClosedError,
  EnvOptionsError,
  EnvValueError,
  makeVectorEnv,
  optionsFrom,
  type VectorEnv,
  type VectorEnvOptions,
} from 'gymnasium-js-bridge';
import * as environments from 'gymnasium-js-bridge/environments';
import { type Env, type EnvStep, type PlayedEpisode, playAgain, vectorize } from 'gymnasium-js-bridge/environments';
import { build } from 'vite';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { numpyUniform } from '../../envs/src/numpy-random.ts';
import { corridor, walk } from './corridor.ts';
import { closing, play, rejection, useOwnTemporaryFolder } from './helpers.ts';

fc.configureGlobal({ seed: 1 }); // the same examples in every run

useOwnTemporaryFolder();

const noNumber = { low: -Infinity, high: Infinity };

/** `Counting` of bridge_test_envs.py: observes the steps and the seed's first random number, ends after 10 steps. */
function counting(changes: Partial<Env> = {}): Env {
  const observation = new Float64Array(2); // one array for all results
  return {
    id: 'bridge_test_envs:Counting-v0',
    observationSpace: { kind: 'box', shape: [2], dtype: 'float64', ...noNumber },
    actionSpace: { kind: 'discrete', n: 5 },
    reset(seed) {
      observation.set([0, numpyUniform(seed)(0, 1)]);
      return observation;
    },
    step(action) {
      observation[0]! += 1;
      return { observation, reward: action / 3, terminated: observation[0] === 10 };
    },
    ...changes,
  };
}

/** `counting` with what `change` makes of its 8th step in each episode. */
function spoiled(id: string, change: (step: EnvStep) => EnvStep): () => Env {
  return () => {
    const env = counting({ id });
    return {
      ...env,
      step(action) {
        const step = env.step(action);
        return step.observation[0] === 8 ? change(step) : step;
      },
    };
  };
}

type Options = Pick<VectorEnvOptions, 'numEnvs' | 'seed' | 'maxEpisodeSteps'>;
const kinds: [string, (options: Options) => Promise<VectorEnv> | VectorEnv][] = [
  ['a sidecar', (options) => makeVectorEnv({ id: 'CartPole-v1', ...options })],
  ['TypeScript', (options) => vectorize(() => new CartPole(), options)],
];
/** The same environments, made of both kinds: [sidecar, TypeScript]. */
const both = async (options: Options) => {
  const [sidecar, here] = await Promise.all(kinds.map(async ([, make]) => closing(await make(options))));
  return [sidecar!, here!] as const;
};

describe.each(kinds)('a VectorEnv of %s', (_, make) => {
  test('refuses wrong actions, masks, seeds and counts by name, and plays on', async () => {
    const env = closing(await make({ numEnvs: 2 }));
    expect((await rejection(env.step([0, 0]))).message).toContain('reset()');
    expect((await rejection(env.reset({ mask: [true, false] }))).message).toContain('first reset');
    await env.reset();
    for (const [call, message] of [
      [() => env.step([0, 2]), '"actions[1]" is 2; it must be an integer from 0 to 1'],
      [() => env.step([0, 0.5]), '"actions[1]" is 0.5; it must be an integer from 0 to 1'],
      [() => env.step([0]), '"actions" has 1 entries; it must have one for each of 2 environments'],
      [
        () => env.step([0, 0], { nextSeeds: [1, -1] }),
        '"nextSeeds[1]" is -1; it must be an integer from 0 to 2147483647',
      ],
      [() => env.reset({ mask: [false, false] }), '"mask" is all false; it must name at least one environment'],
      [
        async () => env.setState({ episodesStarted: [1] }),
        '"episodesStarted" has 1 entries; it must have one for each',
      ],
    ] as const) {
      const error = await rejection(call());
      expect(error).toBeInstanceOf(EnvOptionsError);
      expect(error.message).toContain(message);
    }
    expect((await rejection(env.receive())).message).toContain('send()');
    env.send([0, 1]);
    expect(() => env.send([0, 1])).toThrow('under way');
    expect((await rejection(env.reset())).message).toContain('under way');
    expect([...(await env.receive()).rewards]).toEqual([1, 1]);
    const reset = env.reset();
    expect((await rejection(env.step([0, 0]))).message).toContain('a reset is under way');
    await reset;
  });

  test('resets the masked environments, from given seeds, and leaves the others as they were', async () => {
    const env = closing(await make({ numEnvs: 3, seed: 3 }));
    const { seeds } = await env.reset();
    const before = await env.step([0, 1, 0]);
    const reset = await env.reset({ mask: [false, true, false], seeds: [1, 77, 1] });
    expect(reset.seeds).toEqual([seeds[0], 77, seeds[2]]);
    for (const i of [0, 2]) {
      expect(reset.observations.slice(i * 4, i * 4 + 4)).toEqual(before.observations.slice(i * 4, i * 4 + 4));
    }
    const fresh = await env.reset({ seeds: [77, 77, 77] });
    expect(fresh.observations.slice(0, 4)).toEqual(reset.observations.slice(4, 8));
    expect(env.getState()).toEqual({ episodesStarted: [2, 3, 2] });
  });

  test('goes on with the same episodes from a saved state', async () => {
    const first = closing(await make({ numEnvs: 2, seed: 13 }));
    await first.reset();
    for (let step = 0; step < 40; step++) await first.step([1, step % 2]);
    const state = JSON.parse(JSON.stringify(first.getState()));
    expect(state.episodesStarted[0]).toBeGreaterThan(2);
    const next = await first.reset();
    const second = closing(await make({ numEnvs: 2, seed: 13 }));
    second.setState(state);
    expect(await second.reset()).toEqual(next);
  });

  test('gives results that later steps leave alone', async () => {
    const env = closing(await make({ numEnvs: 2 }));
    const results: object[] = [await env.reset()];
    const copies = [structuredClone(results[0])];
    for (let step = 0; step < 30; step++) {
      results.push(await env.step([1, 0]));
      copies.push(structuredClone(results.at(-1)!));
    }
    expect(results).toEqual(copies);
  });

  test('is closed for good, with a step under way too, and closes twice', async () => {
    const env = closing(await make({ numEnvs: 2 }));
    await env.reset();
    env.send([0, 1]);
    const closed = env.close();
    expect(await rejection(env.receive())).toBeInstanceOf(EnvClosedError);
    await closed;
    await env.close();
    expect(await rejection(env.reset())).toEqual(new EnvClosedError('the environment is closed'));
    expect((await rejection(env.step([0, 0]))).message).toContain('call reset()');
    expect(env.getState()).toEqual({ episodesStarted: [1, 1] });
  });
});

describe('the same calls', () => {
  const lanes = 3;
  const perLane = <T>(entry: fc.Arbitrary<T>) => fc.array(entry, { minLength: lanes, maxLength: lanes });
  const seed = fc.integer({ min: 0, max: 2 ** 31 - 1 });
  // Mostly calls that can be, a few that cannot.
  const action = fc.oneof(
    { weight: 50, arbitrary: fc.nat(1) },
    { weight: 1, arbitrary: fc.constantFrom(-1, 2, 0.5, NaN) },
  );
  const actions = perLane(action);
  const seeds = fc.option(perLane(seed), { nil: undefined });
  const meanwhile = fc.constantFrom('nothing' as const, 'send' as const, 'step' as const, 'reset' as const);
  const call = fc.oneof(
    { weight: 20, arbitrary: fc.record({ call: fc.constant('step' as const), actions, seeds }) },
    { weight: 3, arbitrary: fc.record({ call: fc.constant('halves' as const), actions, seeds, meanwhile }) },
    { weight: 1, arbitrary: fc.record({ call: fc.constant('receive' as const) }) },
    { weight: 1, arbitrary: fc.record({ call: fc.constant('resetAll' as const), seeds }) },
    { weight: 1, arbitrary: fc.record({ call: fc.constant('reset' as const), mask: perLane(fc.boolean()), seeds }) },
    { weight: 1, arbitrary: fc.record({ call: fc.constant('setState' as const), state: perLane(fc.nat(1000)) }) },
    { weight: 1, arbitrary: fc.record({ call: fc.constant('resetAndStep' as const), actions }) },
  );
  type Call = typeof call extends fc.Arbitrary<infer C> ? C : never;

  const failure = ({ name, message }: Error) => ({ name, message });

  /** What a call gives or throws, and the state after it. */
  async function outcome(env: VectorEnv, asked: Call): Promise<unknown> {
    const given = 'seeds' in asked ? asked.seeds : undefined;
    const nextSeeds = given && { nextSeeds: given };
    const seeds = given && { seeds: given };
    const make = async (): Promise<unknown> => {
      switch (asked.call) {
        case 'step':
          return env.step(asked.actions, nextSeeds);
        case 'halves':
          return [
            attempt(async () => env.send(asked.actions, nextSeeds)),
            attempt(async () => asked.meanwhile !== 'nothing' && env[asked.meanwhile]([0, 1, 0] as never)),
            attempt(() => env.receive()),
          ];
        case 'receive':
          return env.receive();
        case 'resetAll':
          return env.reset(seeds);
        case 'reset':
          return env.reset({ mask: asked.mask, ...seeds });
        case 'setState':
          return env.setState({ episodesStarted: asked.state });
        case 'resetAndStep':
          return [attempt(() => env.reset()), attempt(() => env.step(asked.actions))];
      }
    };
    const attempt = (call: () => Promise<unknown>) => call().catch(failure);
    const result = await attempt(make);
    return [await Promise.all(Array.isArray(result) ? result : [result]), env.getState()];
  }

  test('have the same results and the same errors, in whatever order', async () => {
    const [sidecar, here] = await both({ numEnvs: lanes, seed: 21 });
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 150 }), async (calls) => {
        for (const env of [sidecar, here]) {
          env.setState({ episodesStarted: [0, 0, 0] });
          await env.reset();
        }
        for (const asked of calls) {
          expect(await outcome(here, asked)).toEqual(await outcome(sidecar, asked));
        }
      }),
      { numRuns: 30 },
    );
  });

  test("give the same float64 numbers as Python's Counting, with the bounds and next seeds", async () => {
    const options = { numEnvs: 2, seed: 5 };
    const sidecar = closing(await makeVectorEnv({ id: 'bridge_test_envs:Counting-v0', ...options }));
    const here = closing(vectorize(() => counting(), options));
    expect(here.observationSpace).toEqual(sidecar.observationSpace);
    const actions = Array.from({ length: 35 }, (_, step) => [step % 5, (step + 2) % 5]);
    expect(await play(here, actions)).toEqual(await play(sidecar, actions));
  });

  test.each<[string, (step: EnvStep) => EnvStep]>([
    ['NanReward', (step) => ({ ...step, reward: NaN })],
    ['InfiniteReward', (step) => ({ ...step, reward: Infinity })],
    ['HugeReward', (step) => ({ ...step, reward: 1e30 })],
    ['NanObservation', (step) => ({ ...step, observation: Array.from(step.observation, () => NaN) })],
    ['HugeObservation', (step) => ({ ...step, observation: Array.from(step.observation, () => -1e30) })],
  ])('are refused for the same value: %s', async (name, change) => {
    const id = `bridge_test_envs:${name}-v0`;
    const errors: Error[] = [];
    for (const env of [closing(await makeVectorEnv({ id })), closing(vectorize(spoiled(id, change)))]) {
      await env.reset();
      for (let step = 1; step < 8; step++) await env.step([0]);
      errors.push(await rejection(env.step([0])));
      expect((await rejection(env.step([0]))).message).toContain('reset()');
      await env.reset();
      await env.step([0]);
    }
    expect(errors[1]).toBeInstanceOf(EnvValueError);
    expect(errors[1]).toEqual(errors[0]);
  });
});

describe('streams of episodes', () => {
  test('are the same for environment i whatever the number of environments', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(2 ** 31 - 1), fc.array(fc.nat(1), { maxLength: 100 }), async (seed, actions) => {
        const wide = vectorize(() => new CartPole(), { numEnvs: 4, seed });
        const single = vectorize(() => new CartPole(), { seed });
        expect((await single.reset()).observations).toEqual((await wide.reset()).observations.slice(0, 4));
        for (const action of actions) {
          const { observations } = await wide.step([action, 0, 1, 0]);
          expect((await single.step([action])).observations).toEqual(observations.slice(0, 4));
        }
      }),
    );
  });

  test('are played again from seeds and actions, and go on as they would have', async () => {
    const row = fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1));
    await fc.assert(
      fc.asyncProperty(fc.nat(2 ** 31 - 1), fc.array(row, { minLength: 1, maxLength: 60 }), async (seed, rows) => {
        const make = () => vectorize(() => new CartPole(), { numEnvs: 3, seed, maxEpisodeSteps: 30 });
        const first = make();
        let { seeds, observations } = await first.reset();
        const current = seeds.map((seed): PlayedEpisode & { actions: number[] } => ({
          seed,
          actions: [],
          ended: false,
        }));
        const episodes = current.map((episode) => [episode]);
        for (const actions of rows) {
          const result = await first.step(actions);
          observations = result.observations;
          actions.forEach((action, lane) => {
            episodes[lane]!.at(-1)!.actions.push(action);
          });
          for (const { env, index } of result.finished) {
            episodes[env]!.at(-1)!.ended = true;
            const next = environments.episodeSeed(seed, env, index + 1);
            episodes[env]!.push({ seed: next, actions: [], ended: false });
          }
        }
        const again = make();
        expect(await playAgain(again, episodes, first.getState())).toEqual(observations);
        for (let step = 0; step < 40; step++) expect(await again.step([1, 0, 1])).toEqual(await first.step([1, 0, 1]));
      }),
      { numRuns: 50 },
    );
  });
});

describe('environments of other forms', () => {
  test('tell lives with their steps, from before the reset, and have none known after it', async () => {
    const makeEnv = () => {
      let lives = 3;
      return counting({
        reset() {
          lives = 3;
          return [0, 0];
        },
        step: () => ({ observation: [1, 1], reward: 0, terminated: --lives === 1, lives }),
      });
    };
    const env = vectorize(makeEnv, { numEnvs: 2 });
    const seen = [[...(await env.reset()).lives]];
    seen.push([...(await env.step([0, 0])).lives]);
    seen.push([...(await env.reset({ mask: [true, false] })).lives]);
    for (let step = 0; step < 3; step++) seen.push([...(await env.step([0, 0])).lives]);
    expect(seen).toEqual([
      [0, 0],
      [2, 2],
      [0, 2],
      [2, 1],
      [1, 2],
      [2, 1],
    ]);
  });

  test('may truncate by themselves, and end both ways at once', async () => {
    const step = (): EnvStep => ({ observation: [1, 1], reward: 2, terminated: true, truncated: true });
    const env = vectorize(() => counting({ step }));
    await env.reset();
    const { finished } = await env.step([0]);
    expect(finished[0]).toMatchObject({
      terminated: true,
      truncated: true,
      return: 2,
      lengthSteps: 1,
      lengthFrames: 1,
    });
  });

  test('observe integers and single numbers, and none that the type does not hold', async () => {
    const observing = (dtype: 'uint8' | 'int32', value: number) =>
      vectorize(() =>
        counting({
          observationSpace: { kind: 'box', shape: [], dtype, low: 0, high: 9 },
          reset: () => [value],
        }),
      ).reset();
    expect((await observing('uint8', 255)).observations).toEqual(Uint8Array.of(255));
    expect((await observing('int32', -70_000)).observations).toEqual(Int32Array.of(-70_000));
    for (const value of [256, -1, 0.5, NaN]) {
      const error = await rejection(observing('uint8', value));
      expect(error).toBeInstanceOf(EnvValueError);
      expect(error.message).toContain(`the observation ${value} in reset, which is no uint8`);
    }
  });
});

describe('errors of an environment', () => {
  test('reject the request with the environment named, and need a reset', async () => {
    const own = new RangeError('the wheel came off');
    let made = 0;
    const env = vectorize(
      () => {
        const index = made++;
        const wheels = counting({ id: 'Cart' });
        return {
          ...wheels,
          reset(seed) {
            if (seed === 13) throw own;
            return wheels.reset(seed);
          },
          step(action) {
            if (index === 1 && action === 1) throw own;
            if (action === 2) throw 'a text';
            if (action === 3) throw Object.freeze(new Error('frozen'));
            return wheels.step(action);
          },
        };
      },
      { numEnvs: 2 },
    );
    await env.reset();
    env.send([1, 1]); // the error is for receive()
    expect(await rejection(env.receive())).toBe(own);
    expect(own.message).toBe('the environment Cart (index 1) raised RangeError in step: the wheel came off');
    expect((await rejection(env.step([0, 0]))).message).toContain('after an error');
    expect((await rejection(env.reset({ mask: [true, false] }))).message).toContain('first reset');
    await env.reset();
    await env.step([0, 0]);
    await rejection(env.step([0, 1]));
    expect(own.message).toBe('the environment Cart (index 1) raised RangeError in step: the wheel came off');

    await env.reset();
    expect(await rejection(env.step([2, 0]))).toMatchObject({
      name: 'BridgeError',
      message: 'the environment Cart (index 0) raised no Error in step: a text',
      cause: 'a text',
    });
    await env.reset();
    const frozen = await rejection(env.step([3, 0]));
    expect(frozen).toBeInstanceOf(BridgeError);
    expect(frozen.message).toBe('the environment Cart (index 0) raised Error in step: frozen');
    expect(await rejection(env.reset({ seeds: [0, 13] }))).toBe(own);
    expect((await rejection(env.step([0, 0]))).message).toContain('after an error');
    await env.reset();
  });

  test.each<[string, Partial<Record<keyof Env, unknown>>, string]>([
    ['too few numbers', { reset: () => [1] }, 'gave the observation of 1 numbers in reset; it must give an array of 2'],
    ['no array', { reset: () => undefined }, 'gave the observation undefined in reset; it must give an array of 2'],
    ['a promise', { reset: async () => [0, 0] }, 'gave the observation [object Promise] in reset'],
    ['a missing number', { reset: () => [0, undefined] }, 'gave the observation NaN, which is not finite'],
    [
      'a step that is a promise',
      { step: async () => ({}) },
      'gave [object Promise] with "terminated" undefined in step',
    ],
    ['no step', { step: () => undefined }, 'gave undefined in step; it must give { observation, reward, terminated }'],
    ['no end', { step: () => ({ observation: [0, 0], reward: 0 }) }, 'with "terminated" undefined in step'],
    [
      'no reward',
      { step: () => ({ observation: [0, 0], terminated: false }) },
      'the reward undefined in step; it must',
    ],
    [
      'a list',
      { step: () => ({ observation: [0, 0], reward: [1], terminated: false }) },
      'the reward [1] in step; it must',
    ],
    ['no observation', { step: () => ({ reward: 0, terminated: false }) }, 'gave the observation undefined in step'],
  ])('say what is wrong with %s', async (_, changes, message) => {
    const env = vectorize(() => counting(changes as Partial<Env>));
    const error = await rejection(env.reset().then(() => env.step([0])));
    expect(error).toBeInstanceOf(EnvValueError);
    expect(error.message).toContain('the environment bridge_test_envs:Counting-v0 gave ');
    expect(error.message).toContain(message);
  });
});

describe('what cannot be', () => {
  const box = counting().observationSpace;
  test.each<[string, unknown, object, string]>([
    ['numEnvs', counting, { numEnvs: 0 }, '"numEnvs" is 0; it must be an integer from 1 to 4096'],
    ['seed', counting, { seed: -1 }, '"seed" is -1; it must be an integer from 0 to 2147483647'],
    ['limit', counting, { maxEpisodeSteps: 0 }, '"maxEpisodeSteps" is 0; it must be an integer from 1'],
    ['option', counting, { frameSkip: 4 }, 'no option "frameSkip"; the options are maxEpisodeSteps, numEnvs, seed'],
    [
      'no function',
      new CartPole(),
      {},
      '"makeEnv" is [object Object]; it must be a function that makes an environment',
    ],
    ['no environment', () => undefined, {}, '"makeEnv()" is undefined; it must be an environment'],
    ['id', () => ({ ...counting(), id: '' }), {}, '"id" is ""; it must be a text'],
    ['no space', () => ({ ...counting(), observationSpace: undefined }), {}, 'v0.observationSpace.kind" is undefined'],
    ['shape', () => ({ ...counting(), observationSpace: { ...box, shape: [0] } }), {}, 'observationSpace.shape" is 0'],
    [
      'dtype',
      () => ({ ...counting(), observationSpace: { ...box, dtype: 'int8' } }),
      {},
      'dtype" is "int8"; it must be',
    ],
    [
      'low',
      () => ({ ...counting(), observationSpace: { ...box, low: [1] } }),
      {},
      '.low" is 1; it must be a number, or',
    ],
    ['actions', () => ({ ...counting(), actionSpace: { kind: 'discrete', n: 0 } }), {}, 'actionSpace.n" is 0'],
    ['own limit', () => ({ ...counting(), maxEpisodeSteps: 1.5 }), {}, '-v0.maxEpisodeSteps" is 1.5; it must be'],
  ])('is refused: %s', (_, makeEnv, options, message) => {
    expect(() => vectorize(makeEnv as () => Env, options)).toThrow(EnvOptionsError);
    expect(() => vectorize(makeEnv as () => Env, options)).toThrow(message);
  });

  test('is one environment for all, or environments of different kinds', () => {
    const one = counting();
    expect(() => vectorize(() => one, { numEnvs: 2 })).toThrow('must make a new environment with every call');
    let made = 0;
    expect(() => vectorize(() => counting({ maxEpisodeSteps: ++made }), { numEnvs: 2 })).toThrow('the same name');
  });

  test('is to make them by makeVectorEnv from their settings', () => {
    expect(() => optionsFrom(vectorize(corridor).settings)).toThrow('Corridor is written in TypeScript');
  });
});

describe('what it tells of itself', () => {
  test('is its kind, its name and its limit, of this process', () => {
    expect(vectorize(corridor).settings).toEqual({ kind: 'typescript', id: 'Corridor', maxEpisodeSteps: 100 });
    expect(vectorize(corridor, { maxEpisodeSteps: 5 }).settings.maxEpisodeSteps).toBe(5);
    expect(vectorize(() => counting()).settings).toEqual({ kind: 'typescript', id: 'bridge_test_envs:Counting-v0' });
    expect(vectorize(corridor).info).toEqual({ protocolVersion: 0, pid: process.pid, python: '', packages: {} });
    expect(vectorize(corridor).actionSpace.meanings).toEqual(['LEFT', 'RIGHT']);
  });

  test('has types', () => {
    expectTypeOf(vectorize).returns.toEqualTypeOf<VectorEnv>();
    expectTypeOf(vectorize).parameter(0).toEqualTypeOf<() => Env>();
    expectTypeOf<CartPole>().toExtend<Env>();
    expectTypeOf<bridge.Env>().toEqualTypeOf<Env>();
  });
});

describe('a program that steps and steps', () => {
  test('lets timers have their turn', async () => {
    const env = vectorize(corridor);
    await env.reset();
    let turn = false;
    setTimeout(() => {
      turn = true;
    });
    const start = performance.now();
    while (!turn && performance.now() - start < 60_000) await env.step([0]);
    expect(turn).toBe(true);
  });
});

describe('the entry for browsers', () => {
  const entry = fileURLToPath(new URL('../../envs/src/environments.ts', import.meta.url));

  test('exports what needs no Node, all of it the same as the main entry', () => {
    const errors = ['BridgeError', 'EnvClosedError', 'EnvOptionsError', 'EnvValueError', 'NotReproducibleError'];
    expect(Object.keys(environments).sort()).toEqual(
      [...errors, 'CartPole', 'atariGame', 'episodeSeed', 'isAtariId', 'playAgain', 'vectorize'].sort(),
    );
    expect(bridge).toMatchObject(environments);
  });

  test('imports only files that import nothing else', () => {
    const files = [entry];
    for (const file of files) {
      const code = readFileSync(file, 'utf8');
      for (const [, from] of code.matchAll(/^(?:import|export|\}).*\bfrom '([^']+)';$/gm)) {
        expect(from, file).toMatch(/^\.\/[\w-]+\.ts$/);
        const imported = join(dirname(file), from!);
        if (!files.includes(imported)) files.push(imported);
      }
    }
    const names = files.map((file) => file.split('/').at(-1));
    expect(names).toContain('batch-vector-env.ts'); // the pattern finds them
    expect(names).not.toContain('protocol.ts');
  });

  test('runs where there is nothing but JavaScript and timers', async () => {
    const { output } = (await build({
      configFile: false,
      logLevel: 'error',
      build: { write: false, minify: false, lib: { entry, formats: ['iife'], name: 'environments' } },
    }).then((result) => (Array.isArray(result) ? result[0] : result))) as { output: { code: string }[] };
    const page = `${output[0]!.code}
      (async () => {
        const { CartPole, vectorize } = environments;
        const env = vectorize(() => new CartPole(), { numEnvs: 2, seed: 4 });
        const shown = [Array.from((await env.reset()).observations)];
        for (let step = 0; step < 100; step++) shown.push(Array.from((await env.step([step % 2, 1])).observations));
        return JSON.stringify({ shown, pid: env.info.pid });
      })()`;
    const { shown, pid } = JSON.parse(await runInNewContext(page, { performance, setTimeout }));
    expect(pid).toBe(0);
    const env = vectorize(() => new CartPole(), { numEnvs: 2, seed: 4 });
    const here = [Array.from((await env.reset()).observations)];
    for (let step = 0; step < 100; step++) here.push(Array.from((await env.step([step % 2, 1])).observations));
    expect(shown).toEqual(here);
  });
});

describe('the example of the documentation', () => {
  test('is this file, and runs', async () => {
    const page = readFileSync(new URL('../../docs/vector-env.md', import.meta.url), 'utf8');
    const example = readFileSync(new URL('corridor.ts', import.meta.url), 'utf8');
    expect(page).toContain(`\`\`\`ts\n${example}\`\`\``);
    const returns = await walk();
    expect(returns.length).toBeGreaterThanOrEqual(8);
    // From place 0, 1 or 2 it takes 9, 8 or 7 steps, all but the last at -0.01.
    for (const value of returns) expect([0.92, 0.93, 0.94]).toContainEqual(expect.closeTo(value, 9));
  });
});
