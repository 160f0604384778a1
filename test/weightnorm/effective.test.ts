import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import {
  assignEffectiveWeights,
  conv2d,
  dense,
  NORMALIZATIONS,
  type Normalization,
} from '../../src/weightnorm/index.ts';
import { expectClose, normal } from './support.ts';

function network(normalization: Normalization, useBias = true): tf.Sequential {
  return tf.sequential({
    layers: [
      conv2d({ inputShape: [6, 6, 2], filters: 3, kernelSize: 3, activation: 'relu', normalization, useBias, seed: 1 }),
      tf.layers.batchNormalization(),
      tf.layers.flatten(),
      tf.sequential({ layers: [dense({ inputShape: [48], units: 4, normalization, useBias, seed: 2 })] }),
    ],
  });
}

function randomizeWeights(model: tf.LayersModel): void {
  // Variances of batch normalisation are positive.
  tf.tidy(() =>
    model.setWeights(
      model.getWeights().map((weight, i) =>
        normal(weight.shape, i + 1)
          .abs()
          .add(0.1),
      ),
    ),
  );
}

describe.each(NORMALIZATIONS)('assignEffectiveWeights from layers with normalization %s', (normalization) => {
  test.each(['none', normalization] as const)('to layers with %s gives the same function', (targetNormalization) => {
    const [source, target] = [network(normalization), network(targetNormalization)];
    const before = tf.memory().numTensors;
    randomizeWeights(source);
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
});

test('without biases the plain layers have none either', () => {
  const [source, target] = [network('weight', false), network('none', false)];
  randomizeWeights(source);
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
  const [meanOnly, plain, weight, meanOnlyWithBias, small] = models;
  expect(() => assignEffectiveWeights(plain, meanOnly)).toThrow(
    /layer "\S+" of the target has 1 weights, the source gives 2: build both with the same arguments/,
  );
  expect(() => assignEffectiveWeights(plain, weight)).toThrow(/has 1 weights, the source gives 2/);
  expect(() => assignEffectiveWeights(weight, plain)).toThrow(/has normalization 'weight', the source's 'none'/);
  expect(() => assignEffectiveWeights(small, weight)).toThrow(/the target has 1 layers and the source 4/);
  // v, g and b are not b, v and a running mean, though both are three.
  expect(() => assignEffectiveWeights(meanOnlyWithBias, weight)).toThrow(
    /layer "\S+" of the target has normalization 'mean-only-batch', the source's 'weight': give the target 'none' or the same/,
  );
  for (const model of models) model.dispose();
});
