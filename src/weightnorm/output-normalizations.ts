// Normalisations of pre-activations t, [batch, ..., units] with channels last, all without scale and shift: layers add
// theirs.
import * as tf from '@tensorflow/tfjs';
import { allButLast, checkEpsilon } from './units.ts';

/** Added to the variance by batch, layer and group normalization. */
export const VARIANCE_EPSILON = 1e-5;

/**
 * Mean-only batch normalization (Salimans & Kingma 2016, section 4): t - mean[t] of each unit over the batch and all
 * positions. Its gradient is dL/dt = dy - mean[dy].
 *
 * @param t Pre-activations, float32 `[batch, ..., units]`.
 * @param onMean Hears the mean, `[units]`: for a running one. The tensor is freed afterwards.
 */
export function meanOnlyBatchNormalize(t: tf.Tensor, onMean?: (mean: tf.Tensor) => void): tf.Tensor {
  const axes = allButLast(t);
  const center = tf.customGrad((...inputs) => {
    const input = inputs[0] as tf.Tensor;
    const mean = tf.mean(input, axes);
    onMean?.(mean);
    return { value: tf.sub(input, mean), gradFunc: (dy: tf.Tensor) => tf.sub(dy, tf.mean(dy, axes)) };
  });
  return center(t);
}

/** How a normalization by the variance goes about it. */
export interface VarianceOptions {
  /** Added to the variance. Default {@link VARIANCE_EPSILON}. */
  epsilon?: number;
}

/**
 * Batch normalization (Ioffe & Szegedy 2015, algorithm 1): (t - mean[t]) / sqrt(var[t] + epsilon) of each unit over the
 * batch and all positions; the population's variance.
 *
 * @param t Pre-activations, float32 `[batch, ..., units]`.
 * @param onMoments Hears mean and variance, `[units]` each: for running ones. The tensors are freed afterwards.
 */
export function batchNormalize(
  t: tf.Tensor,
  { epsilon = VARIANCE_EPSILON }: VarianceOptions = {},
  onMoments?: (mean: tf.Tensor, variance: tf.Tensor) => void,
): tf.Tensor {
  checkEpsilon(epsilon);
  return tf.tidy(() => {
    const { mean, variance } = tf.moments(t, allButLast(t));
    onMoments?.(mean, variance);
    return tf.mul(tf.sub(t, mean), tf.rsqrt(tf.add(variance, epsilon)));
  });
}

/**
 * Layer normalization (Ba et al. 2016): (t - mean[t]) / sqrt(var[t] + epsilon) of each example.
 *
 * @param t Pre-activations, float32 `[batch, ..., units]`.
 * @param axes Over which axes: the last alone (each position by itself, for dense layers), or, as for convolutions, all
 *   but the first. Default the last.
 */
export function layerNormalize(
  t: tf.Tensor,
  { epsilon = VARIANCE_EPSILON, axes = [t.rank - 1] }: VarianceOptions & { axes?: number[] } = {},
): tf.Tensor {
  checkEpsilon(epsilon);
  return tf.tidy(() => {
    const { mean, variance } = tf.moments(t, axes, true);
    return tf.mul(tf.sub(t, mean), tf.rsqrt(tf.add(variance, epsilon)));
  });
}

/**
 * Group normalization (Wu & He 2018): the units are divided into groups of neighbours, and each group of each example
 * is normalised over its units and all positions.
 *
 * @param t Pre-activations, float32 `[batch, ..., units]`.
 * @param groups How many; divides the number of units.
 */
export function groupNormalize(
  t: tf.Tensor,
  { groups, epsilon = VARIANCE_EPSILON }: VarianceOptions & { groups: number },
): tf.Tensor {
  const units = t.shape.at(-1)!;
  checkEpsilon(epsilon);
  checkGroups(groups, units);
  return tf.tidy(() => {
    const size = units / groups;
    const batch = t.shape[0]!;
    const x = tf.reshape(t, [batch, -1, units]); // [batch, positions, units]
    // Positions first, then the units of a group: two cheap reductions, where one over both would have to transpose.
    const meanOfGroup = (values: tf.Tensor) => {
      const means = tf.mean(tf.reshape(tf.mean(values, 1), [batch, groups, size]), 2, true); // [batch, groups, 1]
      return tf.reshape(tf.tile(means, [1, 1, size]), [batch, 1, units]);
    };
    const centered = tf.sub(x, meanOfGroup(x));
    const variance = meanOfGroup(tf.square(centered)); // [batch, 1, units]
    return tf.reshape(tf.mul(centered, tf.rsqrt(tf.add(variance, epsilon))), t.shape);
  });
}

/** @throws Unless `groups` divides the number of units. */
export function checkGroups(groups: number, units: number): void {
  if (Number.isInteger(groups) && groups >= 1 && units % groups === 0) return;
  throw new Error(`groups is ${groups}: give a whole number that divides the ${units} units of the layer`);
}
