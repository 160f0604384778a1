import type * as tf from '@tensorflow/tfjs';
import { step, tensor1d } from '@tensorflow/tfjs';
import { huber } from './regression.ts';

/**
 * The probabilities whose quantiles QR-DQN learns: the midpoints (2 i + 1) / (2 count) of `count` intervals of equal
 * probability (Dabney et al. 2018, "Distributional Reinforcement Learning with Quantile Regression", lemma 2): [count].
 */
export function quantileMidpoints(count: number): tf.Tensor1D {
  return tensor1d(Array.from({ length: count }, (_, i) => (i + 0.5) / count));
}

/**
 * Computes the target quantiles R + discount theta_j(s_{t+n}, a*) (Dabney et al. 2018, algorithm 1).
 * @param returns R_t = r_t + gamma r_{t+1} + ..., [batch].
 * @param discounts gamma^n, or 0 after a terminal step, [batch].
 * @param nextQuantiles Those of the next state's chosen action, [batch, targets].
 * @returns [batch, targets]
 */
export function quantileTargets(returns: tf.Tensor1D, discounts: tf.Tensor1D, nextQuantiles: tf.Tensor2D): tf.Tensor2D {
  return returns.expandDims<tf.Tensor2D>(1).add(discounts.expandDims(1).mul(nextQuantiles));
}

/**
 * Computes the quantile Huber loss of each example: sum_i mean_j |tau_i - 1{u_ij < 0}| L_kappa(u_ij) / kappa, where
 * u_ij = target_j - estimate_i is a temporal difference and L_kappa is Huber's loss with threshold kappa.
 *
 * As in both papers it sums over the estimates and averages over the targets: QR-DQN (Dabney et al. 2018, equation 10
 * and algorithm 1) and IQN (Dabney et al. 2018, "Implicit Quantile Networks", equation 3). So does Dopamine. The
 * division by kappa is IQN's, and that of Dopamine's IQN; equation 10 of QR-DQN, and Dopamine's QR-DQN, have none. For
 * kappa = 1, which both papers use, there is no difference. With the division, kappa can go to 0: the loss of
 * quantile regression (QR-DQN, equation 8).
 *
 * The gradient does not flow through 1{u < 0}; where the targets depend on what is learned, it does flow through them.
 * @param estimates theta_i(s_t, a_t) of the action that was taken, [batch, estimates].
 * @param taus The probability of each estimate, between 0 and 1: [estimates] (QR-DQN) or [batch, estimates] (IQN).
 * @param targets R + discount theta_j(s_{t+n}, a*), [batch, targets].
 * @param kappa Errors up to this size, in the unit of the values, are squared; 0 or more.
 * @returns [batch]
 */
export function quantileHuberLoss(
  estimates: tf.Tensor2D,
  taus: tf.Tensor1D | tf.Tensor2D,
  targets: tf.Tensor2D,
  kappa = 1,
): tf.Tensor1D {
  const errors = targets.expandDims(1).sub(estimates.expandDims(2)); // u, [batch, estimates, targets]
  // `step` has a gradient, which is 0; `less` has none.
  const slopes = taus.expandDims(-1).sub(step(errors.neg())); // tau - 1{u < 0}: above 0 where u >= 0
  const losses = kappa === 0 ? errors.mul(slopes) : huber(errors, kappa).mul(slopes.abs()).div(kappa);
  return losses.mean(2).sum<tf.Tensor1D>(1);
}
