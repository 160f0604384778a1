import type * as tf from '@tensorflow/tfjs';
import { customGrad, step, tensor1d } from '@tensorflow/tfjs';

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
  if (kappa === 0) {
    const errors = differences(estimates, targets);
    // `step` has a gradient, which is 0; `less` has none.
    return errors
      .mul(taus.expandDims(-1).sub(step(errors.neg())))
      .mean(2)
      .sum<tf.Tensor1D>(1);
  }
  return pairwiseLosses(estimates, taus, targets, kappa).sum(1);
}

/** u_ij = target_j - estimate_i, [batch, estimates, targets]. */
const differences = (estimates: tf.Tensor, targets: tf.Tensor) => targets.expandDims(1).sub(estimates.expandDims(2));

/**
 * mean_j |tau_i - 1{u_ij < 0}| L_kappa(u_ij) / kappa, [batch, estimates]. The weight is tau_i for errors above 0 and
 * 1 - tau_i for those below, so that both are summed over j before they are weighted; and so are the gradients, as that
 * of L_kappa is the clipped error. Differentiated step by step, it passes over [batch, estimates, targets] three times
 * as often.
 */
function pairwiseLosses(estimates: tf.Tensor2D, taus: tf.Tensor, targets: tf.Tensor2D, kappa: number): tf.Tensor2D {
  const scale = 1 / (kappa * targets.shape[1]);
  const apply = customGrad((...inputs) => {
    const [theta, y, tau, save] = inputs as unknown as [tf.Tensor, tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const u = differences(theta, y);
    const above = u.minimum(kappa).relu();
    const below = u.maximum(-kappa).minimum(0);
    // With c the clipped error, L_kappa(u) = c u - c^2 / 2.
    const total = (clipped: tf.Tensor) => clipped.mul(u).sum(2).sub(clipped.square().sum(2).mul(0.5));
    const [lossAbove, lossBelow] = [total(above), total(below)];
    const weighted = (ofAbove: tf.Tensor, ofBelow: tf.Tensor) =>
      tau.mul(ofAbove).add(tau.mul(-1).add(1).mul(ofBelow)).mul(scale);
    const slopes = weighted(above.sum(2), below.sum(2));
    save([above, below, tau, slopes, lossAbove.sub(lossBelow).mul(scale)]);
    return {
      value: weighted(lossAbove, lossBelow),
      gradFunc(dy: tf.Tensor, saved: tf.Tensor[]) {
        const [above, below, tau, slopes, dTau] = saved;
        const along = (weights: tf.Tensor, clipped: tf.Tensor) => weights.expandDims(1).matMul(clipped).squeeze([1]);
        const dTargets = along(tau.mul(dy), above).add(along(tau.mul(-1).add(1).mul(dy), below));
        const ofTau = dTau.mul(dy);
        return [slopes.neg().mul(dy), dTargets.mul(scale), taus.rank === 1 ? ofTau.sum(0) : ofTau];
      },
    };
  });
  return apply(estimates, targets, taus) as tf.Tensor2D;
}
