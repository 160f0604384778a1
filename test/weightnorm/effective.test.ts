import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import {
  assignEffectiveWeights,
  conv2d,
  dense,
  effectiveBias,
  effectiveKernel,
  effectiveWeights,
  NORMALIZATIONS,
  type Normalization,
} from '../../src/weightnorm/index.ts';
import { expectClose, inputOf, LAYERS, normal, ours, plain, randomizeWeights, titleOf } from './support.ts';

/** Whether a normalization depends on each example, so that no plain weights compute the same. */
const dependsOnExamples = (normalization: Normalization) => /layer|group/.test(normalization);
const FOLDABLE = NORMALIZATIONS.filter((normalization) => !dependsOnExamples(normalization));
const UNFOLDABLE = NORMALIZATIONS.filter(dependsOnExamples);

describe.each(LAYERS.map((layer) => ({ title: titleOf(layer), layer })))('$title', ({ layer: layerCase }) => {
  const options = [
    ...FOLDABLE.map((normalization) => ({ normalization })),
    ...FOLDABLE.map((normalization) => ({ normalization, useBias: false })),
    { normalization: 'weight', fixedGain: 3, epsilon: 0.1 },
    { normalization: 'scaled-weight-standardization+batch', activationGain: 2, varianceEpsilon: 0.1 },
  ];

  test.each(options)('(%o) computes at inference what tf.layers does with its effective weights', (args) => {
    tf.tidy(() => {
      const activation = layerCase.kind === 'embedding' ? {} : { activation: 'tanh' };
      const x = inputOf(layerCase, 3, 1);
      const layer = ours(layerCase, { ...args, ...activation });
      layer.apply(x);
      randomizeWeights(layer, 11);
      const before = tf.memory().numTensors;
      const weights = effectiveWeights(layer);
      expect(tf.memory().numTensors - before).toBe(weights.length);
      // A running mean becomes a bias.
      const useBias = layer.bias !== null || layer.movingMean !== null;
      const target = plain(layerCase, { ...activation, useBias });
      target.apply(x);
      target.setWeights(weights);
      expectClose(target.apply(x) as tf.Tensor, layer.apply(x) as tf.Tensor, 1e-5);

      const bias = effectiveBias(layer);
      expect(bias.shape).toEqual([6]);
      if (layerCase.kind === 'embedding') return;
      if (useBias) expectClose(weights.at(-1)!, bias, 0);
      else expectClose(bias, tf.zeros([6]), 0);
      expectClose(effectiveKernel(layer), weights[layer.kernels.length - 1], 0);
    });
  });

  test('with layer or group normalization there are no such weights, which is said by name', () => {
    for (const normalization of UNFOLDABLE) {
      const layer = ours(layerCase, { normalization, name: 'first' });
      const x = inputOf(layerCase, 3, 1);
      tf.dispose([layer.apply(x) as tf.Tensor, x]);
      for (const ask of [effectiveWeights, effectiveKernel, effectiveBias])
        expect(() => ask(layer)).toThrow(
          /layer "first" has '(layer|group)' normalization, which depends on each example: no plain weights/,
        );
      layer.dispose();
    }
  });
});

function network(normalization: Normalization, useBias = true): tf.Sequential {
  return tf.sequential({
    layers: [
      conv2d({ inputShape: [6, 6, 2], filters: 4, kernelSize: 3, activation: 'relu', normalization, useBias, seed: 1 }),
      tf.layers.batchNormalization(),
      tf.layers.flatten(),
      tf.sequential({ layers: [dense({ inputShape: [64], units: 4, normalization, useBias, seed: 2 })] }),
    ],
  });
}

describe('assignEffectiveWeights', () => {
  test.each([
    ...FOLDABLE.map((normalization) => [normalization, 'none'] as const),
    ...NORMALIZATIONS.map((normalization) => [normalization, normalization] as const),
  ])('from layers with %s to layers with %s gives the same function', (normalization, targetNormalization) => {
    const [source, target] = [network(normalization), network(targetNormalization)];
    const before = tf.memory().numTensors;
    randomizeWeights(source, 1);
    assignEffectiveWeights(target, source);
    tf.tidy(() => {
      const x = normal([5, 6, 6, 2], 9);
      expectClose(target.predict(x) as tf.Tensor, source.predict(x) as tf.Tensor, 1e-5);
      // A copy: what the source becomes later does not change the target.
      const then = (target.predict(x) as tf.Tensor).arraySync();
      source.setWeights(source.getWeights().map((weight) => weight.mul(2)));
      expect((target.predict(x) as tf.Tensor).arraySync()).toEqual(then);
    });
    expect(tf.memory().numTensors).toBe(before);
    source.dispose();
    target.dispose();
  });

  test('from layers with layer or group normalization to plain ones is refused by name', () => {
    const target = network('none');
    for (const normalization of UNFOLDABLE) {
      const source = network(normalization);
      const before = tf.memory().numTensors;
      expect(() => assignEffectiveWeights(target, source)).toThrow(
        /layer "\S+" has '(layer|group)' normalization, which depends on each example/,
      );
      expect(tf.memory().numTensors).toBe(before);
      source.dispose();
    }
    target.dispose();
  });

  test('without biases the plain layers have none either', () => {
    const [source, target] = [network('weight', false), network('none', false)];
    randomizeWeights(source, 1);
    assignEffectiveWeights(target, source);
    tf.tidy(() => {
      const x = normal([5, 6, 6, 2], 9);
      expectClose(target.predict(x) as tf.Tensor, source.predict(x) as tf.Tensor, 1e-5);
    });
    source.dispose();
    target.dispose();
  });

  test('a running mean needs a bias in the target, and other layers are refused by name', () => {
    const models = [
      network('mean-only-batch', false),
      network('none', false),
      network('weight'),
      network('mean-only-batch'),
      tf.sequential({ layers: [dense({ inputShape: [2], units: 1 })] }),
    ];
    const [meanOnly, plainModel, weight, meanOnlyWithBias, small] = models;
    expect(() => assignEffectiveWeights(plainModel, meanOnly)).toThrow(
      /layer "\S+" of the target has 1 weights, the source gives 2: build both with the same arguments/,
    );
    expect(() => assignEffectiveWeights(plainModel, weight)).toThrow(/has 1 weights, the source gives 2/);
    expect(() => assignEffectiveWeights(weight, plainModel)).toThrow(/has normalization 'weight', the source's 'none'/);
    expect(() => assignEffectiveWeights(small, weight)).toThrow(/the target has 1 layers and the source 4/);
    // v, g and b are not b, v and a running mean, though both are three.
    expect(() => assignEffectiveWeights(meanOnlyWithBias, weight)).toThrow(
      /layer "\S+" of the target has normalization 'mean-only-batch', the source's 'weight': give the target 'none'/,
    );
    for (const model of models) model.dispose();
  });
});
