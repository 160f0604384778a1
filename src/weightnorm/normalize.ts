// Weight normalization, Salimans & Kingma 2016 (arXiv 1602.07868): w = g v / ||v||, one g per output unit.
import * as tf from '@tensorflow/tfjs';
import { allButLast, checkEpsilon, checkFloat, checkUnitShape, shaped, type UnitAxis, unitAxes } from './units.ts';

/**
 * Added to sum(v^2) before the root, so that v = 0 is defined. Its relative effect on w is epsilon / (2 ||v||^2): below
 * float32 rounding (6e-8) for every ||v|| >= 0.003.
 */
export const DEFAULT_EPSILON = 1e-12;

/** How `weightNormalize` goes about it. */
export interface WeightNormalizeOptions {
  /**
   * Which axis of v counts output units; the norm runs over all the others. Default -1, right for dense and conv
   * kernels ([in, out] and [height, width, in, out]); a transposed convolution ([height, width, out, in]) needs 2.
   */
  unitAxis?: UnitAxis;
  /** Added to sum(v^2) before the root. Default {@link DEFAULT_EPSILON}. */
  epsilon?: number;
}

/**
 * w = g v / ||v||, with ||v|| = sqrt(sum(v^2) + epsilon) taken per output unit (equation 2 of the paper).
 *
 * Gradients (equation 3), exact for the epsilon in use and computed without building ||v|| twice:
 * dL/dg = dL/dw . v/||v|| and dL/dv = (g/||v||) dL/dw - (g dL/dg / ||v||^2) v. Within the gradient of a gradient ||v||
 * is built again, so that derivatives of every order are right.
 *
 * At v = 0: w = 0, dL/dg = 0 and dL/dv = (g / sqrt(epsilon)) dL/dw, finite but 1e6 g dL/dw with the default epsilon.
 * From ||v|| = 1.8e19 on, sum(v^2) overflows float32 and 1/||v|| is 0: w, dL/dg and dL/dv are 0, so the unit stays as
 * it is (the gradients are NaN where dL/dw . v overflows too). A NaN or an infinity in v, or a NaN in g, makes w NaN,
 * or partly NaN, in its own unit and in no other. docs/weight-normalization/extreme-values.md has every case.
 *
 * @param v Direction, float32, any shape.
 * @param g Length, float32: `[units]` (one dimension for each unit axis; `[]` for the whole tensor), or the same with
 *   ones in the reduced axes, such as `[1, units]`. dL/dg comes back in the shape given.
 * @returns w, in the shape of v.
 * @throws If a unit axis does not exist or repeats, g has another shape, or epsilon is not a positive number.
 */
export function weightNormalize(v: tf.Tensor, g: tf.Tensor, options: WeightNormalizeOptions = {}): tf.Tensor {
  const { unitAxis = -1, epsilon = DEFAULT_EPSILON } = options;
  checkEpsilon(epsilon);
  checkFloat('weightNormalize', 'v', v);
  checkFloat('weightNormalize', 'g', g);
  checkUnitShape('weightNormalize', 'g', g, v, unitAxis);
  const { reduced, broadcastShape } = unitAxes(v.shape, unitAxis);
  const sumUnits = (t: tf.Tensor) => shaped(tf.sum(t, reduced), broadcastShape);
  /** 1/||v|| and g/||v||. */
  const scales = (direction: tf.Tensor, length: tf.Tensor) => {
    const inverseNorm = tf.rsqrt(tf.add(sumUnits(tf.square(direction)), epsilon));
    return [inverseNorm, tf.mul(shaped(length, broadcastShape), inverseNorm)] as const;
  };
  const normalize = tf.customGrad((...inputs) => {
    const [direction, length, save] = inputs as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const [inverseNorm, scale] = scales(direction, length);
    save([direction, length, inverseNorm, scale]);
    return {
      value: tf.mul(direction, scale),
      gradFunc: (dw: tf.Tensor, saved: tf.Tensor[]) => {
        const [direction, length, ...known] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
        const [inverseNorm, scale] = isDifferentiatedAgain() ? scales(direction, length) : known;
        const dg = tf.mul(sumUnits(tf.mul(dw, direction)), inverseNorm);
        const dv = tf.mul(tf.sub(dw, tf.mul(direction, tf.mul(dg, inverseNorm))), scale);
        return [dv, tf.reshape(dg, g.shape)];
      },
    };
  });
  return normalize(v, g);
}

/**
 * x * w from x * v: the output of a dense or convolution layer, scaled by g / ||v|| per unit.
 *
 * The map is linear in its kernel, so x * (g v/||v||) = (x * v) g/||v||: scaling the output reads the kernel once, for
 * the norm, where building w would write it once more and differentiate through it. With t = x * v and s = g/||v||:
 * dL/dt = s dy, dL/ds = sum(dy t), dL/dg = dL/ds / ||v||, dL/dv = -(dL/dg s / ||v||) v. The last is the part along v
 * only; the rest of v's gradient reaches it through t. Of every order, as above. Where x * v overflows, the output is
 * NaN, even if the w of `weightNormalize` would be 0.
 *
 * @param xv x * v, float32 `[..., units]`.
 * @param v Kernel, float32 `[..., units]`.
 * @param g Gain, float32 `[units]`.
 */
export function scaleOutput(xv: tf.Tensor, v: tf.Tensor, g: tf.Tensor, epsilon: number = DEFAULT_EPSILON): tf.Tensor {
  const kernelAxes = allButLast(v);
  const outputAxes = allButLast(xv);
  /** 1/||v|| and g/||v||, `[units]`. */
  const scales = (direction: tf.Tensor, length: tf.Tensor) => {
    const inverseNorm = tf.rsqrt(tf.add(tf.sum(tf.square(direction), kernelAxes), epsilon));
    return [inverseNorm, tf.mul(length, inverseNorm)] as const;
  };
  const scaled = tf.customGrad((...inputs) => {
    const [t, direction, length, save] = inputs as unknown as [tf.Tensor, tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const [inverseNorm, scale] = scales(direction, length);
    save([t, direction, length, inverseNorm, scale]);
    return {
      value: tf.mul(t, scale),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [t, direction, length, ...known] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
        const [inverseNorm, scale] = isDifferentiatedAgain() ? scales(direction, length) : known;
        const dg = tf.mul(tf.sum(tf.mul(dy, t), outputAxes), inverseNorm); // [units]
        const dv = tf.mul(direction, tf.neg(tf.mul(tf.mul(dg, scale), inverseNorm)));
        return [tf.mul(dy, scale), dv, dg];
      },
    };
  });
  return scaled(xv, v, g);
}

/**
 * Whether a gradient that is being worked out is to be differentiated itself: what a forward pass has saved beside its
 * inputs counts as constant there.
 */
export function isDifferentiatedAgain(): boolean {
  return (tf.engine() as unknown as { state: { gradientDepth: number } }).state.gradientDepth > 0;
}

/** ||v|| = sqrt(sum(v^2) + epsilon) of each output unit, in the shape of the units: `[units]` for one unit axis. */
export function unitNorms(v: tf.Tensor, epsilon: number = DEFAULT_EPSILON, unitAxis: UnitAxis = -1): tf.Tensor {
  const { reduced } = unitAxes(v.shape, unitAxis);
  return tf.tidy(() => tf.sqrt(tf.add(tf.sum(tf.square(v), reduced), epsilon)));
}
