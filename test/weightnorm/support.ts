import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import type { NormalizedLayer } from '../../src/weightnorm/index.ts';

export type Nested = number | Nested[];

/** Worked values: v, g and dL/dw give w, dL/dg and dL/dv (design document of the project). */
export interface Vector {
  name: string;
  reduce_axes: number[];
  v: Nested;
  g: Nested;
  dL_dw: Nested;
  norm: Nested;
  w: Nested;
  dL_dg: Nested;
  dL_dv: Nested;
}

export const vectors = JSON.parse(readFileSync(new URL('./vectors.json', import.meta.url), 'utf8')) as Vector[];

/** The axes that a vector does not reduce, as `unitAxis`. */
export function unitAxisOf({ v, reduce_axes }: Vector): number | number[] | null {
  const kept = shapeOf(v)
    .map((_, axis) => axis)
    .filter((axis) => !reduce_axes.includes(axis));
  return kept.length === 0 ? null : kept.length === 1 ? kept[0] : kept;
}

export function shapeOf(nested: Nested): number[] {
  return Array.isArray(nested) ? [nested.length, ...shapeOf(nested[0])] : [];
}

function flatten(nested: Nested): number[] {
  return Array.isArray(nested) ? nested.flatMap(flatten) : [nested];
}

export function tensorOf(nested: Nested): tf.Tensor {
  return tf.tensor(nested as number[], shapeOf(nested), 'float32');
}

/** Values of a normal distribution, the same for the same seed. */
export function normal(shape: number[], seed: number, std = 1): tf.Tensor {
  return tf.randomNormal(shape, 0, std, 'float32', seed);
}

/** Each element within tolerance x (1 + the largest expected value): float32 sums err relative to their largest term. */
export function expectClose(actual: tf.Tensor, expected: Nested | tf.Tensor, tolerance = 1e-5): void {
  const values = expected instanceof tf.Tensor ? Array.from(expected.dataSync()) : flatten(expected);
  if (expected instanceof tf.Tensor) expect(actual.shape).toEqual(expected.shape);
  else expect(actual.shape).toEqual(shapeOf(expected));
  const bound = tolerance * (1 + Math.max(...values.map(Math.abs)));
  const worst = Math.max(...Array.from(actual.dataSync(), (value, i) => Math.abs(value - values[i])));
  expect(worst, `largest difference ${worst} of ${values.length} values`).toBeLessThanOrEqual(bound);
}

export function variableOf(weight: tf.LayerVariable | null): tf.Variable {
  return weight!.read() as tf.Variable;
}

/** A layer's output and the gradients of sum(output x dy), by the name of the weight, and `x`. */
export function outputAndGradients(layer: NormalizedLayer, x: tf.Tensor, dy: tf.Tensor, training = false) {
  const input = tf.variable(x);
  const weights = layer.trainableWeights.map((weight) => weight.read() as tf.Variable);
  let y!: tf.Tensor;
  const { value, grads } = tf.variableGrads(() => {
    y = tf.keep(layer.apply(input, { training }) as tf.Tensor);
    return y.mul(dy).sum();
  }, [input, ...weights]);
  const gradients: Record<string, tf.Tensor> = { x: grads[input.name] };
  layer.trainableWeights.forEach((weight, i) => {
    gradients[weight.originalName.split('/').at(-1)!] = grads[weights[i].name];
  });
  tf.dispose([value, input]);
  return { y, gradients };
}

export interface OracleCase {
  kind: 'dense' | 'conv2d';
  meanOnly: boolean;
  epsilon: number;
  strides?: number[];
  padding?: string;
  /** x, kernel, and where the layer has them gain and bias. */
  tensors: Record<string, Nested>;
  dy: Nested;
}

/** Outputs and gradients in float64, by oracle.py. */
export function oracle(cases: OracleCase[]): { y: Nested; gradients: Record<string, Nested> }[] {
  const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
  const { status, stdout, stderr } = spawnSync(path('../../.venv/bin/python'), [path('oracle.py')], {
    input: JSON.stringify(cases),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
}
