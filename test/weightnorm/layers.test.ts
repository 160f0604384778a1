import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import {
  conv2d,
  conv2dTranspose,
  dense,
  depthwiseConv2d,
  effectiveKernel,
  effectiveTensor,
  embedding,
  INITIALIZATIONS,
  NORMALIZATIONS,
  type Normalization,
  type NormalizationArgs,
  type NormalizedLayer,
  separableConv2d,
} from '../../src/weightnorm/index.ts';
import {
  expectClose,
  inputOf,
  LAYERS,
  type LayerCase,
  nameOf,
  normal,
  ours,
  outputAndGradients,
  plain,
  randomizeWeights,
  titleOf,
  variableOf,
} from './support.ts';

const layers = LAYERS.map((layer) => ({ title: titleOf(layer), layer }));

/** A layer after its first call, so that it has weights. */
function built(layer: LayerCase, args: object = {}): NormalizedLayer {
  const made = ours(layer, args);
  const x = inputOf(layer, 4, 1);
  tf.dispose([made.apply(x) as tf.Tensor, x]);
  return made;
}

const denseCase = (units: number, inSize: number): LayerCase => ({
  kind: 'dense',
  args: { units },
  inputShape: [inSize],
});

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

describe('arguments', () => {
  test('v starts as N(0, 0.05)', () => {
    tf.tidy(() => {
      const { mean, variance } = tf.moments(built(denseCase(100, 200), { seed: 5 }).kernel!.read());
      expect(Math.abs(mean.dataSync()[0])).toBeLessThan((0.05 * 4) / Math.sqrt(20_000));
      expect(Math.sqrt(variance.dataSync()[0])).toBeCloseTo(0.05, 3);
    });
  });

  test("a separable convolution's kernels take an initializer each", () => {
    tf.tidy(() => {
      const layer = separableConv2d({
        filters: 2,
        kernelSize: 2,
        depthwiseInitializer: 'ones',
        pointwiseInitializer: 'zeros',
        normalization: 'none',
      });
      layer.apply(tf.ones([1, 3, 3, 1]));
      const [depthwise, pointwise] = layer.kernels.map(({ variable }) => variable.read());
      expectClose(depthwise, tf.onesLike(depthwise), 0);
      expectClose(pointwise, tf.zerosLike(pointwise), 0);
    });
  });

  test('integer inputs are taken as numbers', () => {
    tf.tidy(() => {
      const layer = conv2d({ filters: 2, kernelSize: 2 });
      const x = tf.range(0, 18, 1, 'int32').reshape([1, 3, 3, 2]);
      expectClose(layer.apply(x) as tf.Tensor, layer.apply(x.toFloat()) as tf.Tensor, 0);
    });
  });

  test.each([
    [2, 1],
    [3, 1],
    [6, 2],
    [12, 4],
    [48, 16],
    [64, 32],
    [512, 32],
  ])('%i units are divided into %i groups', (units, groups) => {
    const layer = built(denseCase(units, 3), { normalization: 'group' });
    expect(layer.settings.groups).toBe(groups);
    layer.dispose();
  });

  const refused: [string, () => unknown, RegExp][] = [
    [
      'a normalization that does not exist',
      () => dense({ units: 2, normalization: 'spectral' as Normalization }),
      /normalization is 'spectral': use 'none', .* 'group', or one of each, such as 'weight\+mean-only-batch'/,
    ],
    [
      'two normalizations of the kernel',
      () => dense({ units: 2, normalization: 'weight+centered-weight' as Normalization }),
      /normalization is 'weight\+centered-weight'/,
    ],
    [
      'the parts in the wrong order',
      () => dense({ units: 2, normalization: 'batch+weight' as Normalization }),
      /normalization is 'batch\+weight'/,
    ],
    ['epsilon 0', () => dense({ units: 2, epsilon: 0 }), /^epsilon is 0: give a small positive number/],
    ['varianceEpsilon -1', () => dense({ units: 2, varianceEpsilon: -1 }), /^varianceEpsilon is -1/],
    ['momentum 1.5', () => dense({ units: 2, momentum: 1.5 }), /^momentum is 1.5: give a number from 0 to 1/],
    [
      'a kernel initializer of a depthwise convolution',
      () => depthwiseConv2d({ kernelSize: 2, kernelInitializer: 'zeros' }),
      /^kernelInitializer is ignored by tf.layers.depthwiseConv2d: give depthwiseInitializer in its place/,
    ],
    [
      'vectors of integers',
      () => embedding({ inputDim: 2, outputDim: 2, dtype: 'int32' }),
      /^dtype is 'int32', and the vectors are normalised in 'float32': leave it out/,
    ],
    [
      'a fixed gain where there is none',
      () => dense({ units: 2, normalization: 'batch', fixedGain: 2 }),
      /^fixedGain is 2, and normalization 'batch' has no use for it: leave it out, or use 'weight'/,
    ],
    [
      "an activation's gain without scaled standardization",
      () => dense({ units: 2, activationGain: 2 }),
      /^activationGain is 2, and normalization 'weight' has no use for it: leave it out, or use 'scaled-weight-/,
    ],
    ['fixedGain 0', () => dense({ units: 2, fixedGain: 0 }), /^fixedGain is 0: give a positive number/],
    ['activationGain NaN', () => dense({ units: 2, activationGain: Number.NaN }), /^activationGain is NaN/],
    ['dataFreeFactor -2', () => dense({ units: 2, dataFreeFactor: -2 }), /^dataFreeFactor is -2/],
    [
      'an initialization that does not exist',
      () => dense({ units: 2, initialization: 'zero' as 'data-free' }),
      /^initialization is 'zero': use one of 'norm-preserving', 'data-dependent', 'data-free'/,
    ],
    [
      'data-free initialization without a gain',
      () => dense({ units: 2, initialization: 'data-free', normalization: 'weight-standardization' }),
      /^initialization is 'data-free', which sets g, and this layer learns none/,
    ],
    [
      'a regularizer on the gain that there is none of',
      () => dense({ units: 2, regularize: 'gain', fixedGain: 1 }),
      /^regularize is 'gain', and this layer has no learned gain: use 'kernel'/,
    ],
    [
      'channels first',
      () => conv2d({ filters: 2, kernelSize: 2, dataFormat: 'channelsFirst' }),
      /^dataFormat is 'channelsFirst': normalised layers take 'channelsLast' only/,
    ],
    [
      'dilation where tf.layers ignores it',
      () => depthwiseConv2d({ kernelSize: 2, dilationRate: [1, 2] }),
      /^dilationRate is 1,2: tf.layers.depthwiseConv2d ignores it/,
    ],
    [
      'dilation of a transposed convolution',
      () => conv2dTranspose({ filters: 2, kernelSize: 2, dilationRate: 2 }),
      /^dilationRate is 2: tf.layers.conv2dTranspose ignores it/,
    ],
    ...INITIALIZATIONS.slice(1).map((initialization): [string, () => unknown, RegExp] => [
      `${initialization} initialization of an embedding`,
      () => embedding({ inputDim: 2, outputDim: 2, initialization }),
      new RegExp(`^initialization is '${initialization}', and embeddings have no pre-activations`),
    ]),
    [
      'groups that do not divide the units',
      () => built(denseCase(6, 3), { normalization: 'group', groups: 4 }),
      /^groups is 4: give a whole number that divides the 6 units/,
    ],
    ...(['centered-weight', 'weight-standardization', 'scaled-weight-standardization'] as const).map(
      (normalization): [string, () => unknown, RegExp] => [
        `${normalization} of units with one element`,
        () => built({ kind: 'depthwiseConv2d', args: { kernelSize: 1 }, inputShape: [2, 2, 3] }, { normalization }),
        /a kernel of shape \[1,1,3,1\] with unitAxis \[2,3\] has one element a unit, .* makes 0: use 'weight'/,
      ],
    ),
    [
      'the kernel of a layer that is not built',
      () => effectiveKernel(dense({ name: 'new', units: 2 })),
      /^layer "new" has no weights yet: build its model first/,
    ],
  ];
  test.each(refused)('%s is refused', (_, make, message) => {
    expect(make).toThrow(message);
  });
});

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

test('layer and group normalization of single numbers, which would all be 0, are refused', () => {
  const built = (layer: tf.layers.Layer) => tf.sequential({ layers: [layer] });
  const before = tf.memory().numTensors;
  expect(() => built(dense({ inputShape: [4], units: 1, normalization: 'layer' }))).toThrow(
    /'layer' normalization would take single numbers \(1 units\).*more units/,
  );
  expect(() => built(dense({ inputShape: [4], units: 4, groups: 4, normalization: 'group' }))).toThrow(
    /single numbers \(4 units in 4 groups\)/,
  );
  // With positions there are several numbers to a group.
  built(conv2d({ inputShape: [5, 5, 1], filters: 1, kernelSize: 3, normalization: 'layer' })).dispose();
  expect(tf.memory().numTensors).toBe(before);
});
