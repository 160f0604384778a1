import * as tf from '@tensorflow/tfjs';
import { beforeEach, describe, expect, test } from 'vitest';
import { createOptimizer } from '../../src/optimizers/index.ts';
import { compile, type Precision } from '../../src/runtime/compile/index.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { bytes, makeVariable, NO_BFLOAT16, relativeError, wave } from './learning-steps.ts';

const { bfloat16: support } = loadTensorFlow();
beforeEach(({ skip }) => skip(support === 'none', NO_BFLOAT16));

const PRECISIONS = ['float32', 'bfloat16'] as const;
/** bfloat16 has 8 significant bits: it rounds by at most this share. */
const ROUNDING = 2 ** -9;

describe('bfloat16', () => {
  test('rounds what products and convolutions take, and nothing else', () => {
    const fine = 1 + 2 ** -12;
    const inputs = { x: { shape: [1, 1], dtype: 'float32' } } as const;
    const [float32, bfloat16] = PRECISIONS.map((precision) => {
      const program = compile(
        {
          step: {
            inputs,
            fn: ({ x }) => ({
              product: tf.matMul(x as tf.Tensor2D, tf.ones([1, 1])),
              convolution: tf.conv2d(tf.reshape(x, [1, 1, 1, 1]) as tf.Tensor4D, tf.ones([1, 1, 1, 1]), 1, 'valid'),
              gradient: tf.grad((t) => tf.sum(tf.matMul(t as tf.Tensor2D, x as tf.Tensor2D)))(tf.ones([1, 1])),
              scaled: tf.mul(x, 2),
              sum: tf.sum(x),
              root: tf.sqrt(tf.square(x)),
            }),
          },
        },
        { precision },
      );
      const results = program.steps.step.values({ x: Float32Array.of(fine) });
      program.dispose();
      return Object.fromEntries(Object.entries(results).map(([name, [value]]) => [name, value]));
    });
    expect(float32).toEqual({
      product: fine,
      convolution: fine,
      gradient: fine,
      scaled: 2 * fine,
      sum: fine,
      root: fine,
    });
    expect(bfloat16).toEqual({ ...float32, product: 1, convolution: 1, gradient: 1 });
  });

  test('adds up in float32: 1,000 ones are 1,000', () => {
    const program = compile(
      { step: { inputs: {}, fn: () => ({ sum: tf.matMul(tf.ones([1, 1000]), tf.ones([1000, 1])) }) } },
      { precision: 'bfloat16' },
    );
    expect(program.steps.step.values({}).sum[0]).toBe(1000);
    program.dispose();
  });

  test('keeps variables and optimizer in float32: steps far below its rounding add up', () => {
    const w = tf.tidy(() => tf.variable(tf.ones([1, 1]), true, 'w'));
    const sgd = createOptimizer({ name: 'sgd', learningRate: 2 ** -15, momentum: 0 }, [{ name: 'w', variable: w }]);
    const program = compile(
      {
        learn: {
          inputs: {},
          fn: () => {
            const { value, grads } = tf.variableGrads(
              () => tf.sum(tf.matMul(tf.ones([1, 1]), w as unknown as tf.Tensor2D)),
              [w],
            );
            value.dispose();
            sgd.applyGradients([grads.w]);
          },
        },
      },
      { precision: 'bfloat16' },
    );
    for (let update = 0; update < 8; update++) program.steps.learn.values({});
    program.pull();
    expect(w.dataSync()[0]).toBe(1 - 2 ** -12);
    program.dispose();
    sgd.dispose();
    w.dispose();
  });
});

const [BATCH, SIZE] = [8, 8];

/** A convolution, a dense layer and a head on a mean squared error. */
function convolutionalLearner(precision: Precision) {
  const variables = [
    makeVariable('conv/kernel', [3, 3, 2, 8], 1),
    makeVariable('conv/bias', [8], 2),
    makeVariable('dense/kernel', [72, 16], 3),
    makeVariable('dense/bias', [16], 4),
    makeVariable('head/kernel', [16, 2], 5),
  ];
  const [w1, b1, w2, b2, w3] = variables.map(({ variable }) => variable as tf.Tensor);
  const optimizer = createOptimizer(
    { name: 'adam', learningRate: 3e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-4 },
    variables,
  );
  const program = compile(
    {
      learn: {
        inputs: {
          images: { shape: [BATCH, SIZE, SIZE, 2], dtype: 'uint8' },
          targets: { shape: [BATCH, 2], dtype: 'float32' },
        },
        fn: ({ images, targets }) => {
          const { value, grads } = tf.variableGrads(
            () => {
              const x = tf.div(tf.cast(images, 'float32'), 255) as tf.Tensor4D;
              const maps = tf.relu(tf.add(tf.conv2d(x, w1 as tf.Tensor4D, 2, 'valid'), b1));
              const hidden = tf.relu(tf.add(tf.matMul(tf.reshape(maps, [BATCH, 72]), w2), b2));
              return tf.losses.meanSquaredError(targets, tf.matMul(hidden, w3));
            },
            variables.map(({ variable }) => variable),
          );
          optimizer.applyGradients(variables.map(({ variable }) => grads[variable.name]));
          return { loss: value };
        },
      },
    },
    { precision },
  );
  return {
    learn: (step: number) =>
      program.steps.learn.values({
        images: bytes(BATCH * SIZE * SIZE * 2, step % 2),
        targets: wave(BATCH * 2, step % 2),
      }).loss,
    dispose() {
      program.dispose();
      tf.dispose([optimizer.slots, variables.map(({ variable }) => variable)]);
    },
  };
}

test('losses in bfloat16 are those in float32 but for its rounding, and training gets as far', () => {
  const before = tf.memory().numTensors;
  const [float32, bfloat16] = PRECISIONS.map(convolutionalLearner);
  const losses = Array.from({ length: 300 }, (_, step) => [float32.learn(step), bfloat16.learn(step)]);
  for (const [expected, actual] of losses.slice(0, 10)) {
    expect(relativeError(actual, expected)).toBeLessThan(10 * ROUNDING);
  }
  // Other numbers they are: it is not float32 that ran.
  expect(losses[0][1]).not.toEqual(losses[0][0]);
  const [first, last] = [losses[0], losses.at(-1)!].map((pair) => pair.map(([loss]) => loss));
  expect(last[0]).toBeLessThan(first[0] / 20);
  expect(last[1]).toBeLessThan(first[1] / 20);
  float32.dispose();
  bfloat16.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test('two runs in bfloat16 give the same bits', () => {
  const [a, b] = [0, 1].map(() => {
    const learner = convolutionalLearner('bfloat16');
    const losses = [0, 1, 2, 3, 4].map((step) => learner.learn(step)[0]);
    learner.dispose();
    return losses;
  });
  expect(a).toEqual(b);
});
