// What agents share that learn a categorical distribution over returns: C51, and Rainbow, which is more than it.
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import {
  categoricalCrossEntropy,
  categoricalEntropy,
  distributionsOf,
  expectedValues,
  greedyActions,
  projectDistribution,
} from '../losses/index.ts';
import type { PassNoise } from '../networks/index.ts';
import type { Optimizer } from '../optimizers/index.ts';
import type { NoiseSeed } from '../runtime/seeded-noise.ts';
import { number, type SettingProblem, wholeNumber } from '../settings/index.ts';
import {
  environmentSettings,
  explorationSettings,
  networkSettings,
  optimizerSettings,
  replaySettings,
  runSettings,
} from './settings.ts';
import { distributions } from './states.ts';
import { descend, type TransitionTensors, type ValueNetworks, type ValueUpdate } from './value-learner.ts';
import { headSettings, prioritySettings, returnSettings } from './value-settings.ts';

/** Every setting of an agent that learns categorical distributions. */
export const categoricalSchema = z.strictObject({
  ...environmentSettings,
  ...networkSettings,
  ...headSettings,
  ...optimizerSettings,
  atoms: wholeNumber('returns that the distribution of an action has probabilities for', 'count', 2),
  vMin: number('the smallest of them', 'discounted rewards', -Number.MAX_VALUE),
  vMax: number('the largest of them', 'discounted rewards', -Number.MAX_VALUE),
  ...returnSettings,
  ...replaySettings,
  ...prioritySettings,
  ...explorationSettings,
  ...runSettings,
});
export type CategoricalSettings = z.infer<typeof categoricalSchema>;

/** 51 returns from -10 to 10 (Bellemare et al. 2017), which fit clipped rewards. */
export const atariSupport = { atoms: 51, vMin: -10, vMax: 10 };

/** What is wrong between the returns of the distribution. */
export function checkSupport({ vMin, vMax }: CategoricalSettings): SettingProblem | undefined {
  if (vMax > vMin) return undefined;
  return { key: 'vMax', value: vMax, reason: `: the largest return has to be above the smallest, {vMin} ${vMin}` };
}

/** Q(s, .) for stacked states, the expected return of each action: [n, actions]. */
export function categoricalValues(
  network: tf.LayersModel,
  states: tf.Tensor,
  settings: CategoricalSettings,
  noise?: PassNoise,
): tf.Tensor2D {
  return expectedValues(distributions(network, states, settings.atoms, { noise }), settings);
}

/**
 * One update of a C51's online network on a minibatch (Bellemare et al. 2017, algorithm 1). With double Q-learning the
 * online network's expected values choose the next action, and the target network's distribution of it is the target.
 * @returns A function of tensors that gives `loss`, the mean of the cross-entropies before the update, each times its
 *   importance weight; `meanQ`, the mean of max_a Q(s_t, a); and as priorities the Kullback-Leibler divergences of the
 *   predictions from the targets (Hessel et al. 2018, "The Integrated Agent").
 */
export function categoricalUpdate(
  { online, target }: ValueNetworks,
  optimizer: Optimizer,
  settings: Pick<CategoricalSettings, 'atoms' | 'vMin' | 'vMax' | 'doubleQ' | 'maxGradientNorm'>,
) {
  const { atoms, doubleQ, maxGradientNorm } = settings;
  return (
    { states, actions, returns, discounts, nextStates, weights }: TransitionTensors,
    seed: NoiseSeed,
    learningRate?: tf.Scalar,
  ): ValueUpdate => {
    const logits = (network: tf.LayersModel, of: tf.Tensor, pass: number, training = false) =>
      distributions(network, of, atoms, { training, noise: { seed, pass } }); // [batch, actions, atoms]
    const next = logits(target, nextStates, 1);
    const choosing = doubleQ ? logits(online, nextStates, 2) : next;
    const best = greedyActions(expectedValues(choosing, settings));
    const targets = projectDistribution(distributionsOf(tf.softmax(next), best), returns, discounts, settings); // m
    const measure = () => {
      const predicted = logits(online, states, 0, true);
      const losses = categoricalCrossEntropy(distributionsOf(predicted, actions), targets); // [batch]
      return {
        loss: losses.mul(weights).mean<tf.Scalar>(),
        meanQ: expectedValues(predicted, settings).max(1).mean<tf.Scalar>(),
        priorities: losses.sub<tf.Tensor1D>(categoricalEntropy(targets)).relu<tf.Tensor1D>(),
      };
    };
    const { priorities, ...statistics } = descend(online, optimizer, maxGradientNorm, measure, learningRate);
    return { statistics, priorities };
  };
}
