// The pure JavaScript backend: no native addon is loaded in this file.
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import {
  conv2d,
  dataDependentInit,
  dense,
  effectiveBias,
  effectiveKernel,
  isNormalizedLayer,
  NORMALIZATIONS,
  weightNormalize,
} from '../../src/weightnorm/index.ts';
import { expectClose, normal, outputAndGradients, tensorOf, unitAxisOf, vectors } from './support.ts';

beforeAll(async () => {
  tf.enableProdMode(); // no banner about the node backend
  await tf.setBackend('cpu');
});

test.each(vectors)('gives the worked values of $name', (vector) => {
  expect(tf.getBackend()).toBe('cpu');
  tf.tidy(() => {
    const options = { unitAxis: unitAxisOf(vector) };
    const [v, g] = [tensorOf(vector.v), tensorOf(vector.g)];
    const [dv, dg] = tf.grads((v, g) => weightNormalize(v, g, options))([v, g], tensorOf(vector.dL_dw));
    expectClose(weightNormalize(v, g, options), vector.w, 1e-6);
    expectClose(dg, vector.dL_dg, 1e-6);
    expectClose(dv, vector.dL_dv, 1e-6);
  });
});

test('a layer has the gradients of the same function with w built', () => {
  tf.tidy(() => {
    const layer = conv2d({ filters: 3, kernelSize: 2, seed: 1 });
    const x = normal([2, 5, 5, 2], 2);
    layer.apply(x);
    const weights = [normal([2, 2, 2, 3], 3), normal([3], 4), normal([3], 5)];
    layer.setWeights(weights);
    const dy = normal([2, 4, 4, 3], 6);
    const { gradients } = outputAndGradients(layer, x, dy);
    const built = (x: tf.Tensor, v: tf.Tensor, b: tf.Tensor, g: tf.Tensor) =>
      tf.conv2d(x as tf.Tensor4D, weightNormalize(v, g) as tf.Tensor4D, 1, 'valid').add(b);
    const expected = tf.grads(built as (...args: tf.Tensor[]) => tf.Tensor)([x, ...weights], dy);
    for (const [i, name] of ['x', 'kernel', 'bias', 'gain'].entries()) expectClose(gradients[name], expected[i], 1e-5);
  });
});

test.each(NORMALIZATIONS)(
  'a model (%s) trains, leaks nothing, and equals its effective weights, where it has them',
  async (normalization) => {
    const before = tf.memory().numTensors;
    const dependsOnExample = /layer|group/.test(normalization);
    const model = tf.sequential({
      layers: [
        conv2d({ inputShape: [6, 6, 1], filters: 3, kernelSize: 3, activation: 'relu', normalization, seed: 1 }),
        tf.layers.flatten(),
        // One unit less its own mean is 0.
        dense({ units: 1, normalization: dependsOnExample ? 'none' : normalization, seed: 2 }),
      ],
    });
    const x = normal([16, 6, 6, 1], 3);
    const y = tf.tidy(() => x.slice([0, 2, 2, 0], [16, 2, 2, 1]).sum([1, 2]) as tf.Tensor); // [16, 1]
    dataDependentInit(model, x);

    const optimizer = tf.train.sgd(0.02);
    const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    const update = () => {
      const loss = optimizer.minimize(
        () => tf.losses.meanSquaredError(y, model.apply(x, { training: true }) as tf.Tensor) as tf.Scalar,
        true,
        variables,
      )!;
      const value = loss.dataSync()[0];
      loss.dispose();
      return value;
    };
    const first = update();
    const during = tf.memory().numTensors;
    let last = first;
    for (let i = 0; i < 30; i++) last = update();
    expect(tf.memory().numTensors).toBe(during);
    expect(last).toBeLessThan(first * 0.5);

    tf.tidy(() => {
      if (dependsOnExample) return;
      const plain = tf.sequential({
        layers: [
          tf.layers.conv2d({ inputShape: [6, 6, 1], filters: 3, kernelSize: 3, activation: 'relu' }),
          tf.layers.flatten(),
          tf.layers.dense({ units: 1 }),
        ],
      });
      plain.setWeights(
        model.layers.filter(isNormalizedLayer).flatMap((layer) => [effectiveKernel(layer), effectiveBias(layer)]),
      );
      expectClose(model.predict(x) as tf.Tensor, plain.predict(x) as tf.Tensor, 1e-5);
      plain.dispose();
    });

    model.dispose();
    optimizer.dispose();
    tf.dispose([x, y]);
    expect(tf.memory().numTensors).toBe(before);
  },
);
