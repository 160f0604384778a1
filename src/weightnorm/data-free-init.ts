// Initialisation without data, Arpit et al. 2019, "How to Initialize your Network? Robust Initialization for WeightNorm
// & ResNets".
import * as tf from '@tensorflow/tfjs';
import { type NormalizedKernel, unitsOf } from './kernels.ts';
import { unitAxes } from './units.ts';

/**
 * Gives a kernel orthogonal units: v of each unit is at right angles to the others' (where there are more units than
 * elements in one, to the others' of its block of that many), and g = sqrt(factor fanIn / fanOut). With factor 2 a
 * layer followed by a ReLU keeps the length of its input.
 *
 * The directions come from the kernel's present values, made orthogonal in float64, so they follow its initializer's
 * seed.
 */
export function initializeDataFree(kernel: NormalizedKernel, factor: number): void {
  const { variable, gain } = kernel;
  const shape = variable.shape as number[];
  const { reduced, fanIn } = unitAxes(shape, kernel.unitAxes);
  const units = unitsOf(kernel);
  tf.tidy(() => {
    // [units, fanIn]: one row a unit.
    const order = [...kernel.unitAxes, ...reduced];
    const rows = tf.transpose(variable.read(), order);
    const orthogonal = tf.tensor(orthogonalRows(rows.dataSync() as Float32Array, units, fanIn), rows.shape);
    const back = order.map((_, axis) => order.indexOf(axis));
    variable.write(tf.transpose(orthogonal, back));
    if (typeof gain === 'object')
      gain.write(tf.fill([units], Math.sqrt((factor * fanIn) / fanOutOf(shape, kernel.unitAxes))));
  });
}

/**
 * How many weights each input channel feeds. The last two axes of a kernel are channels; inputs come first but in
 * transposed convolutions.
 */
function fanOutOf(shape: readonly number[], axes: readonly number[]): number {
  const inputAxis = axes.includes(shape.length - 1) ? shape.length - 2 : shape.length - 1;
  return tf.util.sizeFromShape([...shape]) / shape[inputAxis]!;
}

/** Rows of length 1, orthogonal within blocks of `length` rows: modified Gram-Schmidt, run twice against rounding. */
function orthogonalRows(values: Float32Array, count: number, length: number): Float32Array {
  const rows = Float64Array.from(values);
  for (let i = 0; i < count; i++) {
    const row = rows.subarray(i * length, (i + 1) * length);
    const blockStart = i - (i % length);
    for (let pass = 0; pass < 2; pass++) {
      for (let j = blockStart; j < i; j++) {
        const other = rows.subarray(j * length, (j + 1) * length);
        let dot = 0;
        for (let k = 0; k < length; k++) dot += row[k]! * other[k]!;
        for (let k = 0; k < length; k++) row[k]! -= dot * other[k]!;
      }
    }
    const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    if (!(norm > 1e-9))
      throw new Error('data-free initialisation: units start in the same direction; use a random kernel initializer');
    for (let k = 0; k < length; k++) row[k]! /= norm;
  }
  return Float32Array.from(rows);
}
