// A weight-normalised DQN on the CartPole that is written in TypeScript, op by op on tfjs' cpu backend, which is fast
// enough for a network of this size and needs no further file.
import * as tf from '@tensorflow/tfjs';
import { CartPole, vectorize } from 'gymnasium-js-bridge/environments';
import { createDqn, dqn } from '../../agents/dqn/index.ts';
import { resolveSettings } from '../../src/settings/index.ts';

/** The mean over so many episodes that counts as learned. */
export const LEARNED = { mean: 195, episodes: 20 };
/** Where learning ends. */
export const MOST_STEPS = 30_000;

export type Normalization = 'weight' | 'none';

/** Learning that can be watched. */
export interface Learning {
  readonly steps: number;
  readonly epsilon: number;
  /** Return of each episode that has ended. */
  readonly returns: readonly number[];
  /** Mean of the last {@link LEARNED} episodes; undefined before so many have ended. */
  readonly mean: number | undefined;
  /** Position in m, velocity in m/s, angle in rad, angular velocity in rad/s, of the episode under way. */
  readonly state: Float64Array;
  /** One agent step, with the update that falls due in it. */
  step(): Promise<void>;
  /** Q-values of the state: to the left, to the right. */
  qValues(): Float32Array;
  dispose(): Promise<void>;
}

/** @param seed Decides the initial weights, the episodes and the random actions. */
export async function beginLearning(seed: number, normalization: Normalization): Promise<Learning> {
  await tf.setBackend('cpu');
  const game = new CartPole();
  const env = vectorize(() => game, { numEnvs: 1, seed });
  const { settings } = resolveSettings(dqn, 'classic-control', {
    ...{ envId: 'CartPole-v1', seed, normalization, steps: MOST_STEPS },
    ...{ hiddenUnits: [32, 32], batchSize: 32, learningStarts: 500 },
  });
  const agent = createDqn(settings, env);
  await agent.begin();
  const returns: number[] = [];
  let epsilon = 1;
  return {
    returns,
    state: game.state,
    get steps() {
      return agent.position;
    },
    get epsilon() {
      return epsilon;
    },
    get mean() {
      const last = returns.slice(-LEARNED.episodes);
      return last.length < LEARNED.episodes ? undefined : last.reduce((sum, value) => sum + value, 0) / last.length;
    },
    async step() {
      const { now, result } = await agent.step();
      epsilon = now.epsilon;
      returns.push(...result.finished.map((episode) => episode.return));
    },
    qValues: () =>
      tf.tidy(() => {
        const values = agent.currentNetwork().apply(tf.tensor2d(Array.from(game.state), [1, 4])) as tf.Tensor;
        return values.dataSync<'float32'>();
      }),
    async dispose() {
      agent.dispose();
      await env.close();
    },
  };
}
