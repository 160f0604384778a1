import type * as tf from '@tensorflow/tfjs';
import { applyNetwork } from '../../src/agent/states.ts';
import { descend, type TransitionTensors, type ValueNetworks } from '../../src/agent/value-learner.ts';
import { qLearningTargets, regressionLoss, valuesOf } from '../../src/losses/index.ts';
import type { Optimizer } from '../../src/optimizers/index.ts';
import type { DqnSettings } from './config.ts';

/** Q(s, .) of stacked states: [n, actions]. */
export function actionValues(network: tf.LayersModel, states: tf.Tensor, training = false): tf.Tensor2D {
  return applyNetwork(network, states, training) as tf.Tensor2D;
}

/**
 * One update of a DQN's online network on a minibatch (Mnih et al. 2015, algorithm 1).
 * @param lossOf The loss of each error, [batch] to [batch]; the settings' where undefined.
 * @returns A function of tensors that gives `loss`, its mean over the batch before the update, and `meanQ`, the mean of
 *   max_a Q(s_t, a): what the agent expects to score, in discounted clipped rewards.
 */
export function dqnUpdate(
  { online, target }: ValueNetworks,
  optimizer: Optimizer,
  { loss, doubleQ, maxGradientNorm }: Pick<DqnSettings, 'loss' | 'doubleQ' | 'maxGradientNorm'>,
  lossOf: (errors: tf.Tensor1D) => tf.Tensor1D = (errors) => regressionLoss(loss, errors),
) {
  return ({ states, actions, returns, discounts, nextStates }: TransitionTensors, learningRate?: tf.Scalar) => {
    // y_t = R_t + gamma^n max_a Q_target(s_{t+n}, a); double DQN takes a from the online network.
    const choosing = doubleQ ? actionValues(online, nextStates) : undefined;
    const targets = qLearningTargets(returns, discounts, actionValues(target, nextStates), choosing); // [batch]
    const measure = () => {
      const values = actionValues(online, states, true); // [batch, actions]
      const errors = valuesOf(values, actions).sub<tf.Tensor1D>(targets); // delta_t, [batch]
      return { loss: lossOf(errors).mean<tf.Scalar>(), meanQ: values.max(1).mean<tf.Scalar>() };
    };
    return descend(online, optimizer, maxGradientNorm, measure, learningRate);
  };
}
