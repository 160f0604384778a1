import type * as tf from '@tensorflow/tfjs';
import { distributions } from '../../src/agent/states.ts';
import {
  descend,
  type TransitionTensors,
  type ValueNetworks,
  type ValueUpdate,
} from '../../src/agent/value-learner.ts';
import {
  distributionsOf,
  greedyActions,
  quantileHuberLoss,
  quantileMidpoints,
  quantileTargets,
} from '../../src/losses/index.ts';
import type { PassNoise } from '../../src/networks/index.ts';
import type { Optimizer } from '../../src/optimizers/index.ts';
import type { NoiseSeed } from '../../src/runtime/seeded-noise.ts';
import type { QrDqnSettings } from './config.ts';

/** Q(s, .) for stacked states, the mean of each action's quantiles: [n, actions]. */
export function actionValues(
  network: tf.LayersModel,
  states: tf.Tensor,
  { quantiles }: Pick<QrDqnSettings, 'quantiles'>,
  noise?: PassNoise,
): tf.Tensor2D {
  return distributions(network, states, quantiles, { noise }).mean<tf.Tensor2D>(2);
}

/**
 * One update of a QR-DQN's online network on a minibatch (Dabney et al. 2018, algorithm 1). With double Q-learning the
 * online network's means choose the next action.
 * @returns A function of tensors that gives `loss`, the mean of the quantile Huber losses before the update, each times
 *   its importance weight; `meanQ`, the mean of max_a Q(s_t, a); and as priorities the losses without the weights.
 */
export function qrDqnUpdate(
  { online, target }: ValueNetworks,
  optimizer: Optimizer,
  {
    quantiles,
    kappa,
    doubleQ,
    maxGradientNorm,
  }: Pick<QrDqnSettings, 'quantiles' | 'kappa' | 'doubleQ' | 'maxGradientNorm'>,
) {
  return (
    { states, actions, returns, discounts, nextStates, weights }: TransitionTensors,
    seed: NoiseSeed,
    learningRate?: tf.Scalar,
  ): ValueUpdate => {
    const theta = (network: tf.LayersModel, of: tf.Tensor, pass: number, training = false) =>
      distributions(network, of, quantiles, { training, noise: { seed, pass } }); // [batch, actions, quantiles]
    const next = theta(target, nextStates, 1);
    const choosing = doubleQ ? theta(online, nextStates, 2) : next;
    const best = greedyActions(choosing.mean<tf.Tensor2D>(2)); // of the mean, not of each quantile
    const targets = quantileTargets(returns, discounts, distributionsOf(next, best)); // [batch, quantiles]
    const measure = () => {
      const predicted = theta(online, states, 0, true);
      const estimates = distributionsOf(predicted, actions);
      const losses = quantileHuberLoss(estimates, quantileMidpoints(quantiles), targets, kappa); // [batch]
      return {
        loss: losses.mul(weights).mean<tf.Scalar>(),
        meanQ: predicted.mean(2).max(1).mean<tf.Scalar>(),
        priorities: losses,
      };
    };
    const { priorities, ...statistics } = descend(online, optimizer, maxGradientNorm, measure, learningRate);
    return { statistics, priorities };
  };
}
