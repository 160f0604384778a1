// Which axes of a kernel count output units, and the shapes that follow from it.
import * as tf from '@tensorflow/tfjs';

/** The axis (or axes) of the kernel that count output units; `null`: the whole tensor is one unit. May be negative. */
export type UnitAxis = number | readonly number[] | null;

/** The axes of a tensor whose last axis counts units, without that one. */
export function allButLast(tensor: tf.Tensor): number[] {
  return tensor.shape.map((_, axis) => axis).slice(0, -1);
}

/** Throws unless epsilon is a positive number that float32 can hold. */
export function checkEpsilon(epsilon: number, name = 'epsilon'): void {
  if (!(Math.fround(epsilon) > 0 && Number.isFinite(epsilon))) {
    throw new Error(`${name} is ${epsilon}: give a small positive number such as 1e-12`);
  }
}

/** How a kernel is divided into units. */
export interface UnitAxes {
  /** The axes that statistics of one unit run over. */
  reduced: number[];
  /** The kernel's shape with ones in the reduced axes. */
  keptShape: number[];
  /** The sizes of the unit axes. */
  unitShape: number[];
  /**
   * The shape in which per-unit values broadcast against the kernel: `unitShape` where the units are the last axes,
   * else `keptShape`.
   */
  broadcastShape: number[];
  /** Elements of one unit. */
  fanIn: number;
}

/** @throws If a unit axis does not exist or repeats. */
export function unitAxes(shape: readonly number[], unitAxis: UnitAxis): UnitAxes {
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
  const reduced = shape.map((_, axis) => axis).filter((axis) => !kept.includes(axis));
  const keptShape = shape.map((size, axis) => (kept.includes(axis) ? size : 1));
  const unitShape = kept.map((axis) => shape[axis]!);
  const broadcastShape = reduced.every((axis, i) => axis === i) ? unitShape : keptShape;
  const fanIn = reduced.reduce((product, axis) => product * shape[axis]!, 1);
  return { reduced, keptShape, unitShape, broadcastShape, fanIn };
}

/**
 * @throws Unless per-unit values have the shape of the units, `[units]`, or the kept one, `[1, units]`: no silent
 * broadcasting.
 */
export function checkUnitShape(
  caller: string,
  name: string,
  values: tf.Tensor,
  kernel: tf.Tensor,
  unitAxis: UnitAxis,
): void {
  const { unitShape, keptShape } = unitAxes(kernel.shape, unitAxis);
  if (sameShape(values.shape, unitShape) || sameShape(values.shape, keptShape)) return;
  throw new Error(
    `${caller}: ${name} has shape [${values.shape}], but v of shape [${kernel.shape}] with unitAxis ` +
      `${axisText(unitAxis)} needs ${name} of shape [${unitShape}] (or [${keptShape}])`,
  );
}

/** @throws Where each unit has one element: less its mean that is 0, and its standard deviation is 0. */
export function checkFanIn(caller: string, kernel: tf.Tensor, unitAxis: UnitAxis): void {
  if (unitAxes(kernel.shape, unitAxis).fanIn > 1) return;
  throw new Error(
    `${caller}: a kernel of shape [${kernel.shape}] with unitAxis ${axisText(unitAxis)} has one element a unit, ` +
      "which centring makes 0: use 'weight', or no normalization, for this layer",
  );
}

export function checkFloat(caller: string, name: string, tensor: tf.Tensor): void {
  if (tensor.dtype !== 'float32') throw new Error(`${caller}: ${name} has dtype ${tensor.dtype}: cast it to float32`);
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** The tensor itself where it has the shape. */
export function shaped(tensor: tf.Tensor, shape: number[]): tf.Tensor {
  return sameShape(tensor.shape, shape) ? tensor : tf.reshape(tensor, shape);
}

function axisText(unitAxis: UnitAxis): string {
  return typeof unitAxis === 'object' && unitAxis !== null ? `[${unitAxis}]` : String(unitAxis);
}
