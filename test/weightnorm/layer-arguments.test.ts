import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import {
  conv2d,
  conv2dTranspose,
  dense,
  depthwiseConv2d,
  effectiveKernel,
  embedding,
  INITIALIZATIONS,
  type Normalization,
  separableConv2d,
} from '../../src/weightnorm/index.ts';
import { built, denseCase, expectClose } from './support.ts';

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
