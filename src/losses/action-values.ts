import type * as tf from '@tensorflow/tfjs';
import { oneHot, onesLike } from '@tensorflow/tfjs';

/** argmax_a Q(s, a): [batch, actions] to int32 [batch]. */
export function greedyActions(actionValues: tf.Tensor2D): tf.Tensor1D {
  return actionValues.argMax<tf.Tensor1D>(1);
}

/**
 * Marks one action each: int32 [batch] to int32 [batch, numActions], 1 at the action and 0 elsewhere. tf.oneHot takes
 * no single action.
 */
export function actionMasks(actions: tf.Tensor1D, numActions: number): tf.Tensor2D {
  if (numActions === 1) return onesLike(actions).expandDims<tf.Tensor2D>(1);
  return oneHot(actions, numActions) as tf.Tensor2D;
}

/** Q(s, a) of one action each: [batch, actions] and int32 [batch] to [batch]. */
export function valuesOf(actionValues: tf.Tensor2D, actions: tf.Tensor1D): tf.Tensor1D {
  return actionValues.mul(actionMasks(actions, actionValues.shape[1])).sum<tf.Tensor1D>(1);
}

/**
 * The n-step target of Q-learning, y_t = R_t + gamma^n max_a Q(s_{t+n}, a) (Mnih et al. 2015, algorithm 1), or of
 * double Q-learning, where another network's values choose the action (van Hasselt et al. 2016, equation 4).
 * @param returns R_t = r_t + gamma r_{t+1} + ..., [batch].
 * @param discounts gamma^n, or 0 after a terminal step, [batch].
 * @param nextValues Q(s_{t+n}, .) of the target network, [batch, actions].
 * @param choosingValues Q(s_{t+n}, .) of the network that chooses the action; the target network's own where undefined.
 * @returns [batch]
 */
export function qLearningTargets(
  returns: tf.Tensor1D,
  discounts: tf.Tensor1D,
  nextValues: tf.Tensor2D,
  choosingValues?: tf.Tensor2D,
): tf.Tensor1D {
  const bootstrap =
    choosingValues === undefined ? nextValues.max<tf.Tensor1D>(1) : valuesOf(nextValues, greedyActions(choosingValues));
  return returns.add(discounts.mul(bootstrap));
}
