import '../node-backend.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import {
  conv2d,
  dataDependentInit,
  dense,
  isNormalizedLayer,
  NormalizedConv2D,
  NormalizedDense,
  type NormalizedLayer,
} from '../../src/weightnorm/index.ts';
import { expectClose, normal } from './support.ts';

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

test('a model saved to disk and loaded again has the same weights, outputs and settings, and still trains', async () => {
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

test('a layer made from the config of another has the same config', () => {
  for (const layer of model().layers.filter(isNormalizedLayer)) {
    const config = layer.getConfig();
    const copy = structuredClone(config); // fromConfig adds to the config that it is given
    const Class = layer instanceof NormalizedDense ? NormalizedDense : NormalizedConv2D;
    expect(Class.fromConfig(Class, copy).getConfig()).toEqual(config);
  }
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

test('model.summary lists the layers with their parameters', () => {
  const lines: string[] = [];
  model().summary(undefined, undefined, (...args) => lines.push(args.join(' ')));
  const text = lines.join('\n');
  // kernel 3 x 3 x 2 x 3, bias 3, gain 3
  expect(text).toMatch(/conv \(NormalizedConv2D\)\s+\S+\s+\S+\s+60\b/);
  // kernel 54 x 4, bias, gain and running mean 4 each
  expect(text).toMatch(/hidden \(NormalizedDense\)\s+\S+\s+\S+\s+228\b/);
});
