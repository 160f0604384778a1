import type * as tf from '@tensorflow/tfjs';
import { scalar, stack, unstack } from '@tensorflow/tfjs';

/**
 * Computes the lambda returns of a rollout, from its last step backwards: G_t = r_t + gamma_t ((1 - lambda) V(s_{t+1})
 * + lambda G_{t+1}), and G = r + gamma V in the last step. With V(s) = max_a Q(s, a) they are the targets of PQN
 * (Gallici et al. 2024, "Simplifying Deep Temporal Difference Learning"), Peng's Q(lambda); lambda = 0 gives the
 * targets of one-step Q-learning, and lambda = 1 the discounted sum of the rewards up to the end.
 *
 * What an episode's end means is up to `discounts` and `truncated`. The paper's code (purejaxql, pqn_atari.py) does not
 * tell terminations and truncations apart: the return of either step is its reward. For that, give discount 0 to both
 * and no `truncated`. To bootstrap at a time limit instead, leave gamma in `discounts`, set `truncated`, and let
 * `nextValues` have the value of the episode's last observation, not of the next episode's first one.
 *
 * These are tensors and not typed arrays because a learner gets V of the last observations from the network: in one
 * compiled step with it no value leaves the graph. The loop over time becomes two small operations for each step of
 * the rollout.
 * @param rewards r_t, [steps, lanes].
 * @param discounts gamma, or 0 where the return ends with the reward of the step, [steps, lanes].
 * @param nextValues V(s_{t+1}), [steps, lanes].
 * @param lambda From 0 to 1.
 * @param truncated True or 1 where the next row belongs to another episode though the value does not end here:
 *   G = r + gamma V there. Of any dtype, [steps, lanes]. Nowhere where undefined.
 * @returns G_t, [steps, lanes].
 */
export function lambdaReturns(
  rewards: tf.Tensor2D,
  discounts: tf.Tensor2D,
  nextValues: tf.Tensor2D,
  lambda: number,
  truncated?: tf.Tensor2D,
): tf.Tensor2D {
  const traces = discounts.mul<tf.Tensor2D>(
    truncated === undefined ? lambda : scalar(1).sub(truncated.cast('float32')).mul(lambda),
  );
  // G_t = offset_t + trace_t G_{t+1}
  const offsets = unstack(rewards.add(discounts.sub(traces).mul(nextValues)));
  const factors = unstack(traces);
  let following: tf.Tensor = nextValues.slice([offsets.length - 1], [1]).squeeze([0]);
  const returns = offsets.map((_, i) => {
    const t = offsets.length - 1 - i;
    following = offsets[t].add(factors[t].mul(following));
    return following;
  });
  return stack(returns.reverse()) as tf.Tensor2D;
}
