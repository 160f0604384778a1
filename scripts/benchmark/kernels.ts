import * as tf from '@tensorflow/tfjs';
import { createOptimizer } from '../../src/optimizers/index.ts';
import { compile, type StepDefinitions } from '../../src/runtime/compile/index.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { unitNorms } from '../../src/weightnorm/index.ts';
import { compileMatrixProduct, MATRIX_PRODUCT_FLOPS, MATRIX_SIZE } from './matrix-product.ts';
import type { Benchmark, Plan, PrepareOptions, Variant } from './plan.ts';
import { timeCalls } from './rounds.ts';

const BATCH = 32;

/**
 * Nature's convolutions on 84 x 84 x 4: input [size, size, inputs], kernel [kernel, kernel, inputs, units], output
 * [outputs, outputs, units].
 */
const CONVOLUTIONS = [
  { name: 'conv1', size: 84, inputs: 4, kernel: 8, strides: 4, outputs: 20, units: 32 },
  { name: 'conv2', size: 20, inputs: 32, kernel: 4, strides: 2, outputs: 9, units: 64 },
  { name: 'conv3', size: 9, inputs: 64, kernel: 3, strides: 1, outputs: 7, units: 64 },
];
const DENSE = { inputs: 3136, units: 512 };

/** One operation of the update. */
interface Kernel {
  name: string;
  title: string;
  /** How often an update without weight norm runs it; 0 for what weight norm alone needs. */
  timesAnUpdate: number;
  /** Floating-point operations of one run, a multiply-add counted as two; 0 for work that is bound by memory. */
  flops: number;
  fn: () => tf.Tensor;
}

export const kernels: Benchmark = {
  about: 'the operations of an update one by one: how near each comes to the matrix peak, and what they add up to',
  rounds: 20,
  turnSeconds: 0.05,
  seconds: 40,
  prepare,
};

async function prepare({ note, defer }: PrepareOptions): Promise<Plan> {
  loadTensorFlow();
  note('compiling');
  let seed = 1;
  // Variables, so that TensorFlow knows no value when it optimises the graph.
  const random = (...shape: number[]) =>
    tf.tidy(() => tf.variable(tf.randomUniform(shape, -1, 1, 'float32', seed++), false));
  const list: Kernel[] = [...CONVOLUTIONS.flatMap((shape) => convolution(shape, random)), ...dense(random)];
  const multiply = compileMatrixProduct(defer);

  // One element leaves the graph, so that no result is copied.
  const corner = (t: tf.Tensor) =>
    t.slice(
      t.shape.map(() => 0),
      t.shape.map(() => 1),
    );
  const steps: StepDefinitions = Object.fromEntries(
    list.map(({ name, fn }) => [name, { inputs: {}, fn: () => ({ corner: corner(fn()) }) }]),
  );
  const program = compile(steps);
  defer(() => program.dispose());
  defer(() => tf.disposeVariables());

  const variant = (name: string, title: string, call: () => void): Variant => ({
    name,
    title,
    turn: (turnMs) => timeCalls(call, turnMs),
  });
  return {
    work: `one run of each operation of the Nature network's update, batch ${BATCH}, float32`,
    unit: 'us',
    settings: { batchSize: BATCH, matrixSize: MATRIX_SIZE },
    variants: [
      ...list.map(({ name, title, timesAnUpdate }) =>
        variant(name, timesAnUpdate > 0 ? `${title} (${timesAnUpdate} x)` : title, () =>
          program.steps[name].values({}),
        ),
      ),
      variant('matrixProduct', `matrix product ${MATRIX_SIZE} x ${MATRIX_SIZE}: the peak`, multiply),
    ],
    ratios: [],
    figures(medianMs) {
      const peak = MATRIX_PRODUCT_FLOPS / medianMs.matrixProduct; // FLOP a ms
      const shares = list
        .filter(({ flops }) => flops > 0)
        .map(({ name, flops }) => [`${name}PercentOfPeak`, (100 * flops) / medianMs[name] / peak]);
      const sum = (count: (kernel: Kernel) => number) =>
        list.reduce((total, kernel) => total + kernel.timesAnUpdate * count(kernel), 0);
      const sumMilliseconds = sum(({ name }) => medianMs[name]);
      const floorMilliseconds = sum(({ flops }) => flops) / peak;
      return {
        ...Object.fromEntries(shares),
        matrixPeakGflopPerSecond: peak / 1e6,
        floorMilliseconds,
        sumMilliseconds,
        sumOverFloor: sumMilliseconds / floorMilliseconds,
      };
    },
  };
}

type RandomVariable = (...shape: number[]) => tf.Variable;

function convolution(
  { name, size, inputs, kernel, strides, outputs, units }: (typeof CONVOLUTIONS)[number],
  random: RandomVariable,
): Kernel[] {
  const x = random(BATCH, size, size, inputs);
  const filter = random(kernel, kernel, inputs, units);
  const dy = random(BATCH, outputs, outputs, units);
  const flops = 2 * BATCH * outputs * outputs * units * kernel * kernel * inputs;
  const attributes = { strides, pad: 'valid', dataFormat: 'NHWC' };
  const run = (op: string, tensors: object, more: object = {}) =>
    tf.engine().runKernel(op, tensors as tf.NamedTensorMap, { ...attributes, ...more }) as tf.Tensor;
  const forward: Kernel = {
    name: `${name}Forward`,
    title: `${name}, forward`,
    timesAnUpdate: 2, // online and target network
    flops,
    fn: () => run('Conv2D', { x, filter }, { dilations: 1 }),
  };
  const kernelGradient: Kernel = {
    name: `${name}KernelGradient`,
    title: `${name}, gradient of the kernel`,
    timesAnUpdate: 1,
    flops,
    fn: () => run('Conv2DBackpropFilter', { x, dy }, { filterShape: filter.shape }),
  };
  const inputGradient: Kernel = {
    name: `${name}InputGradient`,
    title: `${name}, gradient of the input`,
    timesAnUpdate: 1,
    flops,
    fn: () => run('Conv2DBackpropInput', { dy, filter }, { inputShape: x.shape }),
  };
  // Pixels need no gradient.
  return name === 'conv1' ? [forward, kernelGradient] : [forward, kernelGradient, inputGradient];
}

function dense(random: RandomVariable): Kernel[] {
  const { inputs, units } = DENSE;
  const [x, kernel, dy, gradient, perUnit] = [
    random(BATCH, inputs),
    random(inputs, units),
    random(BATCH, units),
    random(inputs, units),
    random(units),
  ] as tf.Variable<tf.Rank.R2>[];
  const flops = 2 * BATCH * inputs * units;
  const optimizer = createOptimizer({ name: 'adam', learningRate: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }, [
    { name: 'kernel', variable: kernel },
  ]);
  return [
    { name: 'denseForward', title: 'dense, forward', timesAnUpdate: 2, flops, fn: () => tf.matMul(x, kernel) },
    {
      name: 'denseKernelGradient',
      title: 'dense, gradient of the kernel',
      timesAnUpdate: 1,
      flops,
      fn: () => tf.matMul(x, dy, true),
    },
    {
      name: 'denseInputGradient',
      title: 'dense, gradient of the input',
      timesAnUpdate: 1,
      flops,
      fn: () => tf.matMul(dy, kernel, false, true),
    },
    {
      name: 'adam',
      title: `Adam over the dense layer's ${inputs * units} weights`,
      timesAnUpdate: 1,
      flops: 0,
      fn: () => {
        optimizer.applyGradients([gradient]);
        return perUnit;
      },
    },
    {
      name: 'norm',
      title: 'weight norm alone: ||v|| of the dense layer',
      timesAnUpdate: 0,
      flops: 0,
      fn: () => unitNorms(kernel),
    },
    {
      name: 'alongV',
      title: "weight norm alone: the dense gradient's part along v",
      timesAnUpdate: 0,
      flops: 0,
      fn: () => tf.add(gradient, tf.mul(kernel, perUnit)),
    },
  ];
}
