import '../node-backend.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  applyWeightNorm,
  dense,
  isNormalizedLayer,
  KERNEL_NORMALIZATIONS,
  type Normalization,
  OUTPUT_NORMALIZATIONS,
  removeWeightNorm,
} from '../../src/weightnorm/index.ts';
import { expectClose, inputOf, LAYERS, normal, ours, plain, randomizeWeights, titleOf } from './support.ts';

function sequential(layer: tf.layers.Layer, shape: number[]): tf.Sequential {
  return tf.sequential({ layers: [tf.layers.inputLayer({ inputShape: shape }), layer] });
}

function disposeAll(tensors: tf.Tensor[], models: tf.LayersModel[]): void {
  tf.dispose(tensors);
  for (const model of models) model.dispose();
}

/** What tfjs leaves of models in a sequential one. */
function disposeWeights(...models: tf.LayersModel[]): void {
  for (const { weights } of models) tf.dispose(weights.map((weight) => weight.read()));
}

function expectSameFunction(a: tf.LayersModel, b: tf.LayersModel, x: tf.Tensor, tolerance = 2e-6): void {
  tf.tidy(() => expectClose(a.predict(x) as tf.Tensor, b.predict(x) as tf.Tensor, tolerance));
}

describe('a model of ordinary layers', () => {
  test.each(LAYERS.map((layerCase) => [titleOf(layerCase), layerCase] as const))(
    'of %s computes the same weight-normalised, and the same again without',
    async (_, layerCase) => {
      const before = tf.memory().numTensors;
      const activation = layerCase.kind === 'embedding' ? {} : { activation: 'tanh' };
      const original = sequential(plain(layerCase, activation), layerCase.inputShape);
      randomizeWeights(original, 1);
      const normalized = await applyWeightNorm(original);
      const layer = normalized.layers.at(-1)!;
      expect(isNormalizedLayer(layer) && layer.normalization).toBe('weight');
      expect(layer.name).toBe(original.layers.at(-1)!.name);
      const back = await removeWeightNorm(normalized);
      expect(back.layers.at(-1)!.getClassName()).toBe(original.layers.at(-1)!.getClassName());
      const x = inputOf(layerCase, 3, 9);
      expectSameFunction(normalized, original, x);
      expectSameFunction(back, original, x);
      tf.tidy(() => {
        for (const [i, weight] of back.getWeights().entries()) expectClose(weight, original.getWeights()[i], 2e-6);
      });
      disposeAll([x], [original, normalized, back]);
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  test('with branches, a shared layer, a nested model, embeddings, recurrent layers and wrappers', async () => {
    const before = tf.memory().numTensors;
    const tokens = tf.input({ shape: [4] });
    const vectors = tf.layers
      .embedding({ inputDim: 7, outputDim: 6, maskZero: true })
      .apply(tokens) as tf.SymbolicTensor;
    const both = tf.layers
      .bidirectional({ layer: tf.layers.lstm({ units: 3, returnSequences: true }) as tf.RNN, mergeMode: 'concat' })
      .apply(vectors) as tf.SymbolicTensor; // [batch, 4, 6]
    const each = tf.layers.timeDistributed({ layer: tf.layers.dense({ units: 6 }) }).apply(both) as tf.SymbolicTensor;
    const stacked = tf.layers
      .rnn({
        cell: [tf.layers.gruCell({ units: 5 }), tf.layers.simpleRNNCell({ units: 6 })] as unknown as tf.RNN['cell'],
      })
      .apply(each) as tf.SymbolicTensor;
    const shared = tf.layers.dense({ units: 6, activation: 'relu', name: 'shared' });
    const once = shared.apply(stacked) as tf.SymbolicTensor;
    const twice = shared.apply(once) as tf.SymbolicTensor;
    const inner = tf.sequential({ layers: [tf.layers.dense({ inputShape: [6], units: 2, name: 'last' })] });
    const sum = tf.layers.add().apply([once, twice]) as tf.SymbolicTensor;
    const original = tf.model({ inputs: tokens, outputs: inner.apply(sum) as tf.SymbolicTensor });
    randomizeWeights(original, 1);

    const normalized = await applyWeightNorm(original, { exclude: ['last'] });
    const json = JSON.stringify(normalized.toJSON(null, false));
    for (const name of ['Embedding', 'LSTM', 'GRUCell', 'SimpleRNNCell', 'Dense'])
      expect(json).toContain(`"Normalized${name}"`);
    expect(json).toContain('"class_name":"Dense"'); // the excluded one
    const back = await removeWeightNorm(normalized);
    expect(JSON.stringify(back.toJSON(null, false))).not.toContain('"class_name":"Normalized');
    const x = tf.tensor2d(
      [
        [1, 2, 3, 0],
        [4, 5, 6, 1],
        [2, 2, 0, 0],
      ],
      [3, 4],
    );
    expectSameFunction(normalized, original, x, 1e-5);
    expectSameFunction(back, original, x, 1e-5);
    // tfjs frees a shared layer only when each of its uses was disposed of.
    for (const model of [original, normalized, back]) model.getLayer('shared').dispose();
    disposeAll([x], [original, normalized, back]);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('of nested models with layers of one name keeps each as it is', async () => {
    const before = tf.memory().numTensors;
    const nested = (name: string, layers: tf.layers.Layer[]) => tf.sequential({ name, layers });
    const original = tf.sequential({
      layers: [
        tf.layers.inputLayer({ inputShape: [3, 3, 2] }),
        nested('first', [
          tf.layers.depthwiseConv2d({ inputShape: [3, 3, 2], kernelSize: 2, depthMultiplier: 3, name: 'same' }),
          tf.layers.conv2d({ filters: 2, kernelSize: 1, name: 'other' }),
        ]),
        nested('second', [
          tf.layers.depthwiseConv2d({ inputShape: [2, 2, 2], kernelSize: 2, useBias: false, name: 'same' }),
          tf.layers.flatten(),
          tf.layers.dense({ units: 2, name: 'other' }),
        ]),
        tf.layers.dense({ units: 2, name: 'last' }),
      ],
    });
    randomizeWeights(original, 1);
    const x = normal([4, 3, 3, 2], 2);
    const classes = (model: tf.LayersModel) =>
      JSON.stringify(model.toJSON(null, false)).match(/"Normalized\w+"/g) ?? [];
    for (const [exclude, expected] of [
      [[], 5],
      [['same'], 3],
      [['second/same'], 4],
      [['second'], 3],
      [['first', 'second/other'], 2],
    ] as [string[], number][]) {
      const normalized = await applyWeightNorm(original, { exclude });
      expect(classes(normalized).length, exclude.join()).toBe(expected);
      expectSameFunction(normalized, original, x, 1e-5);
      const back = await removeWeightNorm(normalized);
      expect(classes(back)).toEqual([]);
      expectSameFunction(back, original, x, 1e-5);
      disposeWeights(normalized, back);
    }
    await expect(applyWeightNorm(original, { exclude: ['third/same'] })).rejects.toThrow('no layer "third/same"');
    x.dispose();
    disposeWeights(original);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('of any size, loaded from disk too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'apply-weight-norm-'));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 2, maxLength: 4 }),
        fc.integer({ min: 1, max: 1e6 }),
        async ([inputs, ...widths], seed) => {
          const layers = widths.map((units, i) =>
            tf.layers.dense({ units, activation: 'tanh', ...(i === 0 && { inputShape: [inputs] }) }),
          );
          const built = tf.sequential({ layers });
          randomizeWeights(built, seed);
          await built.save(`file://${folder}`);
          const original = await tf.loadLayersModel(`file://${folder}/model.json`);
          const normalized = await applyWeightNorm(original);
          const back = await removeWeightNorm(normalized);
          const x = normal([4, inputs], seed + 100);
          expectSameFunction(normalized, original, x);
          expectSameFunction(back, original, x);
          disposeAll([x], [built, original, normalized, back]);
        },
      ),
      { numRuns: 10, seed: 1 },
    );
    rmSync(folder, { recursive: true });
  });

  test('with a unit of zeros keeps it: g = 0', async () => {
    const original = sequential(tf.layers.dense({ units: 2, kernelInitializer: 'zeros' }), [3]);
    const normalized = await applyWeightNorm(original);
    const x = normal([2, 3], 1);
    tf.tidy(() => {
      expect((normalized.predict(x) as tf.Tensor).abs().max().dataSync()[0]).toBe(0);
    });
    disposeAll([x], [original, normalized]);
  });

  test('goes on training, and keeps its gains in a checkpoint', async () => {
    const original = sequential(tf.layers.dense({ units: 1 }), [3]);
    const normalized = await applyWeightNorm(original);
    normalized.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
    const [x, y] = [normal([32, 3], 1), normal([32, 1], 2)];
    const { history } = await normalized.fit(x, y, { epochs: 5, verbose: 0, shuffle: false });
    expect(history.loss.at(-1)).toBeLessThan(history.loss[0] as number);
    const trained = await removeWeightNorm(normalized);
    expectSameFunction(trained, normalized, x);
    disposeAll([x, y], [original, normalized, trained]);
  });

  test('an excluded layer that does not exist is named', async () => {
    const original = sequential(tf.layers.dense({ units: 1, name: 'one' }), [3]);
    const before = tf.memory().numTensors;
    await expect(applyWeightNorm(original, { exclude: ['two'] })).rejects.toThrow('the model has no layer "two"');
    expect(tf.memory().numTensors).toBe(before);
    original.dispose();
  });
});

describe('removeWeightNorm', () => {
  const foldable: Normalization[] = [
    ...KERNEL_NORMALIZATIONS,
    'batch',
    'mean-only-batch',
    ...KERNEL_NORMALIZATIONS.flatMap((kernel) => [`${kernel}+batch`, `${kernel}+mean-only-batch`] as const),
  ];

  test.each(foldable)('takes %s out of every kind of layer, with and without biases', async (normalization) => {
    const before = tf.memory().numTensors;
    for (const layerCase of LAYERS) {
      for (const useBias of [true, false]) {
        const model = sequential(ours(layerCase, { normalization, useBias }), layerCase.inputShape);
        randomizeWeights(model, 1);
        const plainModel = await removeWeightNorm(model);
        expect(JSON.stringify(plainModel.toJSON(null, false))).not.toMatch(/"class_name":"Normalized|normalization"/);
        const x = inputOf(layerCase, 3, 9);
        expectSameFunction(plainModel, model, x, 1e-5);
        disposeAll([x], [model, plainModel]);
      }
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  test('gives a bias for a running mean to that layer alone, not to others of its name', async () => {
    const nested = (name: string, normalization: Normalization) =>
      tf.sequential({
        name,
        layers: [dense({ inputShape: [3], units: 3, name: 'same', useBias: false, normalization })],
      });
    const model = tf.sequential({
      layers: [
        tf.layers.inputLayer({ inputShape: [3] }),
        nested('first', 'mean-only-batch'),
        nested('second', 'weight'),
      ],
    });
    randomizeWeights(model, 1);
    const plainModel = await removeWeightNorm(model);
    expect(plainModel.weights.length).toBe(3);
    const x = normal([4, 3], 2);
    expectSameFunction(plainModel, model, x, 1e-5);
    x.dispose();
    disposeWeights(model, plainModel);
  });

  test.each(OUTPUT_NORMALIZATIONS.filter((name) => name === 'layer' || name === 'group'))(
    'refuses %s, by the name of the layer, and keeps nothing',
    async (normalization) => {
      const model = sequential(dense({ units: 4, normalization, name: 'third' }), [3]);
      const before = tf.memory().numTensors;
      await expect(removeWeightNorm(model)).rejects.toThrow(
        new RegExp(`layer "third" has '${normalization}' normalization`),
      );
      expect(tf.memory().numTensors).toBe(before);
      model.dispose();
    },
  );
});
