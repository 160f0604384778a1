import * as tf from '@tensorflow/tfjs';
import { complement, type UpdateRule } from './update-rule.ts';

/** Rectified Adam (Liu et al. 2020). */
export interface RAdamConfig {
  readonly name: 'radam';
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  /** Added to the square root of the corrected v, as in optax. */
  readonly epsilon: number;
}

/** From this rho_t on steps are rectified: 5 in optax and PyTorch, anything above 4 in the paper. */
const THRESHOLD = 5;
/** An epsilon beside which sqrt(v) is nothing in float32, so that Adam's step is that of its momentum alone. */
const HUGE_EPSILON = 1e18;

/**
 * Rectified Adam (Liu et al. 2020, arXiv:1908.03265, algorithm 2), with the threshold and the epsilon of optax's
 * `radam`:
 *
 *   m      <- m + (g - m) (1 - beta1)
 *   v      <- v + (g^2 - v) (1 - beta2)
 *   mHat    = m / (1 - beta1^t),  vHat = v / (1 - beta2^t)
 *   rho     = 2 / (1 - beta2) - 1
 *   rho_t   = rho - 2 t beta2^t / (1 - beta2^t)
 *   x      <- x - learningRate r_t mHat / (sqrt(vHat) + epsilon)    where rho_t >= 5, with
 *             r_t = sqrt((rho_t - 4) (rho_t - 2) rho / ((rho - 4) (rho - 2) rho_t))
 *   x      <- x - learningRate mHat                                 before that: the first 5 updates at beta2 0.999
 *
 * TensorFlow has no op of it, but its Adam with another learning rate and epsilon is the same step.
 */
export function rAdamRule({ beta1, beta2, epsilon }: RAdamConfig): UpdateRule {
  return {
    slotNames: ['m', 'v'],
    slotDegrees: { m: 1, v: 2 },
    powerBases: { beta1Power: beta1, beta2Power: beta2 },
    countsUpdates: true,
    prepare({ learningRate, powers: { beta1Power, beta2Power }, beta1: given, updates }) {
      const correction = tf.sqrt(tf.sub(1, beta2Power));
      const length = rectifiedLength(updates!, beta2);
      const isRectified = tf.greaterEqual(length, THRESHOLD);
      const rate = tf.where<tf.Scalar>(
        isRectified,
        tf.mul(learningRate, rectification(length, beta2)),
        tf.div(tf.mul(learningRate, HUGE_EPSILON), correction),
      );
      return {
        oneMinusBeta1: given ? tf.sub(1, given) : tf.scalar(complement(beta1)),
        oneMinusBeta2: tf.scalar(complement(beta2)),
        rate,
        alpha: tf.div(tf.mul(rate, correction), tf.sub(1, beta1Power)),
        epsilon: tf.where<tf.Scalar>(isRectified, tf.mul(epsilon, correction), HUGE_EPSILON),
      };
    },
    apply({ variable, slots: { m, v }, gradient }, { oneMinusBeta1, oneMinusBeta2, epsilon: added, alpha }) {
      m.assign(m.add(gradient.sub(m).mul(oneMinusBeta1)));
      v.assign(v.add(gradient.square().sub(v).mul(oneMinusBeta2)));
      variable.assign(variable.sub(m.mul(alpha).div(v.sqrt().add(added))));
    },
    fuse: (
      { variable, slots: { m, v }, gradient },
      { beta1: given, powers: { beta1Power, beta2Power } },
      { rate, epsilon: added },
    ) => ({
      op: 'ResourceApplyAdam',
      resources: [variable, m, v],
      inputs: [beta1Power, beta2Power, rate, given ?? beta1, beta2, added, gradient],
      attributes: { use_locking: false, use_nesterov: false },
    }),
  };
}

/**
 * rho_t. As it is written above, float32 would leave no digit of it in the first updates, where it is about t and the
 * difference of two thousands. With x = -log(beta2) it is coth(x/2) - t coth(t x/2) + t, and y coth(y) - 1 has
 * Lambert's continued fraction, in which nothing cancels.
 */
function rectifiedLength(updates: tf.Scalar, beta2: number): tf.Scalar {
  const x = -Math.log(beta2);
  const y = tf.mul(updates, x / 2);
  const square = tf.square(tf.minimum(y, 1));
  const fraction = [9, 7, 5, 3].reduce<tf.Tensor>((below, odd) => tf.add(odd, tf.div(square, below)), tf.scalar(11));
  const early = tf.add(updates, tf.mul(2 / x, tf.sub((x / 2) ** 2 / 3, tf.div(square, fraction))));
  const late = tf.sub(longest(beta2), tf.div(tf.mul(2, updates), tf.expm1(tf.mul(2, y))));
  return tf.where<tf.Scalar>(tf.less(y, 1), early as tf.Scalar, late as tf.Scalar);
}

/** rho, what rho_t tends to. */
function longest(beta2: number): number {
  return 2 / (1 - beta2) - 1;
}

/** r_t of rho_t; a number without meaning below the threshold. */
function rectification(length: tf.Scalar, beta2: number): tf.Scalar {
  const rho = longest(beta2);
  const factor = rho / ((rho - 4) * (rho - 2));
  return tf.sqrt(tf.maximum(0, tf.div(tf.mul(tf.mul(tf.sub(length, 4), tf.sub(length, 2)), factor), length)));
}
