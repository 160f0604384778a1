import { type FinishedEpisode, makeVectorEnv } from 'gymnasium-js-bridge';
import { CartPole, vectorize } from 'gymnasium-js-bridge/environments';
import { describe, expect, test } from 'vitest';
import { numpyUniform } from '../../envs/src/numpy-random.ts';
import { Generator } from '../../src/random/index.ts';
import { askPython } from '../python-oracle.ts';
import { closing, useOwnTemporaryFolder } from './helpers.ts';

useOwnTemporaryFolder();

interface PythonEpisode {
  seed: number;
  actions: number[];
  states: number[][];
  terminated: boolean;
}
interface Answer {
  episodes: PythonEpisode[];
  balanced: PythonEpisode[];
  random: number[][];
}

const random = new Generator(1, 'tests of CartPole');
const seeds = [0, 1, 2, 42, 2 ** 31 - 1, ...Array.from({ length: 95 }, () => random.integer(2 ** 31 - 1))];
const python = askPython<Answer>(new URL('python/cart_pole_oracle.py', import.meta.url), {
  episodes: seeds.map((seed) => ({ seed, actions: Array.from({ length: 600 }, () => random.integer(2)) })),
  balanced: seeds.slice(0, 8),
  random: [...seeds, 2 ** 32 - 1],
});

/** The largest difference between two states of the same time. */
const distance = (a: ArrayLike<number>, b: readonly number[]) =>
  Math.max(...b.map((value, i) => Math.abs(a[i]! - value)));

describe('random numbers', () => {
  test("are NumPy's, bit for bit", () => {
    const here = [...seeds, 2 ** 32 - 1].map((seed) => {
      const uniform = numpyUniform(seed);
      return Array.from({ length: 8 }, () => uniform(0, 1));
    });
    expect(here).toEqual(python.random);
  });
});

describe("the float64 state, against Gymnasium's", () => {
  test('is equal to 1e-12 in every step of seeded episodes, and they end in the same step', () => {
    const cartPole = new CartPole();
    for (const { seed, actions, states, terminated } of python.episodes) {
      expect(terminated, `seed ${seed}`).toBe(true);
      expect(distance(cartPole.reset(seed), states[0]!), `seed ${seed}`).toBeLessThan(1e-12);
      for (const [step, action] of actions.entries()) {
        const result = cartPole.step(action);
        expect(distance(cartPole.state, states[step + 1]!), `seed ${seed}, step ${step}`).toBeLessThan(1e-12);
        expect(result.reward).toBe(1);
        expect(result.terminated).toBe(step === actions.length - 1);
      }
    }
  });

  test('goes to the same next state from each of 500 steps in balance', () => {
    // From Gymnasium's states: a pole in balance grows a difference in the last bit of a sine e-fold in a quarter of a
    // second, so on some machines its episodes part.
    const cartPole = new CartPole();
    for (const { seed, actions, states, terminated } of python.balanced) {
      expect({ seed, terminated, steps: actions.length }).toEqual({ seed, terminated: false, steps: 500 });
      for (const [step, action] of actions.entries()) {
        cartPole.state.set(states[step]!);
        expect(cartPole.step(action).terminated).toBe(false);
        expect(distance(cartPole.state, states[step + 1]!), `seed ${seed}, step ${step}`).toBeLessThan(1e-12);
      }
    }
  });
});

describe('as a VectorEnv, against the sidecar', () => {
  test.each([
    { numEnvs: 1, seed: 0 },
    { numEnvs: 3, seed: 8 },
    { numEnvs: 5, seed: 2 ** 31 - 1 },
    { numEnvs: 3, seed: 9, maxEpisodeSteps: 15 },
  ])('gives the same float32 observations, rewards, ends and next episodes with %j', async (options) => {
    const sidecar = closing(await makeVectorEnv({ id: 'CartPole-v1', ...options }));
    const here = closing(vectorize(() => new CartPole(), options));
    expect(here.observationSpace).toEqual(sidecar.observationSpace);
    expect(here.actionSpace).toEqual(sidecar.actionSpace);
    expect({ ...here.settings, kind: 'gymnasium' }).toEqual(sidecar.settings);

    expect(await here.reset()).toEqual(await sidecar.reset());
    const finished: FinishedEpisode[] = [];
    for (let step = 0; step < 400; step++) {
      const actions = Array.from({ length: options.numEnvs }, () => random.integer(2));
      const result = await here.step(actions);
      expect(result, `step ${step}`).toEqual(await sidecar.step(actions));
      expect(here.getState()).toEqual(sidecar.getState());
      finished.push(...result.finished);
    }
    expect(finished.length).toBeGreaterThan(10 * options.numEnvs);
    expect(finished.some(({ truncated }) => truncated)).toBe(options.maxEpisodeSteps !== undefined);
  });

  test('flags an end by the rules in the step of the time limit as both', async () => {
    const seed = 3;
    const play = async (maxEpisodeSteps: number) => {
      const envs = [
        closing(await makeVectorEnv({ id: 'CartPole-v1', maxEpisodeSteps, seed })),
        closing(vectorize(() => new CartPole(), { maxEpisodeSteps, seed })),
      ];
      const [sidecar, here] = await Promise.all(
        envs.map(async (env) => {
          await env.reset();
          for (;;) {
            const { finished } = await env.step([1]);
            if (finished[0]) return finished[0];
          }
        }),
      );
      expect(here).toEqual(sidecar);
      return here!;
    };
    const { lengthSteps, terminated, truncated } = await play(500);
    expect([terminated, truncated]).toEqual([true, false]);
    expect(await play(lengthSteps)).toMatchObject({ lengthSteps, terminated: true, truncated: true });
  });

  test('is cut off after 500 steps, both here and there', async () => {
    for (const env of [
      closing(await makeVectorEnv({ id: 'CartPole-v1', seed: 5 })),
      closing(vectorize(() => new CartPole(), { seed: 5 })),
    ]) {
      let { observations } = await env.reset();
      for (let step = 1; step <= 500; step++) {
        const [position, velocity, angle, angularVelocity] = observations as unknown as [
          number,
          number,
          number,
          number,
        ];
        const action = 0.1 * position + 0.3 * velocity + 3 * angle + angularVelocity > 0 ? 1 : 0;
        const result = await env.step([action]);
        observations = result.observations;
        expect([...result.terminated, ...result.truncated]).toEqual([0, step === 500 ? 1 : 0]);
      }
    }
  });
});
