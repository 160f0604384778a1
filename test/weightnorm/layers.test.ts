import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  conv2d,
  dense,
  effectiveBias,
  effectiveKernel,
  NORMALIZATIONS,
  type Normalization,
  type NormalizedLayer,
} from '../../src/weightnorm/index.ts';
import { expectClose, normal, type OracleCase, oracle, outputAndGradients, variableOf } from './support.ts';

/** Gives every weight of a built layer other values, so that g is not ||v||. */
function randomizeWeights(layer: NormalizedLayer, seed: number): void {
  tf.tidy(() => layer.setWeights(layer.weights.map((weight, i) => normal(weight.shape as number[], seed + i))));
}

function builtDense(inSize: number, args: Parameters<typeof dense>[0]): NormalizedLayer {
  const layer = dense(args);
  const x = tf.zeros([2, inSize]);
  tf.dispose([layer.apply(x) as tf.Tensor, x]);
  return layer;
}

describe('outputs and gradients agree with float64 definitions and finite differences', () => {
  const shared = {
    normalization: fc.constantFrom<Normalization>('weight', 'mean-only-batch', 'weight+mean-only-batch'),
    useBias: fc.boolean(),
    seed: fc.integer({ min: 1, max: 1e6 }),
    batch: fc.integer({ min: 1, max: 4 }),
    units: fc.integer({ min: 1, max: 3 }),
  };
  const denseCases = fc.record({
    ...shared,
    kind: fc.constant('dense' as const),
    inSize: fc.integer({ min: 1, max: 5 }),
  });
  const convCases = fc.record({
    ...shared,
    kind: fc.constant('conv2d' as const),
    size: fc.tuple(fc.integer({ min: 3, max: 5 }), fc.integer({ min: 3, max: 5 })),
    channels: fc.integer({ min: 1, max: 2 }),
    kernelSize: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    strides: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
    padding: fc.constantFrom<'valid' | 'same'>('valid', 'same'),
  });
  const samples = fc.sample(fc.oneof(denseCases, convCases), { numRuns: 60, seed: 20260101 });

  test(`in ${samples.length} random layers`, () => {
    const before = tf.memory().numTensors;
    const runs = samples.map((sample) => {
      const { kind, normalization, useBias, units, batch, seed } = sample;
      const layer =
        kind === 'dense' ? dense({ units, useBias, normalization }) : conv2d({ ...sample, filters: units, useBias });
      const x = normal(kind === 'dense' ? [batch, sample.inSize] : [batch, ...sample.size, sample.channels], seed);
      const outputShape = tf.tidy(() => (layer.apply(x) as tf.Tensor).shape);
      randomizeWeights(layer, seed + 1);
      const dy = normal(outputShape, seed + 9);
      const tensors = Object.fromEntries(
        layer.trainableWeights.map((w) => [w.originalName.split('/').at(-1)!, w.read().arraySync()]),
      );
      const oracleCase = {
        kind,
        meanOnly: normalization !== 'weight',
        epsilon: layer.epsilon,
        ...(kind === 'conv2d' && { strides: sample.strides, padding: sample.padding }),
        tensors: { x: x.arraySync(), ...tensors },
        dy: dy.arraySync(),
      } as OracleCase;
      const result = outputAndGradients(layer, x, dy, true);
      layer.dispose();
      tf.dispose([x, dy]);
      return { oracleCase, result };
    });
    oracle(runs.map(({ oracleCase }) => oracleCase)).forEach((expected, i) => {
      const { y, gradients } = runs[i].result;
      expectClose(y, expected.y);
      expect(Object.keys(gradients).sort()).toEqual(Object.keys(expected.gradients).sort());
      for (const [name, gradient] of Object.entries(gradients)) expectClose(gradient, expected.gradients[name], 3e-5);
      tf.dispose([y, gradients]);
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('a normalised layer', () => {
  test.each(NORMALIZATIONS)(
    '(%s) computes at inference what tf.layers does with its effective weights',
    (normalization) => {
      tf.tidy(() => {
        const cases: [NormalizedLayer, tf.layers.Layer, tf.Tensor][] = [
          [
            dense({ units: 4, activation: 'tanh', normalization }),
            tf.layers.dense({ units: 4, activation: 'tanh' }),
            normal([3, 5], 1),
          ],
          [
            dense({ units: 4, activation: 'softmax', normalization }),
            tf.layers.dense({ units: 4, activation: 'softmax' }),
            normal([3, 2, 5], 2), // units on the last of three axes
          ],
          [
            conv2d({ filters: 3, kernelSize: [2, 3], strides: 2, padding: 'same', activation: 'relu', normalization }),
            tf.layers.conv2d({ filters: 3, kernelSize: [2, 3], strides: 2, padding: 'same', activation: 'relu' }),
            normal([2, 7, 6, 2], 3),
          ],
          [
            conv2d({ filters: 3, kernelSize: 2, dilationRate: 2, useBias: false, normalization }),
            tf.layers.conv2d({ filters: 3, kernelSize: 2, dilationRate: 2 }),
            normal([2, 7, 6, 2], 4),
          ],
        ];
        for (const [layer, plain, x] of cases) {
          expect(layer.computeOutputShape(x.shape)).toEqual(plain.computeOutputShape(x.shape));
          layer.apply(x);
          plain.apply(x);
          randomizeWeights(layer, 11);
          plain.setWeights([effectiveKernel(layer), effectiveBias(layer)]);
          expectClose(layer.apply(x) as tf.Tensor, plain.apply(x) as tf.Tensor, 1e-6);
        }
      });
    },
  );

  test('(none) is the layer of tf.layers, bit for bit', () => {
    tf.tidy(() => {
      const x = normal([2, 6, 6, 2], 1);
      const args = { filters: 3, kernelSize: 3, activation: 'relu' as const };
      const initializer = tf.initializers.glorotNormal({ seed: 7 });
      const ours = conv2d({ ...args, normalization: 'none', seed: 7 });
      const plain = tf.layers.conv2d({ ...args, kernelInitializer: initializer });
      expectClose(ours.apply(x) as tf.Tensor, plain.apply(x) as tf.Tensor, 0);
      expect(ours.weights.length).toBe(2);
    });
  });

  test('starts with g = ||v||, as the plain layer with kernel v', () => {
    tf.tidy(() => {
      const layer = builtDense(6, { units: 4, seed: 3 });
      expectClose(effectiveKernel(layer), variableOf(layer.kernel), 1e-7);
    });
  });

  test('starts with v ~ N(0, 0.05), the same values for the same seed', () => {
    const kernel = (args: object) => builtDense(200, { units: 100, ...args }).kernel!.read();
    tf.tidy(() => {
      const first = kernel({ seed: 5 });
      const { mean, variance } = tf.moments(first);
      expect(Math.abs(mean.dataSync()[0])).toBeLessThan((0.05 * 4) / Math.sqrt(20_000));
      expect(Math.sqrt(variance.dataSync()[0])).toBeCloseTo(0.05, 3);
      expectClose(kernel({ seed: 5 }), first, 0);
      expect(kernel({ seed: 6 }).sub(first).abs().max().dataSync()[0]).toBeGreaterThan(0.01);
      // A named initializer takes the seed; one with its own seed keeps it.
      expectClose(
        kernel({ seed: 5, kernelInitializer: 'heUniform' }),
        kernel({ seed: 5, kernelInitializer: 'heUniform' }),
        0,
      );
      const own = () => tf.initializers.heNormal({ seed: 1 });
      expectClose(kernel({ seed: 5, kernelInitializer: own() }), kernel({ kernelInitializer: own() }), 0);
      expectClose(kernel({ seed: 5, kernelInitializer: 'ones' }), tf.ones([200, 100]), 0);
    });
  });

  test('names its weights kernel, bias, gain and movingMean; the last is not trainable', () => {
    const layer = builtDense(3, { name: 'names', units: 2, normalization: 'weight+mean-only-batch' });
    const names = (weights: tf.LayerVariable[]) => weights.map(({ originalName }) => originalName);
    expect(names(layer.trainableWeights)).toEqual(['names/kernel', 'names/bias', 'names/gain']);
    expect(names(layer.nonTrainableWeights)).toEqual(['names/movingMean']);
    layer.trainable = false;
    expect(layer.trainableWeights).toEqual([]);
    layer.dispose();
  });

  test('with v = 0 gives finite outputs and gradients', () => {
    tf.tidy(() => {
      const layer = builtDense(3, { units: 2, kernelInitializer: 'zeros' });
      variableOf(layer.gain).assign(tf.tensor1d([1, 2]));
      const { y, gradients } = outputAndGradients(layer, normal([4, 3], 1), normal([4, 2], 2));
      expectClose(y, tf.zeros([4, 2]), 0);
      for (const gradient of Object.values(gradients)) expect(tf.all(tf.isFinite(gradient)).dataSync()[0]).toBe(1);
      expectClose(gradients.gain, [0, 0], 0);
    });
  });

  test('takes integer inputs', () => {
    tf.tidy(() => {
      const layer = conv2d({ filters: 2, kernelSize: 2 });
      const x = tf.range(0, 18, 1, 'int32').reshape([1, 3, 3, 2]);
      expectClose(layer.apply(x) as tf.Tensor, layer.apply(x.toFloat()) as tf.Tensor, 0);
    });
  });

  test('puts its kernel regularizer on g, where L2 equals the penalty on w', () => {
    tf.tidy(() => {
      const kernelRegularizer = tf.regularizers.l2({ l2: 0.1 });
      const layer = builtDense(5, { units: 3, kernelRegularizer });
      randomizeWeights(layer, 2);
      expect(layer.losses.length).toBe(1);
      expectClose(layer.calculateLosses()[0], effectiveKernel(layer).square().sum().mul(0.1), 1e-6);
    });
  });

  test('refuses settings it cannot honour, naming them', () => {
    expect(() => dense({ units: 2, normalization: 'layer' as Normalization })).toThrow(
      /normalization is 'layer': use one of 'none'/,
    );
    expect(() => dense({ units: 2, epsilon: 0 })).toThrow(/epsilon is 0/);
    expect(() => dense({ units: 2, momentum: 1.5 })).toThrow(/momentum is 1.5/);
    expect(() => conv2d({ filters: 2, kernelSize: 2, dataFormat: 'channelsFirst' })).toThrow(
      /dataFormat is 'channelsFirst'/,
    );
    expect(() => effectiveKernel(dense({ name: 'new', units: 2 }))).toThrow(/layer "new" has no weights yet/);
  });
});

describe('mean-only batch normalization', () => {
  test('moves its running mean in training alone, by 1 - momentum', () => {
    tf.tidy(() => {
      const layer = builtDense(4, { units: 3, normalization: 'weight+mean-only-batch', useBias: false });
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

  test('learns its running mean in model.fit', async () => {
    const before = tf.memory().numTensors;
    const model = tf.sequential({
      layers: [dense({ units: 3, inputShape: [4], normalization: 'mean-only-batch', momentum: 0, seed: 1 })],
    });
    model.compile({ optimizer: tf.train.sgd(0), loss: 'meanSquaredError' });
    const [x, y] = [normal([16, 4], 1), tf.zeros([16, 3])];
    await model.fit(x, y, { epochs: 1, batchSize: 16, verbose: 0 });
    tf.tidy(() => expectClose((model.predict(x) as tf.Tensor).mean(0), [0, 0, 0], 1e-6));
    model.dispose();
    tf.dispose([x, y]);
    // model.compile keeps nothing but the optimizer's learning rate and iteration count.
    model.optimizer.dispose();
    expect(tf.memory().numTensors - before).toBeLessThanOrEqual(2);
  });
});

describe('training', () => {
  /** A small image net with every kind of layer of ours, and ordinary ones between them. */
  const imageNet = () =>
    tf.sequential({
      layers: [
        tf.layers.inputLayer({ inputShape: [8, 8, 2] }),
        tf.layers.rescaling({ scale: 1 / 255 }),
        conv2d({ filters: 4, kernelSize: 3, activation: 'relu', seed: 1 }),
        conv2d({ filters: 4, kernelSize: 3, normalization: 'weight+mean-only-batch', activation: 'relu', seed: 2 }),
        tf.layers.flatten(),
        dense({ units: 8, normalization: 'mean-only-batch', activation: 'relu', seed: 3 }),
        dense({ units: 2, seed: 4 }),
      ],
    });

  test('under plain SGD, ||v|| never shrinks and its square grows by the squared step', () => {
    tf.tidy(() => {
      const layer = builtDense(6, { units: 4, seed: 1 });
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

  test('keeps no tensor, forward or backward, in a model of mixed layers', () => {
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
    const [plain, weight] = (['none', 'weight'] as const).map((normalization) => {
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
    expect(weight - plain).toBeGreaterThan(0);
    expect(weight - plain).toBeLessThanOrEqual(2 * 16);
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
