// Weight normalization, Salimans & Kingma 2016 (arXiv 1602.07868): w = g v / ||v||, one g per output unit.
import * as tf from '@tensorflow/tfjs';

/**
 * Added to sum(v^2) before the root, so that v = 0 is defined. Its relative effect on w is epsilon / (2 ||v||^2): below
 * float32 rounding (6e-8) for every ||v|| >= 0.003.
 */
export const DEFAULT_EPSILON = 1e-12;

/** The axis (or axes) of the kernel that count output units; `null`: the whole tensor is one unit. May be negative. */
export type UnitAxis = number | readonly number[] | null;

export interface WeightNormalizeOptions {
  /**
   * Which axis of v counts output units; the norm runs over all the others. Default -1, right for dense and conv kernels
   * ([in, out] and [height, width, in, out]); a transposed convolution ([height, width, out, in]) needs 2.
   */
  unitAxis?: UnitAxis;
  /** Added to sum(v^2) before the root. Default {@link DEFAULT_EPSILON}. */
  epsilon?: number;
}

/**
 * w = g v / ||v||, with ||v|| = sqrt(sum(v^2) + epsilon) taken per output unit (equation 2 of the paper).
 *
 * Gradients (equation 3), exact for the epsilon in use and computed without building ||v|| twice:
 * dL/dg = dL/dw . v/||v|| and dL/dv = (g/||v||) dL/dw - (g dL/dg / ||v||^2) v. First order only: do not differentiate a
 * gradient of this function again.
 *
 * At v = 0: w = 0, dL/dg = 0 and dL/dv = (g / sqrt(epsilon)) dL/dw, finite but 1e6 g dL/dw with the default epsilon.
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
  checkFloat(v, 'v');
  checkFloat(g, 'g');
  const { reduced, keptShape, unitShape } = unitAxes(v.shape, unitAxis);
  if (!sameShape(g.shape, unitShape) && !sameShape(g.shape, keptShape)) {
    throw new Error(
      `weightNormalize: g has shape [${g.shape}], but v of shape [${v.shape}] with unitAxis ${axisText(unitAxis)} ` +
        `needs g of shape [${unitShape}] (or [${keptShape}])`,
    );
  }
  // [units] broadcasts as it is where units are the last axes.
  const statisticShape = reduced.every((axis, i) => axis === i) ? unitShape : keptShape;
  const shaped = (t: tf.Tensor) => (sameShape(t.shape, statisticShape) ? t : tf.reshape(t, statisticShape));
  const sumUnits = (t: tf.Tensor) => shaped(tf.sum(t, reduced));
  const normalize = tf.customGrad((...inputs) => {
    const [direction, length, save] = inputs as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const inverseNorm = tf.rsqrt(tf.add(sumUnits(tf.square(direction)), epsilon));
    const scale = tf.mul(shaped(length), inverseNorm); // g / ||v||
    save([direction, inverseNorm, scale]);
    return {
      value: tf.mul(direction, scale),
      gradFunc: (dw: tf.Tensor, saved: tf.Tensor[]) => {
        const [direction, inverseNorm, scale] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
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
 * dL/dt = s dy, dL/ds = sum(dy t), dL/dg = dL/ds / ||v||, dL/dv = -(dL/dg s / ||v||) v. The last is the part along v only;
 * the rest of v's gradient reaches it through t. First order only, as above.
 *
 * @param xv x * v, float32 `[..., units]`.
 * @param v Kernel, float32 `[..., units]`.
 * @param g Gain, float32 `[units]`.
 */
export function scaleOutput(xv: tf.Tensor, v: tf.Tensor, g: tf.Tensor, epsilon: number = DEFAULT_EPSILON): tf.Tensor {
  const kernelAxes = allButLast(v);
  const outputAxes = allButLast(xv);
  const scaled = tf.customGrad((...inputs) => {
    const [t, direction, length, save] = inputs as unknown as [tf.Tensor, tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const inverseNorm = tf.rsqrt(tf.add(tf.sum(tf.square(direction), kernelAxes), epsilon)); // [units]
    const scale = tf.mul(length, inverseNorm); // [units]
    save([t, direction, inverseNorm, scale]);
    return {
      value: tf.mul(t, scale),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [t, direction, inverseNorm, scale] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
        const dg = tf.mul(tf.sum(tf.mul(dy, t), outputAxes), inverseNorm); // [units]
        const dv = tf.mul(direction, tf.neg(tf.mul(tf.mul(dg, scale), inverseNorm)));
        return [tf.mul(dy, scale), dv, dg];
      },
    };
  });
  return scaled(xv, v, g);
}

/** ||v|| = sqrt(sum(v^2) + epsilon) of each output unit of a kernel whose last axis counts units, `[units]`. */
export function unitNorms(v: tf.Tensor, epsilon: number = DEFAULT_EPSILON): tf.Tensor {
  return tf.tidy(() => tf.sqrt(tf.add(tf.sum(tf.square(v), allButLast(v)), epsilon)));
}

/** The axes of a tensor whose last axis counts units, without that one. */
export function allButLast(tensor: tf.Tensor): number[] {
  return tensor.shape.map((_, axis) => axis).slice(0, -1);
}

/** Throws unless epsilon is a positive number that float32 can hold. */
export function checkEpsilon(epsilon: number): void {
  if (!(Math.fround(epsilon) > 0 && Number.isFinite(epsilon))) {
    throw new Error(`epsilon is ${epsilon}: give a small positive number such as ${DEFAULT_EPSILON}`);
  }
}

/** The axes a norm runs over, and the two shapes g may have. */
function unitAxes(
  shape: number[],
  unitAxis: UnitAxis,
): { reduced: number[]; keptShape: number[]; unitShape: number[] } {
  const rank = shape.length;
  const axes = unitAxis === null ? [] : typeof unitAxis === 'number' ? [unitAxis] : unitAxis;
  const kept = axes.map((axis) => (axis < 0 ? axis + rank : axis)).sort((a, b) => a - b);
  const valid = kept.every((axis) => Number.isInteger(axis) && axis >= 0 && axis < rank);
  if (!valid || new Set(kept).size !== kept.length) {
    throw new Error(
      `unitAxis ${axisText(unitAxis)} does not fit a tensor of shape [${shape}]: give distinct axes from ${-rank} to ` +
        `${rank - 1}, or null for one unit`,
    );
  }
  return {
    reduced: shape.map((_, axis) => axis).filter((axis) => !kept.includes(axis)),
    keptShape: shape.map((size, axis) => (kept.includes(axis) ? size : 1)),
    unitShape: kept.map((axis) => shape[axis]!),
  };
}

function checkFloat(tensor: tf.Tensor, name: string): void {
  if (tensor.dtype !== 'float32')
    throw new Error(`weightNormalize: ${name} has dtype ${tensor.dtype}: cast it to float32`);
}

function sameShape(a: number[], b: number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function axisText(unitAxis: UnitAxis): string {
  return typeof unitAxis === 'object' && unitAxis !== null ? `[${unitAxis}]` : String(unitAxis);
}
