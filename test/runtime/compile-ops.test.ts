import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { compile, type StepDefinition } from '../../src/runtime/compile/index.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';

loadTensorFlow();

type Case = (t: {
  x: tf.Tensor2D;
  y: tf.Tensor2D;
  image: tf.Tensor4D;
  index: tf.Tensor1D;
  flag: tf.Tensor2D;
}) => tf.Tensor;

const gradientOf =
  (f: (x: tf.Tensor) => tf.Tensor): Case =>
  ({ x }) =>
    tf.grad((input) => tf.sum(f(input)))(x);

/** What learning steps and the project's networks use, and what users are likely to. */
const CASES: Record<string, Case> = {
  abs: ({ x }) => tf.abs(x),
  add: ({ x, y }) => tf.add(x, y),
  addN: ({ x, y }) => tf.addN([x, y, x]),
  all: ({ flag }) => tf.all(flag, 1),
  any: ({ flag }) => tf.any(flag),
  argMax: ({ x }) => tf.argMax(x, 1),
  argMin: ({ x }) => tf.argMin(x, 0),
  avgPool: ({ image }) => tf.avgPool(image, 2, 2, 'same'),
  batchNorm: ({ x }) => tf.batchNorm(x, tf.mean(x, 0) as tf.Tensor1D, tf.moments(x, 0).variance as tf.Tensor1D),
  biasAdd: ({ x }) => tf.add(x, tf.tensor1d([1, 2, 3])),
  biasAddOfImage: ({ image }) => tf.add(tf.tensor1d([1, 2]), image),
  broadcastTo: ({ x }) => tf.broadcastTo(tf.slice(x, [0, 0], [1, 3]), [4, 3]),
  cast: ({ x }) => tf.cast(x, 'int32'),
  meanOfInt32: ({ index }) => tf.mean(index),
  meanOfBool: ({ flag }) => tf.mean(flag, 1),
  clip: ({ x }) => tf.clipByValue(x, -0.5, 0.5),
  concat: ({ x, y }) => tf.concat([x, y], 1),
  conv2d: ({ image }) => tf.conv2d(image, tf.ones([3, 3, 2, 4]), 2, 'valid'),
  conv2dTranspose: ({ image }) => tf.conv2dTranspose(image, tf.ones([3, 3, 4, 2]), [2, 12, 12, 4], 2, 'same'),
  cumsum: ({ x }) => tf.cumsum(x, 0),
  depthToSpace: ({ image }) => tf.depthToSpace(tf.concat([image, image], 3), 2, 'NHWC'),
  depthwiseConv2d: ({ image }) => tf.depthwiseConv2d(image, tf.ones([3, 3, 2, 2]), 1, 'same'),
  div: ({ x, y }) => tf.div(x, tf.add(tf.square(y), 1)),
  divNoNan: ({ x, y }) => tf.divNoNan(x, tf.relu(y)),
  elu: ({ x }) => tf.elu(x),
  equal: ({ x, y }) => tf.equal(x, y),
  exp: ({ x }) => tf.exp(x),
  expandDims: ({ x }) => tf.expandDims(x, 1),
  eye: () => tf.eye(3),
  fill: () => tf.fill([2, 2], 3),
  floor: ({ x }) => tf.floor(x),
  gather: ({ x, index }) => tf.gather(x, index, 1),
  greater: ({ x, y }) => tf.greater(x, y),
  hingeLoss: ({ x, y }) => tf.losses.hingeLoss(x, y),
  huberLoss: ({ x, y }) => tf.losses.huberLoss(x, y),
  leakyRelu: ({ x }) => tf.leakyRelu(x, 0.1),
  log: ({ x }) => tf.log(tf.add(tf.square(x), 1)),
  logSoftmax: ({ x }) => tf.logSoftmax(x),
  logSumExp: ({ x }) => tf.logSumExp(x, 1),
  logicalNot: ({ flag }) => tf.logicalNot(flag),
  matMul: ({ x, y }) => tf.matMul(x, y, false, true),
  max: ({ x }) => tf.max(x, 1),
  maxPool: ({ image }) => tf.maxPool(image, 2, 2, 'same'),
  maximum: ({ x, y }) => tf.maximum(x, y),
  mean: ({ x }) => tf.mean(x, 0),
  mirrorPad: ({ x }) =>
    tf.mirrorPad(
      x,
      [
        [1, 1],
        [0, 1],
      ],
      'reflect',
    ),
  mod: ({ x, y }) => tf.mod(x, tf.add(tf.square(y), 1)),
  moments: ({ x }) => tf.moments(x, 0).variance,
  multinomial: () => tf.cast(tf.multinomial(tf.tensor1d([0, 100, 0]), 5, 7), 'float32'),
  neg: ({ x }) => tf.neg(x),
  norm: ({ x }) => tf.norm(x, 2, 1),
  oneHot: ({ index }) => tf.oneHot(index, 3),
  pad: ({ x }) =>
    tf.pad(x, [
      [1, 1],
      [0, 2],
    ]),
  pow: ({ x }) => tf.pow(x, 2),
  prelu: ({ x }) => tf.prelu(x, tf.tensor2d([[0.2, 0.3, 0.4]])),
  prod: ({ x }) => tf.prod(x, 1),
  range: ({ x }) => tf.mul(tf.slice(x, [0, 0], [1, 3]), tf.range(0, 3)),
  reciprocal: ({ x }) => tf.reciprocal(tf.add(tf.square(x), 1)),
  relu: ({ x }) => tf.relu(x),
  relu6: ({ x }) => tf.relu6(x),
  reshape: ({ x }) => tf.reshape(x, [2, 6]),
  resizeBilinear: ({ image }) => tf.image.resizeBilinear(image, [3, 3]),
  reverse: ({ x }) => tf.reverse(x, 1),
  round: ({ x }) => tf.round(x),
  rsqrt: ({ x }) => tf.rsqrt(tf.add(tf.square(x), 1)),
  scatterND: ({ x }) => tf.scatterND(tf.tensor2d([[1], [2]], [2, 1], 'int32'), tf.slice(x, 0, 2), [5, 3]),
  scaledTranspose: ({ image }) => tf.mul(tf.transpose(image, [0, 3, 1, 2]), 0.3),
  selu: ({ x }) => tf.selu(x),
  sigmoid: ({ x }) => tf.sigmoid(x),
  sigmoidCrossEntropy: ({ x, flag }) => tf.losses.sigmoidCrossEntropy(tf.cast(flag, 'float32'), x),
  sign: ({ x }) => tf.sign(x),
  slice: ({ x }) => tf.slice(x, [1, 0], [2, 2]),
  softmax: ({ x }) => tf.softmax(x),
  softmaxCrossEntropy: ({ x, index }) => tf.losses.softmaxCrossEntropy(tf.oneHot(tf.concat([index, index]), 3), x),
  softplus: ({ x }) => tf.softplus(x),
  spaceToBatch: ({ image }) =>
    tf.spaceToBatchND(
      image,
      [2, 2],
      [
        [0, 0],
        [0, 0],
      ],
    ),
  sparseToDense: ({ x }) =>
    tf.sparseToDense(tf.tensor1d([0, 2], 'int32'), tf.slice(tf.reshape(x, [12]), 0, 2), [4], tf.scalar(0)),
  split: ({ x }) => tf.add(...(tf.split(x, [2, 2], 0) as [tf.Tensor, tf.Tensor])),
  sqrt: ({ x }) => tf.sqrt(tf.square(x)),
  square: ({ x }) => tf.square(x),
  squaredDifference: ({ x, y }) => tf.squaredDifference(x, y),
  squeeze: ({ x }) => tf.squeeze(tf.slice(x, [0, 0], [1, 3])),
  stack: ({ x, y }) => tf.stack([x, y], 1),
  step: ({ x }) => tf.step(x, 0.5),
  stridedSlice: ({ x }) => tf.stridedSlice(x, [0, 0], [4, 3], [2, 1]),
  sub: ({ x, y }) => tf.sub(x, y),
  sum: ({ x }) => tf.sum(x, 1, true),
  sumOfImage: ({ image }) => tf.sum(image, [0, 1, 2]),
  sumOfRows: ({ x }) => tf.sum(x, 0, true),
  sumOfSquares: ({ image }) => tf.sum(tf.square(tf.sub(image, 0.5)), [0, 1, 2]),
  tanh: ({ x }) => tf.tanh(x),
  tile: ({ x }) => tf.tile(x, [2, 1]),
  topk: ({ x }) => tf.topk(x, 2).values,
  transpose: ({ image }) => tf.transpose(image, [0, 3, 1, 2]),
  unsortedSegmentSum: ({ x, index }) => tf.unsortedSegmentSum(x, tf.concat([index, index]), 3),
  unstack: ({ x }) => tf.unstack(x, 1)[1],
  where: ({ x, y, flag }) => tf.where(flag, x, y),
  gradientOfAvgPool: ({ image }) => tf.grad((t) => tf.sum(tf.avgPool(t as tf.Tensor4D, 3, 2, 'valid')))(image),
  gradientOfConv2d: ({ image }) =>
    tf.grad((t) => tf.sum(tf.square(tf.conv2d(t as tf.Tensor4D, tf.ones([3, 3, 2, 4]), 2, 'same'))))(image),
  gradientOfConv2dFilter: ({ image }) =>
    tf.grad((f) => tf.sum(tf.square(tf.conv2d(image, f as tf.Tensor4D, 2, 'valid'))))(tf.ones([3, 3, 2, 4])),
  gradientOfElu: gradientOf(tf.elu),
  gradientOfGather: ({ x, index }) => tf.grad((t) => tf.sum(tf.square(tf.gather(t, index))))(x),
  gradientOfLogSoftmax: gradientOf((t) => tf.mul(tf.logSoftmax(t), t)),
  gradientOfMax: gradientOf((t) => tf.max(t, 1)),
  gradientOfMaxPool: ({ image }) =>
    tf.grad((t) => tf.sum(tf.square(tf.maxPool(t as tf.Tensor4D, 2, 2, 'same'))))(image),
  gradientOfMean: gradientOf((t) => tf.mean(tf.square(t), 0)),
  gradientOfNorm: gradientOf((t) => tf.norm(t)),
  gradientOfRelu: gradientOf(tf.relu),
  gradientOfReluAtZero: ({ x }) => tf.grad(tf.relu)(tf.zerosLike(x)),
  secondGradientOfRelu: gradientOf((t) => tf.grad((u) => tf.square(tf.relu(u)))(t)),
  gradientOfSlice: gradientOf((t) => tf.square(tf.slice(t, [0, 1], [2, 2]))),
  gradientOfSoftmax: gradientOf((t) => tf.square(tf.softmax(t))),
  gradientOfTile: gradientOf((t) => tf.square(tf.tile(t, [2, 2]))),
};

test('every listed op gives the same result compiled as op by op', () => {
  const step: StepDefinition = {
    inputs: {
      x: { shape: [4, 3], dtype: 'float32' },
      y: { shape: [4, 3], dtype: 'float32' },
      image: { shape: [2, 6, 6, 2], dtype: 'uint8' },
      index: { shape: [2], dtype: 'int32' },
      flag: { shape: [4, 3], dtype: 'bool' },
    },
    fn: (inputs) => {
      const given = {
        ...inputs,
        image: tf.div(tf.cast(inputs.image, 'float32'), 255),
      } as unknown as Parameters<Case>[0];
      return Object.fromEntries(Object.entries(CASES).map(([name, run]) => [name, run(given)]));
    },
  };
  const values = {
    x: Float32Array.from({ length: 12 }, (_, i) => Math.sin(i * 2.3)),
    y: Float32Array.from({ length: 12 }, (_, i) => Math.cos(i * 1.1)),
    image: Uint8Array.from({ length: 144 }, (_, i) => (i * 37) % 256),
    index: Int32Array.of(2, 1),
    flag: Uint8Array.from({ length: 12 }, (_, i) => (i % 3) & 1),
  };
  const compiled = compile({ step });
  const results = compiled.steps.step.values(values);
  const expected = compile({ step }, { eager: true }).steps.step.values(values);
  compiled.dispose();
  for (const name of Object.keys(CASES)) {
    expect(results[name], name).toHaveLength(expected[name].length);
    results[name].forEach((value, i) => {
      expect(Math.abs(value - expected[name][i]), `${name}[${i}]`).toBeLessThanOrEqual(
        1e-5 * Math.abs(expected[name][i]) + 1e-6,
      );
    });
  }
});
