// What the generative models have in common: minibatches of images, a variational bound to raise, pictures to look at.
import * as tf from '@tensorflow/tfjs';
import { Batches } from '../datasets/index.ts';
import { clipByGlobalNorm, createOptimizer, type NamedVariable, type OptimizerConfig } from '../optimizers/index.ts';
import { deriveSeed } from '../random/index.ts';
import { gridPicture, type Picture, scalePicture } from '../report/pictures.ts';
import type { Numbers } from '../runs/events.ts';
import { meansOf } from '../runs/means.ts';
import { compile, type InputSpec, type Precision } from '../runtime/compile/index.ts';
import type { NoiseSeed } from '../runtime/seeded-noise.ts';
import { averagesOverEpochs, withAverages } from './averages.ts';
import type { SupervisedTask } from './task.ts';
import { testBatches } from './test-batches.ts';
import { countParameters, namedTensors } from './variables.ts';

/**
 * A model of images as functions of tensors that draw their noise from a seed; none reads a value but `initialize`.
 * Images are float32 `[batch, height, width, channels]`.
 */
export interface GenerativeModel {
  readonly variables: readonly NamedVariable[];
  /** In nats, `[batch]` each; `objective`, a scalar, is what training raises. */
  bound(
    images: tf.Tensor4D,
    noiseSeed: NoiseSeed,
  ): Record<'bound' | 'reconstruction' | 'kl', tf.Tensor1D> & {
    objective: tf.Scalar;
  };
  /** `[batch]`, from so many samples; where the model knows one. */
  importanceBound?(images: tf.Tensor4D, noiseSeed: NoiseSeed, samples: number): tf.Tensor1D;
  /**
   * Images made up: `[steps, count, height, width, channels]`, the last step their final state; probabilities, or
   * levels of 0 to 255.
   */
  sample(count: number, noiseSeed: NoiseSeed): tf.Tensor5D;
  /** The images by way of the model, likewise without steps; where the model does that. */
  reconstruct?(images: tf.Tensor4D, noiseSeed: NoiseSeed): tf.Tensor4D;
  /** Data-dependent initialisation, where the model has one. */
  initialize?(images: tf.Tensor4D, noiseSeed: NoiseSeed): void;
  dispose(): void;
}

export interface GenerativeOptions {
  seed: number;
  batchSize: number;
  /** The shape of one image: height, width, channels. */
  shape: readonly [number, number, number];
  /** Bytes, one an element: 0 and 1 ('unit'), or levels of 0 to 255. */
  range: 'unit' | 'levels';
  train: Uint8Array;
  test: Uint8Array;
  /** Training images that the model is initialised from; 0: none. */
  initializationExamples: number;
  optimizer: OptimizerConfig;
  /** 0: never clipped. */
  maxGradientNorm: number;
  /** Test with weights averaged over about this many epochs; 0: as they are. */
  polyakEpochs: number;
  precision: Precision;
  importanceSamples?: number | undefined;
  /** A checkpoint's weights come next. */
  restoring: boolean;
  /** Samples also as a sequence of how they came about. */
  showsSteps: boolean;
}

const SHOWN = 64;
const COLUMNS = 8;
/** Decoded at once for an importance-weighted bound. */
const IMPORTANCE_BATCH = 500;

export function generativeTask(model: GenerativeModel, options: GenerativeOptions): SupervisedTask {
  const { seed, shape, train, test, maxGradientNorm, polyakEpochs, importanceSamples } = options;
  const pixels = tf.util.sizeFromShape([...shape]);
  const [trainCount, testCount] = [train.length / pixels, test.length / pixels];
  const batchesOf = (batchSize: number, batchSeed: number) =>
    new Batches({ arrays: { images: train }, count: trainCount, batchSize, seed: batchSeed, lastBatch: 'drop' });
  const size = Math.min(options.batchSize, trainCount);
  const batches = batchesOf(size, deriveSeed(seed, 'batches'));
  if (!options.restoring && options.initializationExamples > 0) {
    const count = Math.min(options.initializationExamples, trainCount);
    const { arrays } = batchesOf(count, deriveSeed(seed, 'initialization')).next();
    tf.tidy(() => {
      const images = tf.tensor4d(arrays.images, [count, ...shape], 'int32').toFloat();
      model.initialize?.(images, tf.tensor1d([deriveSeed(seed, 'initialization noise'), 0], 'int32'));
    });
  }

  const optimizer = createOptimizer(options.optimizer, model.variables);
  const averages = averagesOverEpochs(model.variables, polyakEpochs, batches.batchesPerEpoch);
  const variables = model.variables.map(({ variable }) => variable);
  const testSize = Math.min(100, testCount);
  const shown = Math.min(SHOWN, testCount);
  const importanceSize = Math.min(testCount, Math.max(1, Math.floor(IMPORTANCE_BATCH / (importanceSamples ?? 1))));
  const inputs = (count: number): { images: InputSpec; noiseSeed: InputSpec } => ({
    images: { shape: [count, ...shape], dtype: 'uint8' },
    noiseSeed: { shape: [2], dtype: 'int32' },
  });
  const floats = (images: tf.Tensor) => images.cast('float32') as tf.Tensor4D;

  const program = compile(
    {
      train: {
        inputs: inputs(size),
        fn: ({ images, noiseSeed }) => {
          const kept: Record<string, tf.Scalar> = {};
          const { value: loss, grads } = tf.variableGrads(() => {
            const { objective, ...parts } = model.bound(floats(images), noiseSeed as NoiseSeed);
            for (const [name, values] of Object.entries(parts)) kept[name] = tf.keep(values.mean<tf.Scalar>());
            return tf.neg(objective);
          }, variables);
          let gradients = variables.map(({ name }) => grads[name]);
          if (maxGradientNorm > 0) ({ gradients } = clipByGlobalNorm(gradients, maxGradientNorm));
          optimizer.applyGradients(gradients);
          averages?.update();
          return { loss, ...kept };
        },
      },
      test: {
        inputs: inputs(testSize),
        fn: ({ images, noiseSeed }) => {
          const { bound, reconstruction, kl } = model.bound(floats(images), noiseSeed as NoiseSeed);
          return { bound, reconstruction, kl };
        },
      },
      sample: {
        inputs: { noiseSeed: { shape: [2], dtype: 'int32' } },
        fn: ({ noiseSeed }) => ({ steps: model.sample(SHOWN, noiseSeed as NoiseSeed) }),
      },
      reconstruct: {
        inputs: inputs(shown),
        fn: ({ images, noiseSeed }) => ({
          images: model.reconstruct?.(floats(images), noiseSeed as NoiseSeed) ?? tf.scalar(0),
        }),
      },
      importance: {
        inputs: inputs(importanceSize),
        fn: ({ images, noiseSeed }) => ({
          bound:
            importanceSamples === undefined || !model.importanceBound
              ? tf.scalar(0)
              : model.importanceBound(floats(images), noiseSeed as NoiseSeed, importanceSamples),
        }),
      },
      exchangeAverages: { inputs: {}, fn: () => averages?.swap() },
    },
    { precision: options.precision },
  );
  const own = namedTensors({ network: model.variables, optimizer: optimizer.slots, average: averages?.slots ?? {} });
  const testNoise = deriveSeed(seed, 'test noise');
  const trainNoise = deriveSeed(seed, 'noise');

  const tested = <T>(work: () => T): T => withAverages(averages, () => program.steps.exchangeAverages.run({}), work);
  const testFrom = (start: number, batch: number) => ({
    images: test.subarray(start * pixels, (start + batch) * pixels),
    noiseSeed: Int32Array.from([testNoise, start]),
  });

  return {
    batches,
    variables: own,
    parameters: countParameters(model.variables),
    testExamples: testCount,
    pull: () => program.pull(Object.values(own)),
    push: () => program.push(Object.values(own)),
    update({ arrays }, { updates }) {
      const means = program.steps.train.values({
        images: arrays.images as Uint8Array,
        noiseSeed: Int32Array.from([trainNoise, updates]),
      }) as Record<string, ArrayLike<number>>;
      return Object.fromEntries(Object.entries(means).map(([name, values]) => [name, values[0]]));
    },
    evaluate: ({ onProgress } = {}) =>
      tested(() => {
        const means = meansOf();
        for (const { start, fresh } of testBatches(testCount, testSize, onProgress)) {
          const { bound, reconstruction, kl } = program.steps.test.values(testFrom(start, testSize));
          means.addEach({ testBound: bound, testReconstruction: reconstruction, testKl: kl }, fresh);
        }
        if (importanceSamples !== undefined) {
          for (const { start, fresh } of testBatches(testCount, importanceSize, onProgress)) {
            const { bound } = program.steps.importance.values(testFrom(start, importanceSize));
            means.addEach({ testImportanceBound: bound }, fresh);
          }
        }
        return withBits(means.result(), pixels, options.range);
      }),
    pictures: () =>
      tested(() => {
        const grid = { height: shape[0], width: shape[1], channels: shape[2] as 1 | 3, columns: COLUMNS };
        const show = (images: ArrayLike<number>, count: number): Picture =>
          scalePicture(gridPicture(images, { ...grid, count, range: options.range }), 2);
        const { steps } = program.steps.sample.values({ noiseSeed: Int32Array.from([testNoise, -1]) });
        const frameLength = SHOWN * pixels;
        const numSteps = steps.length / frameLength;
        const frame = (step: number) => steps.subarray(step * frameLength, (step + 1) * frameLength);
        const still: Record<string, Picture> = { samples: show(frame(numSteps - 1), SHOWN) };
        if (model.reconstruct) {
          const images = test.subarray(0, shown * pixels);
          const noiseSeed = Int32Array.from([testNoise, -2]);
          const rebuilt = program.steps.reconstruct.values({ images, noiseSeed }).images;
          still.reconstructions = show(interleaved(images, rebuilt, shown, pixels), 2 * shown);
        }
        if (!options.showsSteps) return { still, moving: {} };
        const frames = Array.from({ length: numSteps }, (_, step) => show(frame(step), SHOWN));
        still.drawing = scalePicture(
          gridPicture(strip(steps, { numSteps, frameLength, pixels }), {
            ...{ ...grid, columns: numSteps },
            ...{ count: numSteps * COLUMNS, range: options.range },
          }),
          2,
        );
        return { still, moving: { drawing: frames } };
      }),
    dispose() {
      program.dispose();
      averages?.dispose();
      optimizer.dispose();
      model.dispose();
    },
  };
}

/** A row of images, then the row of what became of them, and so on. */
function interleaved(
  images: ArrayLike<number>,
  rebuilt: ArrayLike<number>,
  count: number,
  pixels: number,
): Float32Array {
  const all = new Float32Array(2 * count * pixels);
  for (let row = 0, to = 0; row < count; row += COLUMNS) {
    const [from, end] = [row * pixels, Math.min(row + COLUMNS, count) * pixels];
    for (const source of [images, rebuilt]) for (let i = from; i < end; i++) all[to++] = source[i];
  }
  return all;
}

/** For each of the first samples a row with its steps. */
function strip(
  steps: ArrayLike<number>,
  { numSteps, frameLength, pixels }: { numSteps: number; frameLength: number; pixels: number },
): Float32Array {
  const all = new Float32Array(COLUMNS * numSteps * pixels);
  let to = 0;
  for (let sample = 0; sample < COLUMNS; sample++) {
    for (let step = 0; step < numSteps; step++) {
      const from = step * frameLength + sample * pixels;
      for (let i = from; i < from + pixels; i++) all[to++] = steps[i];
    }
  }
  return all;
}

/** Bounds of levels are also told in bits a dimension: -bound/(dimensions ln 2); lower is better. */
function withBits(metrics: Numbers, dimensions: number, range: GenerativeOptions['range']): Numbers {
  if (range !== 'levels') return metrics;
  const bits = (nats: number) => -nats / (dimensions * Math.LN2);
  const { testBound, testImportanceBound } = metrics;
  return {
    ...metrics,
    testBitsPerDimension: bits(testBound),
    ...(testImportanceBound !== undefined && { testImportanceBitsPerDimension: bits(testImportanceBound) }),
  };
}

/** "test bound -98.12 nats (reconstruction 75.10, kl 23.02)" */
export function describeBound(metrics: Numbers): string {
  const { bound, testBound, testReconstruction, testKl, testBitsPerDimension, testImportanceBound } = metrics;
  const nats = (value: number) => value.toFixed(2);
  return [
    ...(bound === undefined ? [] : [`training bound ${nats(bound)} nats`]),
    ...(testBound === undefined
      ? []
      : [`test bound ${nats(testBound)} nats (reconstruction ${nats(testReconstruction)}, KL ${nats(testKl)})`]),
    ...(testImportanceBound === undefined ? [] : [`importance-weighted ${nats(testImportanceBound)} nats`]),
    ...(testBitsPerDimension === undefined ? [] : [`${testBitsPerDimension.toFixed(3)} bits/dimension`]),
  ].join(', ');
}
