import type * as tf from '@tensorflow/tfjs';
import { actionMasks } from './action-values.ts';

/**
 * Selects the distribution of one action in each example: the logits of its atoms (C51) or its quantiles (QR-DQN, IQN).
 * @param distributions What a network gives for all actions, [batch, actions, n].
 * @param actions The indices of the actions, int32 [batch].
 * @returns [batch, n]
 */
export function distributionsOf(distributions: tf.Tensor3D, actions: tf.Tensor1D): tf.Tensor2D {
  return distributions.mul(actionMasks(actions, distributions.shape[1]).expandDims(2)).sum<tf.Tensor2D>(1);
}
