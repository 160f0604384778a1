import * as tf from '@tensorflow/tfjs';
import { createOptimizer } from '../../src/optimizers/index.ts';
import { compile } from '../../src/runtime/compile/index.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { conv2d, type Normalization } from '../../src/weightnorm/index.ts';
import { inTurn, LEARNING_RATE } from './networks.ts';
import type { Benchmark, Plan, PrepareOptions, Variant } from './plan.ts';
import { timeCalls } from './rounds.ts';

const BATCH_SIZE = 32;
const INPUT_SHAPE: [number, number, number] = [24, 24, 16];
const FILTERS = [32, 64, 64];
const CLASSES = 10;

/** What each costs over `none`, the first. */
const MEASURED: { name: string; normalization: Normalization }[] = [
  { name: 'none', normalization: 'none' },
  { name: 'weight', normalization: 'weight' },
  { name: 'centeredWeight', normalization: 'centered-weight' },
  { name: 'weightStandardization', normalization: 'weight-standardization' },
  { name: 'scaledWeightStandardization', normalization: 'scaled-weight-standardization' },
  { name: 'meanOnlyBatch', normalization: 'mean-only-batch' },
  { name: 'batch', normalization: 'batch' },
  { name: 'layer', normalization: 'layer' },
  { name: 'group', normalization: 'group' },
  { name: 'weightAndMeanOnlyBatch', normalization: 'weight+mean-only-batch' },
];

export const normalizations: Benchmark = {
  about: 'one update of a small convolutional network with each normalization of its convolutions, and with none',
  rounds: 20,
  turnSeconds: 0.1,
  seconds: 45,
  prepare,
};

async function prepare({ note, defer }: PrepareOptions): Promise<Plan> {
  loadTensorFlow();
  note('compiling');
  const nextBatch = batchCycle();
  const variants = MEASURED.map(({ name, normalization }): Variant => {
    const { learn, dispose } = createUpdate(normalization);
    defer(dispose);
    return { name, title: normalization, turn: (turnMs) => timeCalls(() => learn(nextBatch()), turnMs) };
  });
  return {
    work:
      `one update: three 3 x 3 convolutions of ${FILTERS.join(', ')} filters with ReLU, dense, batch ${BATCH_SIZE}, ` +
      'Adam',
    unit: 'ms',
    settings: { batchSize: BATCH_SIZE, inputShape: INPUT_SHAPE, filters: FILTERS, classes: CLASSES },
    variants,
    ratios: MEASURED.slice(1).map(({ name, normalization }) => ({
      name: `${name}OverNone`,
      title: `${normalization} / none`,
      above: name,
      below: 'none',
    })),
  };
}

/**
 * Forward in training mode, backward and Adam, compiled. The output layer is plain in all, as one would have it with
 * statistics of outputs.
 */
function createUpdate(normalization: Normalization) {
  const model = tf.sequential({
    layers: [
      ...FILTERS.map((filters, i) =>
        conv2d({
          ...(i === 0 && { inputShape: INPUT_SHAPE }),
          filters,
          kernelSize: 3,
          activation: 'relu',
          normalization,
          seed: i + 1,
        }),
      ),
      tf.layers.flatten(),
      tf.layers.dense({ units: CLASSES, kernelInitializer: tf.initializers.glorotUniform({ seed: 4 }) }),
    ],
  });
  const named = model.trainableWeights.map((weight) => ({
    name: weight.originalName,
    variable: weight.read() as tf.Variable,
  }));
  const variables = named.map(({ variable }) => variable);
  const optimizer = createOptimizer(
    { name: 'adam', learningRate: LEARNING_RATE, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
    named,
  );
  const program = compile({
    learn: {
      inputs: {
        x: { shape: [BATCH_SIZE, ...INPUT_SHAPE], dtype: 'float32' },
        labels: { shape: [BATCH_SIZE], dtype: 'int32' },
      },
      fn: ({ x, labels }) => {
        const targets = tf.oneHot(labels, CLASSES);
        const { value: loss, grads } = tf.variableGrads(
          () => tf.losses.softmaxCrossEntropy(targets, model.apply(x, { training: true }) as tf.Tensor),
          variables,
        );
        optimizer.applyGradients(variables.map(({ name }) => grads[name]));
        return { loss };
      },
    },
  });
  return {
    learn: (batch: Batch) => program.steps.learn.values(batch).loss[0],
    dispose() {
      program.dispose();
      optimizer.dispose();
      model.dispose();
    },
  };
}

type Batch = { x: Float32Array; labels: Int32Array };

function batchCycle(): () => Batch {
  const size = BATCH_SIZE * INPUT_SHAPE.reduce((product, extent) => product * extent, 1);
  return inTurn((random) => ({
    x: Float32Array.from({ length: size }, () => random.integer(256) / 128 - 1),
    labels: Int32Array.from({ length: BATCH_SIZE }, () => random.integer(CLASSES)),
  }));
}
