import '../node-backend.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import {
  conv2d,
  dataDependentInit,
  dense,
  NORMALIZATIONS,
  NormalizedConv2D,
  NormalizedDense,
  type NormalizedLayer,
} from '../../src/weightnorm/index.ts';
import { expectClose, inputOf, LAYERS, type LayerCase, normal, ours, randomizeWeights, titleOf } from './support.ts';

function model(): tf.Sequential {
  return tf.sequential({
    layers: [
      tf.layers.inputLayer({ inputShape: [6, 6, 2] }),
      tf.layers.rescaling({ scale: 1 / 255, offset: -0.5 }),
      conv2d({
        name: 'conv',
        filters: 3,
        kernelSize: 3,
        strides: [2, 1],
        padding: 'same',
        activation: 'relu',
        seed: 1,
      }),
      tf.layers.flatten(),
      dense({
        name: 'hidden',
        units: 4,
        normalization: 'weight+mean-only-batch',
        momentum: 0.7,
        epsilon: 1e-10,
        seed: 2,
      }),
      dense({ name: 'plain', units: 4, normalization: 'none', seed: 3 }),
      dense({ name: 'out', units: 2, normalization: 'mean-only-batch', useBias: false, seed: 4 }),
    ],
  });
}

function expectSameModel(actual: tf.LayersModel, expected: tf.LayersModel): void {
  expect(actual.weights.map((w) => [w.originalName, w.shape])).toEqual(
    expected.weights.map((w) => [w.originalName, w.shape]),
  );
  actual.weights.forEach((weight, i) => {
    expectClose(weight.read(), expected.weights[i].read(), 0);
  });
  tf.tidy(() => {
    const x = tf.randomUniform([5, 6, 6, 2], 0, 255, 'float32', 9);
    expectClose(actual.predict(x) as tf.Tensor, expected.predict(x) as tf.Tensor, 0);
  });
}

test('a model saved and loaded again has the same weights, outputs and settings, and still trains', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weightnorm-'));
  try {
    const original = model();
    const x = tf.randomUniform([16, 6, 6, 2], 0, 255, 'float32', 5);
    dataDependentInit(original, x);
    await original.save(`file://${folder}`);
    const loaded = await tf.loadLayersModel(`file://${folder}/model.json`);
    expectSameModel(loaded, original);
    expect(loaded.layers.map((layer) => layer.getConfig())).toEqual(original.layers.map((layer) => layer.getConfig()));
    expect(loaded.getLayer('conv')).toBeInstanceOf(NormalizedConv2D);
    expect(loaded.getLayer('hidden')).toBeInstanceOf(NormalizedDense);

    const before = loaded.getWeights().map((weight) => weight.arraySync());
    loaded.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    const target = normal([16, 2], 6);
    await loaded.fit(x, target, { epochs: 1, verbose: 0 });
    loaded.trainableWeights.forEach((weight, i) => {
      // The bias before a batch mean, and no other weight, gets no gradient: the mean takes it away again.
      if (weight.originalName !== 'plain/bias') expect(weight.read().arraySync()).not.toEqual(before[i]);
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a loaded model remembers that it was initialised from data, and refuses a second time', async () => {
  const original = model();
  const x = tf.randomUniform([16, 6, 6, 2], 0, 255, 'float32', 5);
  let artifacts!: tf.io.ModelArtifacts;
  const memory = tf.io.withSaveHandler(async (saved) => {
    artifacts = saved;
    return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
  });
  await original.save(memory);
  const untouched = await tf.loadLayersModel(tf.io.fromMemory(artifacts));
  expect((untouched.getLayer('conv') as NormalizedLayer).dataInitialized).toBe(false);

  dataDependentInit(original, x);
  await original.save(memory);
  const loaded = await tf.loadLayersModel(tf.io.fromMemory(artifacts));
  expect(() => dataDependentInit(loaded, x)).toThrow(/layer "conv" was already initialised from data/);
  expectSameModel(loaded, original);
});

test('a clone by JSON and setWeights computes the same and shares no variable', async () => {
  const original = model();
  const clone = await tf.models.modelFromJSON(
    original.toJSON(null, false) as object as Parameters<typeof tf.models.modelFromJSON>[0],
  );
  clone.setWeights(original.getWeights());
  expectSameModel(clone, original);
  const weight = (m: tf.LayersModel) => (m.getLayer('conv') as NormalizedLayer).gain!.read() as tf.Variable;
  weight(original).assign(tf.zeros([3]));
  expect(weight(clone).min().dataSync()[0]).toBeGreaterThan(0);
});

/** Layers of one kind side by side, with every argument of ours away from its default. */
function sideBySide(layerCase: LayerCase): tf.LayersModel {
  const settings = [
    { normalization: 'weight', epsilon: 0.1, regularize: 'kernel' },
    { normalization: 'centered-weight+mean-only-batch', momentum: 0.5 },
    { normalization: 'scaled-weight-standardization+group', activationGain: 2, groups: 3, varianceEpsilon: 0.1 },
    { normalization: 'weight-standardization+batch', momentum: 0.5, varianceEpsilon: 0.1, epsilon: 0.1 },
    { normalization: 'weight+layer', fixedGain: 3 },
    { normalization: 'group' },
    { normalization: 'none' },
    ...(layerCase.kind === 'embedding'
      ? []
      : [
          { initialization: 'data-free', dataFreeFactor: 1 },
          { initialization: 'data-dependent', dataInitialized: true, useBias: false, activation: 'elu' },
        ]),
  ];
  const { inputShape } = layerCase; // named: tf.layers.embedding leaves its dtype out of the config without it
  const inputs = tf.input({ shape: inputShape, dtype: layerCase.kind === 'embedding' ? 'int32' : 'float32' });
  const ofKind = layerCase.kind === 'embedding' ? { maskZero: true, inputLength: 3 } : {}; // JSON has no undefined
  const outputs = settings.map((args, i) => {
    const layer = ours(layerCase, { ...ofKind, ...args, name: `${layerCase.kind}${i}`, seed: 10 * i, inputShape });
    return layer.apply(inputs) as tf.SymbolicTensor;
  });
  return tf.model({ inputs, outputs });
}

const configsOf = (net: tf.LayersModel) => net.layers.map((layer) => layer.getConfig());

function madeFromConfigOf(layer: NormalizedLayer): NormalizedLayer {
  const Class = layer.constructor as typeof NormalizedDense;
  return Class.fromConfig(Class, structuredClone(layer.getConfig())) as NormalizedLayer; // it adds to what it is given
}

describe.each(LAYERS.map((layer) => ({ title: titleOf(layer), layer })))('$title', ({ layer: layerCase }) => {
  test('with every setting comes back from disk and JSON with the same settings, weights and outputs', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weightnorm-'));
    try {
      const original = sideBySide(layerCase);
      randomizeWeights(original, 1);
      await original.save(`file://${folder}`);
      const json = original.toJSON(null, false) as object as Parameters<typeof tf.models.modelFromJSON>[0];
      const [loaded, clone] = [
        await tf.loadLayersModel(`file://${folder}/model.json`),
        await tf.models.modelFromJSON(json),
      ];
      clone.setWeights(original.getWeights());
      const x = inputOf(layerCase, 3, 2);
      const outputs = original.predict(x) as tf.Tensor[];
      for (const copy of [loaded, clone]) {
        expect(configsOf(copy)).toEqual(configsOf(original));
        original.weights.forEach((weight, i) => {
          expect(copy.weights[i].originalName).toBe(weight.originalName);
          expectClose(copy.weights[i].read(), weight.read(), 0);
        });
        (copy.predict(x) as tf.Tensor[]).forEach((output, i) => {
          expectClose(output, outputs[i], 0);
        });
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('made from the config of another has the same config, and the same initial values', () => {
    for (const normalization of NORMALIZATIONS) {
      const layer = ours(layerCase, { normalization, seed: 3, inputShape: layerCase.inputShape });
      const copy = madeFromConfigOf(layer);
      expect(copy.getConfig()).toEqual(layer.getConfig());
      tf.tidy(() => {
        const x = inputOf(layerCase, 3, 2);
        expectClose(copy.apply(x) as tf.Tensor, layer.apply(x) as tf.Tensor, 0);
      });
    }
  });

  test('keeps its regularizers', () => {
    const names = ['kernel', 'depthwise', 'pointwise', 'embeddings'].map((prefix) => `${prefix}Regularizer`);
    const hasDepthwise = layerCase.kind === 'separableConv2d' || layerCase.kind === 'depthwiseConv2d';
    const accepted = hasDepthwise ? names.slice(1, 3) : names;
    const regularizers = Object.fromEntries(accepted.map((name) => [name, 'l1l2']));
    const layer = ours(layerCase, { ...regularizers, inputShape: layerCase.inputShape });
    const copy = madeFromConfigOf(layer);
    tf.tidy(() => {
      const x = inputOf(layerCase, 3, 2);
      for (const made of [layer, copy]) {
        made.apply(x);
        expect(made.losses.length).toBe(made.kernels.length);
      }
    });
    expect(copy.getConfig()).toEqual(layer.getConfig());
  });

  test('is listed by model.summary with all its parameters', () => {
    const net = sideBySide(layerCase);
    const lines: string[] = [];
    net.summary(200, undefined, (...args) => lines.push(args.join(' ')));
    for (const layer of net.layers.slice(1)) {
      const line = lines.find((text) => text.includes(`${layer.name} (`))!;
      expect(line).toContain(`${layer.name} (${layer.getClassName()})`);
      expect(line).toMatch(new RegExp(`\\b${layer.countParams()}\\b`));
      const sizes = layer.weights.map(({ shape }) => tf.util.sizeFromShape(shape as number[]));
      expect(layer.countParams()).toBe(sizes.reduce((sum, size) => sum + size));
    }
    const total = net.weights.reduce((sum, { shape }) => sum + tf.util.sizeFromShape(shape as number[]), 0);
    expect(lines.join('\n')).toContain(`Total params: ${total}`);
  });
});

test('model.summary lists the layers with their parameters', () => {
  const lines: string[] = [];
  model().summary(undefined, undefined, (...args) => lines.push(args.join(' ')));
  const text = lines.join('\n');
  // kernel 3 x 3 x 2 x 3, bias 3, gain 3
  expect(text).toMatch(/conv \(NormalizedConv2D\)\s+\S+\s+\S+\s+60\b/);
  // kernel 54 x 4, bias, gain and running mean 4 each
  expect(text).toMatch(/hidden \(NormalizedDense\)\s+\S+\s+\S+\s+228\b/);
});
