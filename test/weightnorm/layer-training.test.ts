import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import {
  conv2d,
  dense,
  depthwiseConv2d,
  effectiveKernel,
  embedding,
  separableConv2d,
} from '../../src/weightnorm/index.ts';
import { built, denseCase, expectClose, normal, variableOf } from './support.ts';

describe('masks', () => {
  test('pass from an embedding through a dense layer to the layer that uses them', () => {
    tf.tidy(() => {
      const tokens = tf.tensor2d(
        [
          [1, 2, 0, 0],
          [3, 1, 4, 0],
        ],
        [2, 4],
        'int32',
      );
      const model = (table: tf.layers.Layer, between: tf.layers.Layer) => {
        const input = tf.input({ shape: [4], dtype: 'int32' });
        const last = tf.layers.lstm({ units: 2, kernelInitializer: 'ones', recurrentInitializer: 'ones' });
        const output = last.apply(between.apply(table.apply(input))) as tf.SymbolicTensor;
        return tf.model({ inputs: input, outputs: output });
      };
      const table = { inputDim: 5, outputDim: 3 };
      const masked = { ...table, maskZero: true };
      const [normalized, unmasked] = [masked, table].map((args) =>
        model(embedding({ ...args, seed: 1 }), dense({ units: 3, activation: 'tanh', seed: 2 })),
      );
      const theirs = model(tf.layers.embedding(masked), tf.layers.dense({ units: 3, activation: 'tanh' }));
      theirs.layers.slice(1, 3).forEach((layer, i) => {
        // g = ||v||: the plain weights are the kernels.
        layer.setWeights(normalized.layers[i + 1].getWeights().slice(0, layer.weights.length));
      });
      const outputs = [normalized, theirs, unmasked].map((net) => net.predict(tokens) as tf.Tensor);
      expectClose(outputs[0], outputs[1], 1e-6);
      expect(outputs[0].sub(outputs[2]).abs().max().dataSync()[0]).toBeGreaterThan(1e-4);
    });
  });
});

describe('running averages', () => {
  test('move in training alone, by 1 - momentum', () => {
    tf.tidy(() => {
      const layer = built(denseCase(3, 4), { normalization: 'weight+mean-only-batch', useBias: false });
      const x = normal([8, 4], 1).add(2);
      const t = x.matMul(effectiveKernel(layer)); // what the mean is taken of
      const mean = t.mean(0);
      expectClose(layer.movingMean!.read(), [0, 0, 0], 0);
      layer.apply(x);
      expectClose(layer.movingMean!.read(), [0, 0, 0], 0);
      expectClose(layer.apply(x, { training: true }) as tf.Tensor, t.sub(mean), 1e-6);
      expectClose(layer.movingMean!.read(), mean.mul(0.1), 1e-6);
      layer.apply(x, { training: true });
      expectClose(layer.movingMean!.read(), mean.mul(0.19), 1e-6);
      expectClose(layer.apply(x) as tf.Tensor, t.sub(mean.mul(0.19)), 1e-6);
    });
  });

  test.each(['mean-only-batch', 'batch'] as const)('(%s) are learned in model.fit', async (normalization) => {
    const before = tf.memory().numTensors;
    const model = tf.sequential({
      layers: [dense({ units: 3, inputShape: [4], normalization, momentum: 0, seed: 1 })],
    });
    model.compile({ optimizer: tf.train.sgd(0), loss: 'meanSquaredError' });
    const [x, y] = [normal([16, 4], 1), tf.zeros([16, 3])];
    await model.fit(x, y, { epochs: 1, batchSize: 16, verbose: 0 });
    tf.tidy(() => {
      const { mean, variance } = tf.moments(model.predict(x) as tf.Tensor, 0);
      expectClose(mean, [0, 0, 0], 1e-6);
      if (normalization === 'batch') expectClose(variance, [1, 1, 1], 1e-3); // varianceEpsilon
    });
    model.dispose();
    tf.dispose([x, y]);
    // model.compile keeps nothing but the optimizer's learning rate and iteration count.
    model.optimizer.dispose();
    expect(tf.memory().numTensors - before).toBeLessThanOrEqual(2);
  });
});

describe('training', () => {
  /** A small image net with several kinds of layers of ours, and ordinary ones between them. */
  const imageNet = () =>
    tf.sequential({
      layers: [
        tf.layers.inputLayer({ inputShape: [8, 8, 2] }),
        tf.layers.rescaling({ scale: 1 / 255 }),
        conv2d({ filters: 4, kernelSize: 3, activation: 'relu', seed: 1 }),
        separableConv2d({ filters: 4, kernelSize: 3, normalization: 'weight+mean-only-batch', seed: 2 }),
        depthwiseConv2d({ kernelSize: 2, normalization: 'weight-standardization+group', activation: 'relu', seed: 4 }),
        tf.layers.flatten(),
        dense({ units: 8, normalization: 'batch', activation: 'relu', seed: 5 }),
        dense({ units: 2, seed: 6 }),
      ],
    });

  test('under plain SGD, ||v|| never shrinks and its square grows by the squared step', () => {
    tf.tidy(() => {
      const layer = built(denseCase(4, 6), { seed: 1 });
      const [x, target] = [normal([16, 6], 2), normal([16, 4], 3)];
      const v = variableOf(layer.kernel);
      const variables = layer.trainableWeights.map((weight) => variableOf(weight));
      const optimizer = tf.train.sgd(0.5);
      for (let step = 0; step < 20; step++) {
        const before = v.clone();
        optimizer.minimize(() => tf.losses.meanSquaredError(target, layer.apply(x) as tf.Tensor), false, variables);
        const [old, grown] = [before.square().sum(0), v.square().sum(0)];
        expectClose(grown, old.add(v.sub(before).square().sum(0)), 1e-5);
        expect(grown.div(old).min().dataSync()[0]).toBeGreaterThan(1 - 1e-6);
      }
    });
  });

  test('keeps no tensor in a model of mixed layers', () => {
    const model = imageNet();
    const [x, target] = [tf.randomUniform([4, 8, 8, 2], 0, 255, 'int32', 1), normal([4, 2], 2)];
    const optimizer = tf.train.adam(1e-3);
    const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    const step = () => {
      const loss = () =>
        tf.losses.meanSquaredError(target, model.apply(x, { training: true }) as tf.Tensor) as tf.Scalar;
      optimizer.minimize(loss, false, variables);
      tf.dispose(model.predict(x));
    };
    step(); // makes the optimizer's slots
    const before = tf.memory();
    for (let i = 0; i < 10; i++) step();
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numBytes).toBe(before.numBytes);
    const weights = model.weights.length;
    expect(model.dispose().numDisposedVariables).toBe(weights);
    tf.dispose([x, target]);
    optimizer.dispose();
  });

  test('costs at most 16 native ops a layer more than the plain layer, forward and backward', () => {
    const [plainOps, weightOps] = (['none', 'weight'] as const).map((normalization) => {
      const model = tf.sequential({
        layers: [
          conv2d({ inputShape: [5, 5, 1], filters: 4, kernelSize: 3, activation: 'relu', normalization }),
          tf.layers.flatten(),
          dense({ units: 3, normalization }),
        ],
      });
      const x = tf.ones([2, 5, 5, 1]);
      const count = countNativeOps(() => {
        const variables = model.trainableWeights.map((w) => w.read() as tf.Variable);
        tf.dispose(tf.variableGrads(() => (model.apply(x) as tf.Tensor).sum(), variables));
      });
      model.dispose();
      x.dispose();
      return count;
    });
    expect(weightOps - plainOps).toBeGreaterThan(0);
    expect(weightOps - plainOps).toBeLessThanOrEqual(2 * 16);
  });

  /** Calls into TensorFlow that `run` makes on the node backend. */
  function countNativeOps(run: () => void): number {
    const backend = tf.backend() as unknown as { binding: { executeOp(...args: unknown[]): unknown } };
    const { binding } = backend;
    let count = 0;
    const executeOp = (...args: unknown[]) => {
      count++;
      return binding.executeOp(...args);
    };
    backend.binding = Object.create(binding, { executeOp: { value: executeOp } });
    try {
      run();
    } finally {
      backend.binding = binding;
    }
    return count;
  }
});
