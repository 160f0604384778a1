import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import {
  conv1d,
  conv2d,
  conv2dTranspose,
  conv3d,
  dense,
  depthwiseConv2d,
  embedding,
  type NormalizedLayer,
  separableConv2d,
} from '../../src/weightnorm/index.ts';

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

/**
 * Each element within tolerance x (1 + the largest expected value): float32 sums err relative to their largest term.
 */
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

/** Each element within tolerance x the largest expected value. */
export function expectAgreement(actual: tf.Tensor, expected: Nested, what: string, tolerance: number): void {
  expect(actual.shape, what).toEqual(shapeOf(expected));
  const values = flatten(expected);
  const difference = Math.max(...Array.from(actual.dataSync(), (value, i) => Math.abs(value - values[i])));
  const largest = Math.max(...values.map(Math.abs));
  expect(difference / largest, `${what}: largest difference, of ${largest}`).toBeLessThan(tolerance);
}

/** A layer's output and the gradients of sum(output x dy), by the name of the weight, and `x` unless it is integers. */
export function outputAndGradients(layer: NormalizedLayer, x: tf.Tensor, dy: tf.Tensor, training = false) {
  const input = x.dtype === 'float32' ? tf.variable(x) : undefined;
  const weights = layer.trainableWeights.map((weight) => variableOf(weight));
  let y!: tf.Tensor;
  const { value, grads } = tf.variableGrads(
    () => {
      y = tf.keep(layer.apply(input ?? x, { training }) as tf.Tensor);
      return y.mul(dy).sum();
    },
    input ? [input, ...weights] : weights,
  );
  const gradients: Record<string, tf.Tensor> = input ? { x: grads[input.name] } : {};
  layer.trainableWeights.forEach((weight, i) => {
    gradients[nameOf(weight)] = grads[weights[i].name];
  });
  tf.dispose(input ? [value, input] : value);
  return { y, gradients };
}

/** The last part of a weight's name: `kernel` of `conv2d_1/kernel`. */
export function nameOf(weight: tf.LayerVariable): string {
  return weight.originalName.split('/').at(-1)!;
}

type Make<L> = (args: object) => L;

/** The factories of every kind of feed-forward layer: ours, and those of tf.layers. */
const FACTORIES = {
  dense: [dense, tf.layers.dense],
  conv1d: [conv1d, tf.layers.conv1d],
  conv2d: [conv2d, tf.layers.conv2d],
  conv3d: [conv3d, tf.layers.conv3d],
  conv2dTranspose: [conv2dTranspose, tf.layers.conv2dTranspose],
  depthwiseConv2d: [depthwiseConv2d, tf.layers.depthwiseConv2d],
  separableConv2d: [separableConv2d, tf.layers.separableConv2d],
  embedding: [embedding, tf.layers.embedding],
} as unknown as Record<LayerKind, [Make<NormalizedLayer>, Make<tf.layers.Layer>]>;

export type LayerKind =
  | 'dense'
  | 'conv1d'
  | 'conv2d'
  | 'conv3d'
  | 'conv2dTranspose'
  | 'depthwiseConv2d'
  | 'separableConv2d'
  | 'embedding';

/** What to make, and the shape of one example for it. */
export interface LayerCase {
  kind: LayerKind;
  args: Record<string, unknown>;
  inputShape: number[];
}

/**
 * One layer of every kind, and dense on sequences: all of 6 units, each of at least 3 elements, so that no
 * normalization makes a gradient vanish. The first one has fewer outputs than weights for a batch of 4, and scales its
 * output; the second has more, and scales its kernel.
 */
export const LAYERS: readonly LayerCase[] = [
  { kind: 'dense', args: { units: 6 }, inputShape: [5] },
  { kind: 'dense', args: { units: 6 }, inputShape: [3, 5] },
  { kind: 'conv1d', args: { filters: 6, kernelSize: 3, strides: 2, padding: 'same' }, inputShape: [7, 2] },
  { kind: 'conv2d', args: { filters: 6, kernelSize: [2, 3], strides: [2, 1], padding: 'same' }, inputShape: [5, 4, 2] },
  { kind: 'conv3d', args: { filters: 6, kernelSize: [2, 1, 2], strides: [1, 2, 1] }, inputShape: [3, 3, 3, 2] },
  {
    kind: 'conv2dTranspose',
    args: { filters: 6, kernelSize: [3, 2], strides: [2, 1], padding: 'same' },
    inputShape: [2, 3, 2],
  },
  {
    kind: 'depthwiseConv2d',
    args: { kernelSize: [2, 3], strides: 2, padding: 'same', depthMultiplier: 2 },
    inputShape: [4, 5, 3],
  },
  { kind: 'separableConv2d', args: { filters: 6, kernelSize: [3, 2], depthMultiplier: 2 }, inputShape: [4, 4, 2] },
  { kind: 'embedding', args: { inputDim: 7, outputDim: 6 }, inputShape: [3] },
];

export function titleOf({ kind, args, inputShape }: LayerCase): string {
  const { units, filters, inputDim, outputDim, ...rest } = args;
  const details = Object.entries(rest).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return [`${kind} on [${inputShape}]`, ...details].join(', ');
}

/** The layer of a case as ours. */
export function ours({ kind, args }: LayerCase, more: object = {}): NormalizedLayer {
  return FACTORIES[kind][0]({ ...args, ...more });
}

/** The layer of a case as that of tf.layers. */
export function plain({ kind, args }: LayerCase, more: object = {}): tf.layers.Layer {
  return FACTORIES[kind][1]({ ...args, ...more });
}

/** `[batch, ...]`: normal values, or for embeddings tokens. */
export function inputOf({ kind, args, inputShape }: LayerCase, batch: number, seed: number): tf.Tensor {
  const shape = [batch, ...inputShape];
  if (kind === 'embedding') return tf.randomUniform(shape, 0, args.inputDim as number, 'int32', seed);
  return normal(shape, seed);
}

/** Gives every weight of a built layer or model normal values (so that g is not ||v||), variances positive ones. */
export function randomizeWeights(layer: tf.layers.Layer, seed: number): void {
  tf.tidy(() =>
    layer.setWeights(
      layer.weights.map((weight, i) => {
        const values = normal(weight.shape as number[], seed + i);
        return /variance/i.test(nameOf(weight)) ? values.square().add(0.5) : values;
      }),
    ),
  );
}

/** A layer after its first call, so that it has weights. */
export function built(layer: LayerCase, args: object = {}): NormalizedLayer {
  const made = ours(layer, args);
  const x = inputOf(layer, 4, 1);
  tf.dispose([made.apply(x) as tf.Tensor, x]);
  return made;
}

export const denseCase = (units: number, inSize: number): LayerCase => ({
  kind: 'dense',
  args: { units },
  inputShape: [inSize],
});
