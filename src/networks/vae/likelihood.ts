// How likely an image is for the decoder's output, in nats.
import * as tf from '@tensorflow/tfjs';

/** Levels of a pixel, 0 to 255. */
export const LEVELS = 256;

/** Level x as (x + 1/2)/256 - 1/2. */
export const LEVELS_TO_UNIT = { scale: 1 / LEVELS, offset: 0.5 / LEVELS - 0.5 };

/** Means in that unit as levels of 0 to 255, not rounded. */
export function levelsOf(means: tf.Tensor4D): tf.Tensor4D {
  return tf.tidy(() => tf.clipByValue(means.add(0.5).mul(LEVELS).sub(0.5), 0, LEVELS - 1));
}

/**
 * log p(image) with each pixel 1 with probability sigmoid(logit): sum of x c - softplus(c).
 *
 * @param images 0 or 1, `[batch, height, width, channels]`, as the logits.
 * @returns `[batch]`
 */
export function bernoulli(images: tf.Tensor4D, logits: tf.Tensor4D): tf.Tensor1D {
  return tf.tidy(() => images.mul(logits).sub(tf.softplus(logits)).sum([1, 2, 3]));
}

/**
 * log p(image) with each level the bin of a logistic distribution (Kingma et al. 2016, section 6.2):
 *
 *   p(x) = sigmoid(a) - sigmoid(b),  a = (x/256 + 1/256 - 1/2 - mean)/scale,  b = a - 1/(256 scale)
 *
 * The lowest bin reaches to minus infinity and the highest to infinity, so that the 256 levels sum to 1. (openai/iaf
 * cuts both tails off and adds 1e-7 to p.) As sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), no
 * near numbers are subtracted and none underflow.
 *
 * @param levels 0 to 255, float32 `[batch, height, width, channels]`, as the means.
 * @param means Levels as (x + 1/2)/256 - 1/2, so -0.5 to 0.5.
 * @param logScale Natural logarithm of the scale, in the unit of the means; a scalar.
 * @returns `[batch]`
 */
export function discretizedLogistic(levels: tf.Tensor4D, means: tf.Tensor4D, logScale: tf.Scalar): tf.Tensor1D {
  return tf.tidy(() => {
    const width = tf.exp(tf.neg(logScale)).div(LEVELS); // of a bin, in scales
    const b = levels.div(LEVELS).sub(0.5).sub(means).div(tf.exp(logScale));
    const a = b.add(width);
    const hasAbove = levels.less(LEVELS - 1).toFloat();
    const hasBelow = levels.greater(0).toFloat();
    const logBin = tf.log(tf.neg(tf.expm1(tf.neg(width)))); // log(1 - exp(b - a))
    const logAbove = tf.softplus(tf.neg(a)).mul(hasAbove); // -log sigmoid(a)
    const logBelow = tf.softplus(b).mul(hasBelow); // -log sigmoid(-b)
    return logBin.mul(hasAbove).mul(hasBelow).sub(logAbove).sub(logBelow).sum([1, 2, 3]);
  });
}
