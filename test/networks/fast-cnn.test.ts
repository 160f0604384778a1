import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { fastCnn, trainableVariables } from '../../src/networks/index.ts';
import { createOptimizer, type OptimizerConfig } from '../../src/optimizers/index.ts';
import { compile } from '../../src/runtime/compile/index.ts';
import { dataDependentInit, type Normalization } from '../../src/weightnorm/index.ts';
import { expectClose, normal } from '../weightnorm/support.ts';

/** The width at which layers have 2 and 8 maps. */
const TINY = 1 / 32;
const LAYERS = ['stem', 'conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'conv6', 'logits'];

test('the full network has the shapes of airbench94 and 1,972,836 parameters', () => {
  const { model, dispose } = fastCnn({ normalization: 'weight', seed: 1 });
  expect(model.countParams()).toBe(1_972_836);
  const named = (pattern: RegExp) =>
    Object.fromEntries(model.layers.filter(({ name }) => pattern.test(name)).map((l) => [l.name, l.outputShape]));
  expect(named(/^(stem|conv\d|pool\d|maximum|logits|scaled)$/)).toEqual({
    stem: [null, 31, 31, 24],
    conv1: [null, 31, 31, 64],
    pool1: [null, 15, 15, 64],
    conv2: [null, 15, 15, 64],
    conv3: [null, 15, 15, 256],
    pool2: [null, 7, 7, 256],
    conv4: [null, 7, 7, 256],
    conv5: [null, 7, 7, 256],
    pool3: [null, 3, 3, 256],
    conv6: [null, 3, 3, 256],
    maximum: [null, 256],
    logits: [null, 10],
    scaled: [null, 10],
  });
  dispose();
});

test('widthMultiplier scales the maps but the stem, numClasses the logits', () => {
  const before = tf.memory().numTensors;
  const { model, dispose } = fastCnn({ normalization: 'none', widthMultiplier: 0.25, numClasses: 7, seed: 1 });
  const kernels = ['stem', 'conv1', 'conv2', 'conv3', 'conv6', 'logits'].map((name) => model.getLayer(name).weights[0]);
  expect(kernels.map(({ shape }) => shape)).toEqual([
    [2, 2, 3, 24],
    [3, 3, 24, 16],
    [3, 3, 16, 16],
    [3, 3, 16, 64],
    [3, 3, 64, 64],
    [64, 7],
  ]);
  dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test('the seed decides the kernels, the same with every normalization', () => {
  const kernels = (normalization: Normalization, seed: number) => {
    const { model, dispose } = fastCnn({ normalization, widthMultiplier: TINY, seed });
    const values = LAYERS.map((name) => model.getLayer(name).getWeights()[0].arraySync());
    dispose();
    return values;
  };
  const first = kernels('weight', 1);
  for (const normalization of ['none', 'batch', 'weight+mean-only-batch'] as const)
    expect(kernels(normalization, 1), normalization).toEqual(first);
  expect(kernels('weight', 2)).not.toEqual(first);
});

test('logitScale multiplies the logits', () => {
  const before = tf.memory().numTensors;
  const images = normal([3, 32, 32, 3], 1);
  const logits = [undefined, 1].map((logitScale) => {
    const { model, dispose } = fastCnn({
      normalization: 'weight',
      widthMultiplier: TINY,
      seed: 1,
      ...(logitScale && { logitScale }),
    });
    const values = model.apply(images) as tf.Tensor;
    dispose();
    return values;
  });
  tf.tidy(() => expectClose(logits[0].mul(9), logits[1]));
  tf.dispose([images, ...logits]);
  expect(tf.memory().numTensors).toBe(before);
});

test.each(['weight', 'batch', 'mean-only-batch', 'weight+mean-only-batch'] as const)(
  '(%s) starts from data with pre-activations of mean 0 and std 1',
  (normalization) => {
    const before = tf.memory().numTensors;
    const { model, dispose } = fastCnn({ normalization, widthMultiplier: TINY, seed: 1 });
    const images = normal([30, 32, 32, 3], 1);
    const { layers, warnings } = dataDependentInit(model, images);
    expect(layers.map(({ name }) => name)).toEqual(LAYERS);
    expect(warnings).toEqual([]);
    tf.tidy(() => {
      const outputs = LAYERS.map((name) => model.getLayer(name).output as tf.SymbolicTensor);
      const values = tf.model({ inputs: model.inputs, outputs }).predict(images) as tf.Tensor[];
      for (const t of values) {
        const { mean, variance } = tf.moments(t, [...t.shape.keys()].slice(0, -1));
        expectClose(mean, tf.zerosLike(mean), 1e-4);
        expectClose(variance, tf.onesLike(variance), 2e-4);
      }
    });
    images.dispose();
    dispose();
    expect(tf.memory().numTensors).toBe(before);
  },
);

const ADAM: OptimizerConfig = { name: 'adam', learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
const SGD: OptimizerConfig = { name: 'sgd', learningRate: 0.05, momentum: 0.9 };

describe.each([
  ['weight', ADAM],
  ['weight+mean-only-batch', SGD],
  ['batch', SGD],
] as const)('with normalization %s and %o', (normalization, config) => {
  const batch = 20;
  const labels = Int32Array.from({ length: batch }, (_, i) => i % 10);

  function train({ eager }: { eager: boolean }): { losses: number[]; after: tf.Tensor } {
    const { model, dispose } = fastCnn({ normalization, widthMultiplier: TINY, seed: 1 });
    const images = normal([batch, 32, 32, 3], 1);
    dataDependentInit(model, images);
    const variables = trainableVariables(model);
    const optimizer = createOptimizer(config, variables);
    const program = compile(
      {
        learn: {
          inputs: {
            images: { shape: [batch, 32, 32, 3], dtype: 'float32' },
            labels: { shape: [batch], dtype: 'int32' },
          },
          fn: ({ images, labels }) => {
            const { value: loss, grads } = tf.variableGrads(
              () => {
                const logits = model.apply(images, { training: true }) as tf.Tensor;
                return tf.losses.softmaxCrossEntropy(tf.oneHot(labels, 10), logits) as tf.Scalar;
              },
              variables.map(({ variable }) => variable),
            );
            optimizer.applyGradients(variables.map(({ variable }) => grads[variable.name]));
            return { loss };
          },
        },
      },
      { eager },
    );
    expect(program.compiled).toBe(!eager);
    const during = tf.memory().numTensors;
    const losses = Array.from({ length: 12 }, () => program.steps.learn.values({ images, labels }).loss[0]);
    expect(tf.memory().numTensors).toBe(during);
    program.pull();
    const after = model.predict(images) as tf.Tensor;
    program.dispose();
    optimizer.dispose();
    dispose();
    images.dispose();
    return { losses, after };
  }

  test('updates lower the loss, in the same way compiled and op by op, and keep no tensor', () => {
    const before = tf.memory().numTensors;
    const [eager, compiled] = [train({ eager: true }), train({ eager: false })];
    expect(compiled.losses.at(-1)).toBeLessThan(compiled.losses[0] - 0.05);
    compiled.losses.forEach((loss, i) => {
      expect(Math.abs(loss / eager.losses[i] - 1)).toBeLessThan(1e-3);
    });
    // So far can rounding grow; learning has changed them by some tenths.
    expectClose(compiled.after, eager.after, 0.01);
    tf.dispose([eager.after, compiled.after]);
    expect(tf.memory().numTensors).toBe(before);
  });
});

test.each([
  [{ widthMultiplier: 0 }, 'widthMultiplier is 0: give a number from 1/64 (one filter) up, such as 0.5'],
  [{ widthMultiplier: Number.NaN }, 'widthMultiplier is NaN'],
  [{ numClasses: 1 }, 'numClasses is 1: give a whole number from 2 up'],
  [{ logitScale: 0 }, 'logitScale is 0: give a positive number, such as 1'],
  [{ normalization: 'spectral' as Normalization }, "normalization is 'spectral'"],
])('%o is refused', (wrong, message) => {
  const before = tf.memory().numTensors;
  expect(() => fastCnn({ normalization: 'weight', seed: 1, ...wrong })).toThrow(message);
  expect(tf.memory().numTensors).toBe(before);
});
