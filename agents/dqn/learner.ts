import type * as tf from '@tensorflow/tfjs';
import { applyNetwork } from '../../src/agent/states.ts';
import {
  descend,
  type TransitionTensors,
  type ValueNetworks,
  type ValueUpdate,
} from '../../src/agent/value-learner.ts';
import { munchausenTargets, qLearningTargets, regressionLoss, valuesOf } from '../../src/losses/index.ts';
import type { PassNoise } from '../../src/networks/index.ts';
import type { Optimizer } from '../../src/optimizers/index.ts';
import type { NoiseSeed } from '../../src/runtime/seeded-noise.ts';
import type { DqnSettings } from './config.ts';

/** Q(s, .) for stacked states: [n, actions]. */
export function actionValues(
  network: tf.LayersModel,
  states: tf.Tensor,
  training = false,
  noise?: PassNoise,
): tf.Tensor2D {
  return applyNetwork(network, states, training, noise) as tf.Tensor2D;
}

type UpdateSettings = Pick<DqnSettings, 'loss' | 'doubleQ' | 'maxGradientNorm'> &
  Partial<Pick<DqnSettings, 'munchausenScale' | 'munchausenTemperature' | 'munchausenClip'>>;

/**
 * One update of a DQN's online network on a minibatch (Mnih et al. 2015, algorithm 1).
 * @param lossOf The loss of each error, [batch] to [batch]; the settings' where undefined.
 * @returns A function of tensors that gives `loss`, its mean over the batch before the update, each transition's times
 *   its importance weight; `meanQ`, the mean of max_a Q(s_t, a): what the agent expects to score, in discounted clipped
 *   rewards; and as priorities the absolute TD errors.
 */
export function dqnUpdate(
  { online, target }: ValueNetworks,
  optimizer: Optimizer,
  {
    loss,
    doubleQ,
    maxGradientNorm,
    munchausenScale = 0,
    munchausenTemperature = 0.03,
    munchausenClip = -1,
  }: UpdateSettings,
  lossOf: (errors: tf.Tensor1D) => tf.Tensor1D = (errors) => regressionLoss(loss, errors),
) {
  const munchausen = { alpha: munchausenScale, temperature: munchausenTemperature, clipMin: munchausenClip };
  return (
    { states, actions, returns, discounts, nextStates, weights }: TransitionTensors,
    seed: NoiseSeed,
    learningRate?: tf.Scalar,
  ): ValueUpdate => {
    // A noisy network has new noise in each pass (Fortunato et al. 2018, algorithm 1).
    const nextValues = actionValues(target, nextStates, false, { seed, pass: 1 });
    const targets = () => {
      if (munchausenScale > 0) {
        const values = actionValues(target, states, false, { seed, pass: 2 });
        return munchausenTargets(returns, discounts, nextValues, values, actions, munchausen);
      }
      // y_t = R_t + gamma^n max_a Q_target(s_{t+n}, a); double DQN takes a from the online network.
      const choosing = doubleQ ? actionValues(online, nextStates, false, { seed, pass: 2 }) : undefined;
      return qLearningTargets(returns, discounts, nextValues, choosing);
    };
    const y = targets(); // [batch]
    const measure = () => {
      const values = actionValues(online, states, true, { seed, pass: 0 }); // [batch, actions]
      const errors = valuesOf(values, actions).sub<tf.Tensor1D>(y); // delta_t, [batch]
      return {
        loss: lossOf(errors).mul(weights).mean<tf.Scalar>(),
        meanQ: values.max(1).mean<tf.Scalar>(),
        priorities: errors.abs<tf.Tensor1D>(),
      };
    };
    const { priorities, ...statistics } = descend(online, optimizer, maxGradientNorm, measure, learningRate);
    return { statistics, priorities };
  };
}
