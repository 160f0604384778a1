import * as tf from '@tensorflow/tfjs';

/**
 * Scales all gradients by one factor so that their joint L2 norm is at most `maxNorm` (Pascanu et al. 2013,
 * arXiv:1211.5063, algorithm 1):
 *
 *   norm = sqrt(sum over all gradients and elements of g^2),  g <- g maxNorm / max(norm, maxNorm)
 *
 * @returns New tensors, one for each gradient, and the norm before clipping (a scalar), all the caller's to dispose. A
 * norm that is not finite makes every result NaN, so that a broken step is seen and not hidden.
 */
export function clipByGlobalNorm(
  gradients: readonly tf.Tensor[],
  maxNorm: number | tf.Scalar,
): { gradients: tf.Tensor[]; norm: tf.Scalar } {
  if (gradients.length === 0) throw new Error('clipByGlobalNorm got no gradients: give at least one.');
  const missing = Array.from(gradients).findIndex((gradient) => !gradient);
  if (missing >= 0) {
    throw new Error(
      `Gradient ${missing} of the ${gradients.length} that clipByGlobalNorm got is missing: the loss does not depend ` +
        'on its variable. Give tf.zerosLike of the variable, or leave it out.',
    );
  }
  if (typeof maxNorm === 'number' && !(maxNorm > 0)) {
    throw new Error(`maxNorm is ${maxNorm}: it must be above 0.`);
  }
  return tf.tidy(() => {
    const squares = gradients.map((gradient) => tf.sum(tf.square(gradient)) as tf.Scalar);
    const norm = tf.sqrt(tf.addN(squares)) as tf.Scalar;
    // norm - norm is 0 for finite norms and NaN otherwise.
    const scale = tf.add(tf.div(maxNorm, tf.maximum(norm, maxNorm)), tf.sub(norm, norm));
    return { gradients: gradients.map((gradient) => tf.mul(gradient, scale)), norm };
  });
}
