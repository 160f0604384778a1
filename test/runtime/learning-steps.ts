import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import {
  clipByGlobalNorm,
  createOptimizer,
  type NamedVariable,
  type Optimizer,
  type OptimizerConfig,
} from '../../src/optimizers/index.ts';
import type { InputValue, StepDefinition, TypedArray } from '../../src/runtime/compile/index.ts';

/** Why tests of bfloat16 are left out where a processor with AVX-512 is held to older instructions. */
export const NO_BFLOAT16 = 'oneDNN is held to instructions without bfloat16: unset ONEDNN_MAX_CPU_ISA';

/** Learning steps in plain tfjs, each made twice with the same numbers: once to compile, once to run op by op. */
export interface Learner {
  readonly variables: readonly NamedVariable[];
  readonly optimizer: Optimizer;
  readonly learn: StepDefinition;
  batch(step: number): Record<string, InputValue>;
  dispose(): void;
}

/** Repeatable numbers in (-1, 1). */
export function wave(length: number, phase: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9898 + phase * 78.233));
}

export function bytes(length: number, phase: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + phase * 17 + ((i * i) % 251)) % 256);
}

/** |actual - expected| / |expected| in the L2 norm; 0 for two zeros. */
export function relativeError(actual: TypedArray, expected: TypedArray): number {
  expect(actual.length).toBe(expected.length);
  let difference = 0;
  let norm = 0;
  actual.forEach((value, i) => {
    difference += (value - expected[i]) ** 2;
    norm += expected[i] ** 2;
  });
  return difference === 0 ? 0 : Math.sqrt(difference / norm);
}

export function makeVariable(name: string, shape: number[], phase: number): NamedVariable {
  const scale = Math.sqrt(2 / shape.slice(0, -1).reduce((product, size) => product * size, 1));
  const size = tf.util.sizeFromShape(shape);
  return {
    name,
    variable: tf.tidy(() => tf.variable(tf.mul(tf.tensor(wave(size, phase), shape), shape.length > 1 ? scale : 0))),
  };
}

/** A two-layer perceptron on a mean squared error, gradients clipped, the learning rate an input. */
export function mlpLearner(config: OptimizerConfig, batchSize = 16): Learner {
  const variables = [
    makeVariable('hidden/kernel', [6, 24], 1),
    makeVariable('hidden/bias', [24], 2),
    makeVariable('head/kernel', [24, 3], 3),
    makeVariable('head/bias', [3], 4),
  ];
  const [w1, b1, w2, b2] = variables.map(({ variable }) => variable);
  const optimizer = createOptimizer(config, variables);
  return {
    variables,
    optimizer,
    learn: {
      inputs: {
        x: { shape: [batchSize, 6], dtype: 'float32' },
        y: { shape: [batchSize, 3], dtype: 'float32' },
        learningRate: { shape: [], dtype: 'float32' },
      },
      fn: ({ x, y, learningRate }) => {
        const { value, gradients } = gradientsOf(variables, () => {
          const hidden = tf.tanh(tf.add(tf.matMul(x, w1 as unknown as tf.Tensor2D), b1)) as tf.Tensor2D;
          return tf.losses.meanSquaredError(y, tf.add(tf.matMul(hidden, w2 as unknown as tf.Tensor2D), b2));
        });
        const clipped = clipByGlobalNorm(gradients, 0.5);
        optimizer.applyGradients(clipped.gradients, learningRate as tf.Scalar);
        return { loss: value, norm: clipped.norm };
      },
    },
    batch: (step) => ({
      x: wave(batchSize * 6, step),
      y: wave(batchSize * 3, step + 100),
      learningRate: config.learningRate / (1 + step),
    }),
    dispose: () => tf.dispose([optimizer.slots, variables.map(({ variable }) => variable)]),
  };
}

export interface QLearner extends Learner {
  readonly target: readonly NamedVariable[];
  readonly act: StepDefinition;
  readonly sync: StepDefinition;
  /** The target network's Q-values. */
  readonly actWithTarget: StepDefinition;
}

const NUM_ACTIONS = 6;

/** Q-learning with the network of Mnih et al. 2015: uint8 frames, Huber loss, target network. */
export function natureLearner(config: OptimizerConfig, batchSize: number): QLearner {
  const shapes: [string, number[]][] = [
    ['conv1/kernel', [8, 8, 4, 32]],
    ['conv1/bias', [32]],
    ['conv2/kernel', [4, 4, 32, 64]],
    ['conv2/bias', [64]],
    ['conv3/kernel', [3, 3, 64, 64]],
    ['conv3/bias', [64]],
    ['dense/kernel', [3136, 512]],
    ['dense/bias', [512]],
    ['head/kernel', [512, NUM_ACTIONS]],
    ['head/bias', [NUM_ACTIONS]],
  ];
  const online = shapes.map(([name, shape], i) => makeVariable(name, shape, i));
  // Shares the online network's memory until the first update.
  const target = online.map(({ name, variable }) => ({ name, variable: tf.variable(variable, false) }));
  const optimizer = createOptimizer(config, online);
  const frames = { shape: [batchSize, 84, 84, 4], dtype: 'uint8' } as const;
  const vector = { shape: [batchSize], dtype: 'float32' } as const;
  return {
    variables: online,
    target,
    optimizer,
    act: { inputs: { frames }, fn: ({ frames }) => ({ qValues: qValues(online, frames) }) },
    actWithTarget: { inputs: { frames }, fn: ({ frames }) => ({ qValues: qValues(target, frames) }) },
    learn: {
      inputs: {
        frames,
        nextFrames: frames,
        actions: { shape: [batchSize], dtype: 'int32' },
        rewards: vector,
        discounts: vector,
      },
      fn: ({ frames, nextFrames, actions, rewards, discounts }) => {
        const targets = tf.add(rewards, tf.mul(discounts, tf.max(qValues(target, nextFrames), 1)));
        let tdErrors: tf.Tensor = targets;
        const { value, gradients } = gradientsOf(online, () => {
          const chosen = tf.sum(tf.mul(qValues(online, frames), tf.oneHot(tf.cast(actions, 'int32'), NUM_ACTIONS)), 1);
          tdErrors = tf.keep(tf.sub(targets, chosen));
          return tf.losses.huberLoss(targets, chosen) as tf.Scalar;
        });
        optimizer.applyGradients(gradients);
        return { loss: value, tdErrors };
      },
    },
    sync: {
      inputs: {},
      fn: () => {
        target.forEach(({ variable }, i) => {
          variable.assign(online[i].variable);
        });
      },
    },
    batch: (step) => ({
      frames: bytes(batchSize * 84 * 84 * 4, step),
      nextFrames: bytes(batchSize * 84 * 84 * 4, step + 1),
      actions: Int32Array.from({ length: batchSize }, (_, i) => (i + step) % NUM_ACTIONS),
      rewards: wave(batchSize, step),
      discounts: new Float32Array(batchSize).fill(0.99),
    }),
    dispose: () => tf.dispose([optimizer.slots, [...online, ...target].map(({ variable }) => variable)]),
  };
}

function qValues(network: readonly NamedVariable[], frames: tf.Tensor): tf.Tensor {
  const weights = network.map(({ variable }) => variable as tf.Tensor);
  let x = tf.div(tf.cast(frames, 'float32'), 255);
  for (const [layer, stride] of [4, 2, 1].entries()) {
    x = tf.relu(
      tf.add(tf.conv2d(x as tf.Tensor4D, weights[2 * layer] as tf.Tensor4D, stride, 'valid'), weights[2 * layer + 1]),
    );
  }
  x = tf.relu(tf.add(tf.matMul(tf.reshape(x, [frames.shape[0], 3136]), weights[6]), weights[7]));
  return tf.add(tf.matMul(x, weights[8]), weights[9]);
}

function gradientsOf(
  variables: readonly NamedVariable[],
  loss: () => tf.Scalar,
): { value: tf.Scalar; gradients: tf.Tensor[] } {
  const { value, grads } = tf.variableGrads(
    loss,
    variables.map(({ variable }) => variable),
  );
  return { value, gradients: variables.map(({ variable }) => grads[variable.name]) };
}
