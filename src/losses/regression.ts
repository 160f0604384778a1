import type * as tf from '@tensorflow/tfjs';

/** Functions of each error: what a regression to targets can lower. */
export const REGRESSION_LOSSES = ['huber', 'squared'] as const;
/** The name of such a function. */
export type RegressionLoss = (typeof REGRESSION_LOSSES)[number];

/**
 * Huber's loss of each error: e^2 / 2 up to `threshold`, threshold (|e| - threshold / 2) beyond. With 1 its gradient is
 * the error clipped to [-1, 1] of Mnih et al. 2015.
 */
export function huber<T extends tf.Tensor>(errors: T, threshold = 1): T {
  const size = errors.abs();
  const quadratic = size.minimum(threshold);
  const beyond = size.sub(quadratic);
  return quadratic
    .square()
    .mul(0.5)
    .add(threshold === 1 ? beyond : beyond.mul(threshold)) as T;
}

/** The loss of a name, of each error. */
export function regressionLoss<T extends tf.Tensor>(name: RegressionLoss, errors: T): T {
  return name === 'squared' ? (errors.square() as T) : huber(errors);
}
