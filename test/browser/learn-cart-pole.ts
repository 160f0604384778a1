// What a page does to learn: a weight-normalised DQN on the CartPole that is written in TypeScript, op by op.
import * as tf from '@tensorflow/tfjs';
import { CartPole, vectorize } from 'gymnasium-js-bridge/environments';
import { createDqn, dqn } from '../../agents/dqn/index.ts';
import { resolveSettings } from '../../src/settings/index.ts';

/** Trains for so many agent steps; tells what was learned and whether tensors were left behind. */
export async function learnCartPole(steps: number) {
  await tf.setBackend('cpu');
  const env = vectorize(() => new CartPole(), { numEnvs: 2, seed: 1 });
  const { settings } = resolveSettings(dqn, 'classic-control', {
    ...{ envId: 'CartPole-v1', numEnvs: 2, steps, learningStarts: 50, hiddenUnits: [16], batchSize: 16 },
    epsilonDecaySteps: 200,
  });
  const before = tf.memory().numTensors;
  const agent = createDqn(settings, env);
  await agent.begin();
  const losses: number[] = [];
  const returns: number[] = [];
  while (agent.position < steps) {
    const { learned, result } = await agent.step();
    losses.push(...learned.map(({ loss }) => loss));
    returns.push(...result.finished.map((episode) => episode.return));
  }
  const [kernel] = agent.currentNetwork().getWeights();
  const finite = Array.from(kernel.dataSync()).every(Number.isFinite);
  agent.dispose();
  await env.close();
  return { updates: agent.updates, losses, returns, finite, leaked: tf.memory().numTensors - before };
}
