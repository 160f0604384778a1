// The WebAssembly backend runs models forward; no native addon is loaded in this file.
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { beforeAll, expect, test } from 'vitest';
import {
  conv1d,
  conv2d,
  conv2dTranspose,
  conv3d,
  dataDependentInit,
  dense,
  depthwiseConv2d,
  embedding,
  NORMALIZATIONS,
  separableConv2d,
} from '../../src/weightnorm/index.ts';
import { expectClose, normal } from './support.ts';

/** A layer by name: what goes in, and how to make it. */
type LayerCase = [name: string, input: () => tf.Tensor, layer: () => tf.layers.Layer];

const pictures = () => normal([16, 6, 6, 2], 1);
const vectors = () => normal([16, 40], 1); // long ones: dense scales its output, not its kernel
const words = () => tf.randomUniform([16, 5], 0, 10, 'int32', 1);

const layerCases: LayerCase[] = [
  ...NORMALIZATIONS.flatMap((normalization): LayerCase[] => [
    [`conv2d (${normalization})`, pictures, () => conv2d({ filters: 4, kernelSize: 3, normalization, groups: 2 })],
    [`dense (${normalization})`, vectors, () => dense({ units: 4, normalization, groups: 2 })],
  ]),
  ['conv2d (dilated, same)', pictures, () => conv2d({ filters: 4, kernelSize: 3, padding: 'same', dilationRate: 2 })],
  ['dense (on pictures, scales its kernel)', pictures, () => dense({ units: 4 })],
  ['conv1d', () => normal([16, 9, 2], 1), () => conv1d({ filters: 4, kernelSize: 3 })],
  ['conv3d', () => normal([16, 4, 4, 4, 2], 1), () => conv3d({ filters: 4, kernelSize: 3 })],
  ['conv2dTranspose', pictures, () => conv2dTranspose({ filters: 4, kernelSize: 3, strides: 2 })],
  ['depthwiseConv2d', pictures, () => depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2 })],
  ['separableConv2d', pictures, () => separableConv2d({ filters: 4, kernelSize: 3 })],
  ['embedding', words, () => embedding({ inputDim: 10, outputDim: 4 })],
];

beforeAll(() => {
  tf.enableProdMode(); // no banner about the node backend
  const main = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(`${dirname(main)}/`);
});

/**
 * What a model of the layer, and a dense one on top, gives with arbitrary weights, then initialised from data:
 * `[batch, 3]` each.
 */
async function outputsOn(backend: 'cpu' | 'wasm', [, input, layer]: LayerCase) {
  await tf.setBackend(backend);
  expect(tf.getBackend()).toBe(backend);
  const before = tf.memory().numTensors;
  const x = input();
  const model = tf.sequential({ layers: [tf.layers.inputLayer({ inputShape: x.shape.slice(1) }), layer()] });
  if (model.outputShape.length > 2) model.add(tf.layers.flatten());
  model.add(dense({ units: 3 }));
  tf.tidy(() => {
    const values = model.weights.map(({ shape }, i) => normal(shape as number[], 2 + i));
    model.setWeights(values.map((value, i) => (/variance/i.test(model.weights[i].name) ? value.abs() : value)));
  });
  const predict = async () => {
    const y = model.predict(x) as tf.Tensor;
    const values = (await y.array()) as number[][];
    y.dispose();
    return values;
  };
  const given = await predict();
  dataDependentInit(model, x);
  const initialised = await predict();
  model.dispose();
  x.dispose();
  expect(tf.memory().numTensors).toBe(before);
  return { given, initialised };
}

test.each(layerCases)('%s gives the same on wasm as on cpu, initialised from data too', async (...layerCase) => {
  const wasm = await outputsOn('wasm', layerCase);
  const cpu = await outputsOn('cpu', layerCase);
  tf.tidy(() => {
    expectClose(tf.tensor(wasm.given), cpu.given, 1e-5);
    expectClose(tf.tensor(wasm.initialised), cpu.initialised, 1e-5);
    // Other weights, so the comparison of the second was one of its own.
    const { mean, variance } = tf.moments(tf.tensor(wasm.initialised), 0);
    expectClose(mean, [0, 0, 0], 1e-5);
    expectClose(variance, [1, 1, 1], 1e-4);
  });
});
