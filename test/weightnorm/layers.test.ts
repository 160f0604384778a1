import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import {
  effectiveTensor,
  NORMALIZATIONS,
  type NormalizationArgs,
  type NormalizedLayer,
} from '../../src/weightnorm/index.ts';
import {
  built,
  expectClose,
  inputOf,
  LAYERS,
  type LayerCase,
  nameOf,
  ours,
  outputAndGradients,
  plain,
  randomizeWeights,
  titleOf,
  variableOf,
} from './support.ts';

const layers = LAYERS.map((layer) => ({ title: titleOf(layer), layer }));

/** Names of the arguments for the initializers or regularizers of a layer's kernels. */
function kernelArguments({ kind }: LayerCase, suffix: 'Initializer' | 'Regularizer' | 'Constraint'): string[] {
  const prefixes = {
    embedding: ['embeddings'],
    depthwiseConv2d: ['depthwise'],
    separableConv2d: ['depthwise', 'pointwise'],
  };
  return (prefixes[kind as keyof typeof prefixes] ?? ['kernel']).map((prefix) => prefix + suffix);
}

describe.each(layers)('$title', ({ layer: layerCase }) => {
  const x = inputOf(layerCase, 4, 1);

  test('without normalization is the layer of tf.layers, bit for bit', () => {
    tf.tidy(() => {
      const args = Object.fromEntries(
        kernelArguments(layerCase, 'Initializer').map((name) => [name, tf.initializers.glorotNormal({ seed: 7 })]),
      );
      const [none, theirs] = [ours(layerCase, { ...args, normalization: 'none' }), plain(layerCase, args)];
      expectClose(none.apply(x) as tf.Tensor, theirs.apply(x) as tf.Tensor, 0);
      expect(none.weights.map(nameOf)).toEqual(theirs.weights.map(nameOf));
      expect(none.computeOutputShape(x.shape)).toEqual(theirs.computeOutputShape(x.shape));
    });
  });

  test('starts as the plain layer with kernel v: g = ||v||', () => {
    tf.tidy(() => {
      const [weight, theirs] = [built(layerCase), plain(layerCase)];
      theirs.apply(x);
      theirs.setWeights(weight.getWeights().slice(0, theirs.weights.length));
      expectClose(weight.apply(x) as tf.Tensor, theirs.apply(x) as tf.Tensor, 1e-6);
    });
  });

  test('starts with v less its means when it is centred, and of length 1 when it is scaled', () => {
    tf.tidy(() => {
      for (const { variable, unitAxes, ...kernel } of built(layerCase, { normalization: 'centered-weight' }).kernels) {
        const v = variable.read();
        const reduced = v.shape.map((_, axis) => axis).filter((axis) => !unitAxes.includes(axis));
        expectClose(effectiveTensor({ variable, unitAxes, ...kernel }), v.sub(v.mean(reduced, true)), 1e-6);
      }
      for (const kernel of built(layerCase, { normalization: 'scaled-weight-standardization', epsilon: 1e-12 })
        .kernels) {
        const reduced = kernel.variable.shape.map((_, axis) => axis).filter((axis) => !kernel.unitAxes.includes(axis));
        const length = effectiveTensor(kernel).square().sum(reduced);
        expectClose(length, tf.onesLike(length), 1e-5);
      }
    });
  });

  test('names its weights, has a g for each unit, and trains all but the running averages', () => {
    const kernels = {
      depthwiseConv2d: ['depthwise_kernel'],
      separableConv2d: ['depthwise_kernel', 'pointwise_kernel'],
      embedding: ['embeddings'],
    }[layerCase.kind as string] ?? ['kernel'];
    const gains = layerCase.kind === 'separableConv2d' ? ['depthwiseGain', 'gain'] : ['gain'];
    const bias = layerCase.kind === 'embedding' ? [] : ['bias'];
    const table: [NormalizationArgs, string[], string[]][] = [
      [{ normalization: 'weight' }, gains, []],
      [{ normalization: 'centered-weight' }, gains, []],
      [{ normalization: 'scaled-weight-standardization' }, gains, []],
      [{ normalization: 'weight-standardization' }, [], []],
      [{ normalization: 'weight', fixedGain: 2 }, [], []],
      [{ normalization: 'mean-only-batch' }, [], ['movingMean']],
      [{ normalization: 'batch' }, ['scale'], ['movingMean', 'movingVariance']],
      [{ normalization: 'layer' }, ['scale'], []],
      [{ normalization: 'group' }, ['scale'], []],
      [{ normalization: 'weight+batch' }, [...gains, 'scale'], ['movingMean', 'movingVariance']],
    ];
    for (const [args, trainable, averages] of table) {
      const layer = built(layerCase, args);
      expect(layer.trainableWeights.map(nameOf)).toEqual([...kernels, ...bias, ...trainable]);
      expect(layer.nonTrainableWeights.map(nameOf)).toEqual(averages);
      // 7 tokens, or 6 units everywhere; the separable's depthwise kernel has 2 x 2.
      const shapes = layer.trainableWeights.slice(kernels.length + bias.length).map(({ shape }) => shape);
      const units = (name: string) => (layerCase.kind === 'embedding' && name === 'gain' ? 7 : 6);
      expect(shapes).toEqual(trainable.map((name) => [name === 'depthwiseGain' ? 4 : units(name)]));
      layer.trainable = false;
      expect(layer.trainableWeights).toEqual([]);
      layer.dispose();
    }
  });

  test('takes the same initial values from the same seed, others from another', () => {
    tf.tidy(() => {
      const kernels = (args: object) => built(layerCase, args).kernels.map(({ variable }) => variable.read());
      const [first, again, other] = [{ seed: 5 }, { seed: 5 }, { seed: 6 }].map(kernels);
      first.forEach((kernel, i) => {
        expectClose(again[i], kernel, 0);
        expect(other[i].sub(kernel).abs().max().dataSync()[0]).toBeGreaterThan(0.001);
      });
      // A named initializer takes the seed; one with its own seed keeps it.
      const initialized = (make: () => unknown) =>
        Object.fromEntries(kernelArguments(layerCase, 'Initializer').map((name) => [name, make()]));
      const named = () => kernels({ seed: 5, ...initialized(() => 'heUniform') });
      const seeded = (seed: object) =>
        kernels({ ...seed, ...initialized(() => tf.initializers.heNormal({ seed: 1 })) });
      const pairs = [
        [named(), named()],
        [seeded({ seed: 5 }), seeded({})],
      ];
      for (const [left, right] of pairs) for (const [i, kernel] of left.entries()) expectClose(kernel, right[i], 0);
      for (const kernel of kernels({ seed: 5, ...initialized(() => 'ones') }))
        expectClose(kernel, tf.onesLike(kernel), 0);
    });
  });

  test('puts its kernel regularizer on g, where L2 equals the penalty on w, or on v if told to', () => {
    tf.tidy(() => {
      const regularizer = Object.fromEntries(
        kernelArguments(layerCase, 'Regularizer').map((name) => [name, tf.regularizers.l2({ l2: 0.1 })]),
      );
      const sumOfSquares = (tensors: tf.Tensor[]) => tf.addN(tensors.map((tensor) => tensor.square().sum())).mul(0.1);
      const penalty = (layer: NormalizedLayer) => tf.addN(layer.calculateLosses());
      for (const normalization of ['weight', 'centered-weight'] as const) {
        const layer = built(layerCase, { ...regularizer, normalization });
        randomizeWeights(layer, 2);
        expect(layer.losses.length).toBe(layer.kernels.length);
        expectClose(penalty(layer), sumOfSquares(layer.kernels.map((kernel) => effectiveTensor(kernel))), 1e-6);
      }
      for (const args of [
        { regularize: 'kernel' },
        { fixedGain: 2 },
        { normalization: 'weight-standardization' },
        { normalization: 'batch' },
        { normalization: 'none' },
      ] as NormalizationArgs[]) {
        const layer = built(layerCase, { ...regularizer, ...args });
        randomizeWeights(layer, 2);
        expectClose(penalty(layer), sumOfSquares(layer.kernels.map(({ variable }) => variable.read())), 1e-6);
      }
    });
  });

  test('regularizes w itself where g would not give the same penalty', () => {
    tf.tidy(() => {
      const penaltyOn = (regularizer: object, args: NormalizationArgs) => {
        const named = kernelArguments(layerCase, 'Regularizer').map((name) => [name, regularizer]);
        const layer = built(layerCase, { ...Object.fromEntries(named), ...args });
        randomizeWeights(layer, 2);
        const ws = layer.kernels.map((kernel) => effectiveTensor(kernel));
        return { penalty: tf.addN(layer.calculateLosses()), ws };
      };
      const l1 = penaltyOn(tf.regularizers.l1({ l1: 0.1 }), { normalization: 'weight' });
      expectClose(l1.penalty, tf.addN(l1.ws.map((w) => w.abs().sum())).mul(0.1), 1e-6);
      const both = penaltyOn(tf.regularizers.l1l2({ l1: 0.1, l2: 0.2 }), { normalization: 'centered-weight' });
      const sums = both.ws.map((w) => w.abs().mul(0.1).add(w.square().mul(0.2)).sum());
      expectClose(both.penalty, tf.addN(sums), 1e-6);
      const scaled = penaltyOn(tf.regularizers.l2({ l2: 0.1 }), {
        ...{ normalization: 'scaled-weight-standardization', activationGain: 1.7 },
      });
      expectClose(scaled.penalty, tf.addN(scaled.ws.map((w) => w.square().sum())).mul(0.1), 1e-6);
    });
  });

  test('refuses what tf.layers takes and does not do: constraints and activity regularizers', () => {
    const constraints = [...kernelArguments(layerCase, 'Constraint'), 'biasConstraint'];
    for (const name of layerCase.kind === 'embedding' ? constraints.slice(0, -1) : constraints) {
      for (const value of ['unitNorm', tf.constraints.unitNorm({}), { className: 'UnitNorm', config: {} }]) {
        for (const normalization of ['weight', 'none'] as const)
          expect(() => ours(layerCase, { [name]: value, normalization, name: 'third' })).toThrow(
            new RegExp(
              `^${name} of layer "third" is [uU]nitNorm, and tf.layers applies it after no update: leave it out`,
            ),
          );
      }
      expect(() => ours(layerCase, { [name]: null })).not.toThrow();
    }
    expect(() => ours(layerCase, { activityRegularizer: 'l1l2' })).toThrow(
      'activityRegularizer is l1l2, and tf.layers does not apply it: leave it out, and add the penalty to the loss',
    );
  });

  test('does what the other options of tf.layers ask', () => {
    tf.tidy(() => {
      const first = built(layerCase, { seed: 1 });
      randomizeWeights(first, 2);
      const values = first.getWeights();
      // The starting values, in our order of weights.
      const copy = ours(layerCase, { weights: values, inputShape: layerCase.inputShape });
      const model = tf.sequential({ layers: [copy] });
      expectClose(model.apply(x) as tf.Tensor, first.apply(x) as tf.Tensor, 0);
      const few = ours(layerCase, { weights: values.slice(1), inputShape: layerCase.inputShape });
      expect(() => tf.sequential({ layers: [few] })).toThrow(/weight/);
      const frozen = built(layerCase, { trainable: false });
      expect(frozen.trainableWeights).toEqual([]);
      expect(frozen.weights.length).toBe(first.weights.length);
      if (layerCase.kind === 'embedding') return;
      const regularized = built(layerCase, { biasRegularizer: tf.regularizers.l2({ l2: 0.1 }) });
      randomizeWeights(regularized, 2);
      expectClose(tf.addN(regularized.calculateLosses()), regularized.bias!.read().square().sum().mul(0.1), 1e-6);
    });
  });

  test('frozen, is as at inference: batch statistics do not move', () => {
    for (const normalization of ['weight+mean-only-batch', 'batch'] as const) {
      for (const freeze of ['layer', 'model', 'argument']) {
        tf.tidy(() => {
          const args = { normalization, inputShape: layerCase.inputShape, trainable: freeze !== 'argument' };
          const layer = ours(layerCase, args);
          const model = tf.sequential({ layers: [layer] });
          model.apply(x, { training: true });
          if (freeze === 'layer') layer.trainable = false;
          if (freeze === 'model') model.trainable = false;
          const before = layer.getWeights().map((weight) => weight.clone());
          const y = model.apply(x, { training: true }) as tf.Tensor;
          expectClose(y, model.apply(x) as tf.Tensor, 0);
          for (const [i, weight] of layer.getWeights().entries()) expectClose(weight, before[i], 0);
          if (freeze === 'argument') return;
          layer.trainable = true;
          model.apply(x, { training: true });
          const moved = layer.movingMean!.read().sub(before[layer.weights.indexOf(layer.movingMean!)]);
          expect(moved.abs().max().dataSync()[0]).toBeGreaterThan(0);
        });
      }
    }
  });

  test('takes the momentum of one call, also as a tensor: 0 and 1/2 give the mean over two batches', () => {
    tf.tidy(() => {
      const layer = ours(layerCase, { normalization: 'weight+batch', inputShape: layerCase.inputShape });
      const model = tf.sequential({ layers: [layer] });
      const batches = [x, inputOf(layerCase, 4, 2)];
      const [first, second] = batches.map((batch) => {
        model.apply(batch, { training: true, momentum: 0 });
        return [layer.movingMean!, layer.movingVariance!].map((average) => average.read().clone());
      });
      for (const [i, batch] of batches.entries())
        model.apply(batch, { training: true, momentum: tf.scalar(i / (i + 1)) });
      expectClose(layer.movingMean!.read(), first[0].add(second[0]).div(2), 1e-6);
      expectClose(layer.movingVariance!.read(), first[1].add(second[1]).div(2), 1e-6);
    });
  });

  test('has finite outputs and gradients at v = 0', () => {
    tf.tidy(() => {
      for (const normalization of NORMALIZATIONS) {
        const layer = built(layerCase, { normalization });
        for (const { variable } of layer.kernels) variableOf(variable).assign(tf.zeros(variable.shape as number[]));
        const y = layer.apply(x) as tf.Tensor;
        const { gradients } = outputAndGradients(layer, x, tf.onesLike(y), true);
        for (const tensor of [y, ...Object.values(gradients)])
          expect(tf.all(tf.isFinite(tensor)).dataSync()[0], normalization).toBe(1);
        expectClose(y, tf.zerosLike(y), 0);
      }
    });
  });

  test('keeps no tensor, forward or backward', () => {
    for (const normalization of NORMALIZATIONS) {
      const before = tf.memory().numTensors;
      const layer = built(layerCase, { normalization, activation: 'relu' });
      const own = tf.memory().numTensors - before;
      expect(own, normalization).toBe(layer.weights.length);
      const variables = layer.trainableWeights.map(variableOf);
      for (const training of [false, true]) {
        tf.dispose(layer.apply(x, { training }) as tf.Tensor);
        tf.dispose(tf.variableGrads(() => (layer.apply(x, { training }) as tf.Tensor).sum(), variables));
      }
      expect(tf.memory().numTensors, normalization).toBe(before + own);
      layer.dispose();
      expect(tf.memory().numTensors, normalization).toBe(before);
    }
  });
});
