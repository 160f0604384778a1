import type * as tf from '@tensorflow/tfjs';
import { valuesOf } from './action-values.ts';
import { quantileTargets } from './quantile.ts';

/** The constants of Munchausen-DQN (Vieillard et al. 2020, section 4 for their values on Atari). */
export interface MunchausenOptions {
  /** How much of the scaled log-policy the reward gains, alpha, from 0 to 1; 0.9 on Atari. */
  readonly alpha: number;
  /** The entropy temperature of the policy softmax(Q / tau), above 0, in the unit of the values; 0.03 on Atari. */
  readonly temperature: number;
  /** The smallest tau log pi(a|s) that counts, l_0, below 0 and in the unit of the values; -1 on Atari. */
  readonly clipMin: number;
}

/** tau log sum_a exp(A(a) / tau) of values minus their largest: between 0 and tau log(actions). [batch, 1]. */
function excess(advantages: tf.Tensor2D, temperature: number): tf.Tensor2D {
  return advantages.div(temperature).exp().sum<tf.Tensor2D>(1, true).log().mul(temperature);
}

/**
 * Computes the scaled log-policy tau log pi(a|s) of the policy pi = softmax(Q / tau) (Vieillard et al. 2020, section
 * 2), without overflow at any temperature.
 * @param actionValues Q(s, .), [batch, actions].
 * @param temperature tau, above 0, in the unit of the values.
 * @returns At most 0, in the unit of the values, [batch, actions].
 */
export function scaledLogPolicy(actionValues: tf.Tensor2D, temperature: number): tf.Tensor2D {
  const advantages = actionValues.sub<tf.Tensor2D>(actionValues.max(1, true));
  return advantages.sub(excess(advantages, temperature));
}

/**
 * Computes the soft value of each state, sum_a pi(a|s) (Q(s, a) - tau log pi(a|s)) for pi = softmax(Q / tau)
 * (Vieillard et al. 2020, equation 1). Every term of the sum is tau log sum_a exp(Q(s, a) / tau), which is what this
 * computes, without overflow at any temperature.
 * @param actionValues Q(s, .), [batch, actions].
 * @param temperature tau, above 0, in the unit of the values.
 * @returns From max_a Q to max_a Q + tau log(actions), [batch].
 */
export function softValues(actionValues: tf.Tensor2D, temperature: number): tf.Tensor1D {
  const largest = actionValues.max<tf.Tensor2D>(1, true);
  return largest.add(excess(actionValues.sub(largest), temperature)).squeeze<tf.Tensor1D>([1]);
}

/** alpha clip(tau log pi(a_t|s_t), l_0, 0), [batch]. */
function logPolicyBonus(
  values: tf.Tensor2D,
  actions: tf.Tensor1D,
  { alpha, temperature, clipMin }: MunchausenOptions,
): tf.Tensor1D {
  return valuesOf(scaledLogPolicy(values, temperature), actions).clipByValue(clipMin, 0).mul(alpha);
}

/**
 * Computes the targets of Munchausen-DQN (Vieillard et al. 2020, equation 2, its log-policy clipped as in section 4):
 * y_t = R_t + alpha clip(tau log pi(a_t|s_t), l_0, 0) + gamma^n sum_a pi(a|s_{t+n}) (Q(s_{t+n}, a) - tau log
 * pi(a|s_{t+n})), with the values and the policy of the target network.
 *
 * The paper has n = 1. For larger n only the first step gains the log-policy term, as in the authors' code, since the
 * policy of the steps between is not known here.
 * @param returns R_t = r_t + gamma r_{t+1} + ..., [batch].
 * @param discounts gamma^n, or 0 after a terminal step, [batch].
 * @param nextValues Q(s_{t+n}, .) of the target network, [batch, actions].
 * @param values Q(s_t, .) of the target network, [batch, actions].
 * @param actions a_t, int32 [batch].
 * @returns [batch]
 */
export function munchausenTargets(
  returns: tf.Tensor1D,
  discounts: tf.Tensor1D,
  nextValues: tf.Tensor2D,
  values: tf.Tensor2D,
  actions: tf.Tensor1D,
  options: MunchausenOptions,
): tf.Tensor1D {
  const bonus = logPolicyBonus(values, actions, options);
  return returns.add(bonus).add(discounts.mul(softValues(nextValues, options.temperature)));
}

/**
 * Computes the target quantiles of Munchausen-IQN (Vieillard et al. 2020, section 3 and appendix B.1): R_t + alpha
 * clip(tau log pi(a_t|s_t), l_0, 0) + gamma^n sum_a pi(a|s_{t+n}) (theta_j(s_{t+n}, a) - tau log pi(a|s_{t+n})). The
 * policy is that of the mean values, one for all quantiles.
 * @param nextQuantiles theta_j(s_{t+n}, .) of the target network, [batch, actions, targets].
 * @param nextValues Their means, or others of the target network, [batch, actions].
 * @returns [batch, targets]
 */
export function munchausenQuantileTargets(
  returns: tf.Tensor1D,
  discounts: tf.Tensor1D,
  nextQuantiles: tf.Tensor3D,
  nextValues: tf.Tensor2D,
  values: tf.Tensor2D,
  actions: tf.Tensor1D,
  options: MunchausenOptions,
): tf.Tensor2D {
  const logPolicy = scaledLogPolicy(nextValues, options.temperature); // tau log pi, [batch, actions]
  const policy = logPolicy.div(options.temperature).exp().expandDims(2);
  const soft = nextQuantiles.sub(logPolicy.expandDims(2)).mul(policy).sum<tf.Tensor2D>(1); // [batch, targets]
  return quantileTargets(returns.add(logPolicyBonus(values, actions, options)), discounts, soft);
}
