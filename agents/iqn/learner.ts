import type * as tf from '@tensorflow/tfjs';
import type { NetworkFactory } from '../../src/agent/networks.ts';
import { networkInput } from '../../src/agent/states.ts';
import {
  descend,
  type TransitionTensors,
  type ValueNetworks,
  type ValueUpdate,
} from '../../src/agent/value-learner.ts';
import {
  distributionsOf,
  greedyActions,
  munchausenQuantileTargets,
  quantileHuberLoss,
  quantileMidpoints,
  quantileTargets,
} from '../../src/losses/index.ts';
import { imageQuantileNetwork, mlpQuantileNetwork } from '../../src/networks/index.ts';
import type { Optimizer } from '../../src/optimizers/index.ts';
import { type NoiseSeed, seededUniform } from '../../src/runtime/seeded-noise.ts';
import type { IqnSettings } from './config.ts';

/** The factory of the settings' network: [states, probabilities [n, count]] to [n, count, actions]. */
export function iqnNetwork({ network, padding, hiddenUnits, layerNorm, cosines }: IqnSettings): NetworkFactory {
  return ({ inputShape, inputRange, outputs: numActions, normalization, seed }) => {
    const options = { numActions, normalization, layerNorm, hiddenUnits, seed, cosines };
    if (network === 'mlp') {
      return mlpQuantileNetwork({ ...options, inputSize: inputShape.reduce((product, size) => product * size, 1) });
    }
    const images = { ...options, inputShape: inputShape as [number, number, number], inputRange, padding };
    return imageQuantileNetwork(network, images);
  };
}

/** The quantiles of each action's return at probabilities [n, count]: [n, actions, count]. */
function quantilesAt(network: tf.LayersModel, states: tf.Tensor, taus: tf.Tensor2D, training = false): tf.Tensor3D {
  const outputs = network.apply([networkInput(network, states), taus], { training }) as tf.Tensor3D;
  return outputs.transpose([0, 2, 1]);
}

/** The same probabilities for each of so many states, the midpoints of equal parts: [states, count]. */
export function policyTaus(states: number, { policyQuantiles }: Pick<IqnSettings, 'policyQuantiles'>): tf.Tensor2D {
  return quantileMidpoints(policyQuantiles).expandDims<tf.Tensor2D>(0).tile([states, 1]);
}

/**
 * Q(s, .) for stacked states: the mean of each action's quantiles at the midpoints of equal parts of probability, which
 * approximates the expected return: [n, actions].
 */
export function actionValues(
  network: tf.LayersModel,
  states: tf.Tensor,
  settings: Pick<IqnSettings, 'policyQuantiles'>,
): tf.Tensor2D {
  return quantilesAt(network, states, policyTaus(states.shape[0], settings)).mean<tf.Tensor2D>(2);
}

type UpdateSettings = Pick<
  IqnSettings,
  | 'quantiles'
  | 'targetQuantiles'
  | 'policyQuantiles'
  | 'kappa'
  | 'doubleQ'
  | 'maxGradientNorm'
  | 'munchausenScale'
  | 'munchausenTemperature'
  | 'munchausenClip'
>;

/**
 * One update of an IQN's online network on a minibatch (Dabney et al. 2018, arXiv:1806.06923, algorithm 1), or of a
 * Munchausen-IQN's (Vieillard et al. 2020).
 * @returns A function of tensors that gives `loss`, the mean of the quantile Huber losses before the update, each times
 *   its importance weight; `meanQ`, the mean of max_a Q(s_t, a) over the random probabilities of the update; and as
 *   priorities the losses without the weights.
 */
export function iqnUpdate({ online, target }: ValueNetworks, optimizer: Optimizer, settings: UpdateSettings) {
  const { quantiles, targetQuantiles, kappa, doubleQ, maxGradientNorm } = settings;
  const { munchausenScale: alpha, munchausenTemperature: temperature, munchausenClip: clipMin } = settings;
  return (
    { states, actions, returns, discounts, nextStates, weights }: TransitionTensors,
    seed: NoiseSeed,
    learningRate?: tf.Scalar,
  ): ValueUpdate => {
    const batch = actions.shape[0];
    // tau and tau' are independent of each other, and of those of every other update.
    const taus = seededUniform<tf.Rank.R2>([batch, quantiles], seed, 1);
    const next = quantilesAt(target, nextStates, seededUniform<tf.Rank.R2>([batch, targetQuantiles], seed, 2));
    const targets = () => {
      if (alpha > 0) {
        const [nextValues, values] = [nextStates, states].map((of) => actionValues(target, of, settings));
        const options = { alpha, temperature, clipMin };
        return munchausenQuantileTargets(returns, discounts, next, nextValues, values, actions, options);
      }
      const best = greedyActions(actionValues(doubleQ ? online : target, nextStates, settings));
      return quantileTargets(returns, discounts, distributionsOf(next, best));
    };
    const y = targets(); // [batch, targetQuantiles]
    const measure = () => {
      const predicted = quantilesAt(online, states, taus, true); // [batch, actions, quantiles]
      const losses = quantileHuberLoss(distributionsOf(predicted, actions), taus, y, kappa); // [batch]
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

/** What the network takes to be initialised from data. */
export function inputsFor(
  network: tf.LayersModel,
  states: tf.Tensor,
  settings: Pick<IqnSettings, 'policyQuantiles'>,
): tf.Tensor[] {
  return [networkInput(network, states), policyTaus(states.shape[0], settings)];
}
