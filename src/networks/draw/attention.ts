// Selective attention of DRAW (Gregor et al. 2015, arXiv:1502.04623, section 3.2): grids of Gaussian filters that read
// and write a window of an image.
import * as tf from '@tensorflow/tfjs';

/** Added to the sum of a filter, which is 0 where the filter lies outside of the image. */
const FILTER_EPSILON = 1e-4;

/** Where and how a window of N x N Gaussian filters lies on an image, for each example: `[batch]` each. */
export interface Attention {
  /** Row and column of the middle, in pixels; the middle of the first pixel is 0. */
  centerY: tf.Tensor1D;
  centerX: tf.Tensor1D;
  /** Distance of two neighbouring filters, in pixels. */
  delta: tf.Tensor1D;
  /** Standard deviation of the filters, in pixels. */
  sigma: tf.Tensor1D;
  /** Intensity of what is read or written. */
  gamma: tf.Tensor1D;
}

/** The filters' weights: rows `[batch, N, height]` and columns `[batch, N, width]`, and the intensity `[batch]`. */
export interface Filters {
  rows: tf.Tensor3D;
  columns: tf.Tensor3D;
  gamma: tf.Tensor1D;
}

export interface WindowSizes {
  height: number;
  width: number;
  /** N, 2 or more. */
  windowSize: number;
}

/**
 * The five numbers of an attention from five linear outputs, `[batch, 5]`, in the order y, x, log delta, log sigma^2,
 * log gamma (equations 21-24):
 *
 *   centre = (y + 1)/2 height,  delta = (max(height, width) - 1)/(N - 1) exp(.),  sigma = exp(./2),  gamma = exp(.)
 *
 * (The paper's centre is (y + 1)/2 (height + 1) for pixels counted from 1: at y = 0 half a pixel nearer to the origin.)
 */
export function attentionOf(linear: tf.Tensor2D, { height, width, windowSize }: WindowSizes): Attention {
  const [y, x, logDelta, logVariance, logGamma] = tf.unstack(linear, 1) as tf.Tensor1D[];
  const stride = (Math.max(height, width) - 1) / (windowSize - 1);
  return {
    centerY: tf.mul(tf.add(y, 1), height / 2),
    centerX: tf.mul(tf.add(x, 1), width / 2),
    delta: tf.mul(tf.exp(logDelta), stride),
    sigma: tf.exp(tf.mul(logVariance, 0.5)),
    gamma: tf.exp(logGamma),
  };
}

/**
 * One axis of the grid (equations 19, 20 and 25, 26): filter i of N at mu_i = centre + (i - (N - 1)/2) delta, i from 0,
 * weighs pixel a by exp(-(a - mu_i)^2 / (2 sigma^2)), divided by the sum over the axis + 1e-4.
 *
 * @param center `[batch]`, in pixels, as `delta` and `sigma`.
 * @param imageSize Pixels along the axis.
 * @returns `[batch, N, imageSize]`
 */
export function filterBank(
  { center, delta, sigma }: { center: tf.Tensor1D; delta: tf.Tensor1D; sigma: tf.Tensor1D },
  windowSize: number,
  imageSize: number,
): tf.Tensor3D {
  return tf.tidy(() => {
    const offsets = tf.range(0, windowSize).sub((windowSize - 1) / 2); // [N]
    const means = center.expandDims(1).add(delta.expandDims(1).mul(offsets)); // [batch, N]
    const pixels = tf.range(0, imageSize); // [imageSize]
    const distances = pixels.sub(means.expandDims(2)).div(sigma.reshape([-1, 1, 1])); // [batch, N, imageSize]
    const weights = distances.square().mul(-0.5).exp();
    return weights.div<tf.Tensor3D>(weights.sum(2, true).add(FILTER_EPSILON));
  });
}

/** Both axes of the grid that five linear outputs, `[batch, 5]`, ask for. */
export function filtersOf(linear: tf.Tensor2D, sizes: WindowSizes): Filters {
  return tf.tidy(() => {
    const { centerY, centerX, delta, sigma, gamma } = attentionOf(linear, sizes);
    return {
      rows: filterBank({ center: centerY, delta, sigma }, sizes.windowSize, sizes.height),
      columns: filterBank({ center: centerX, delta, sigma }, sizes.windowSize, sizes.width),
      gamma,
    };
  });
}

/** gamma F_y x F_x' (equation 27): images `[batch, height, width]` to windows `[batch, N, N]`. */
export function drawRead(images: tf.Tensor3D, { rows, columns, gamma }: Filters): tf.Tensor3D {
  return tf.tidy(() => {
    const window = tf.matMul(tf.matMul(rows, images), columns, false, true); // [batch, N, N]
    return window.mul<tf.Tensor3D>(gamma.reshape([-1, 1, 1]));
  });
}

/** F_y' w F_x / gamma (equation 29): windows `[batch, N, N]` to images `[batch, height, width]`. */
export function drawWrite(windows: tf.Tensor3D, { rows, columns, gamma }: Filters): tf.Tensor3D {
  return tf.tidy(() => {
    const image = tf.matMul(tf.matMul(rows, windows, true, false), columns); // [batch, height, width]
    return image.div<tf.Tensor3D>(gamma.reshape([-1, 1, 1]));
  });
}
