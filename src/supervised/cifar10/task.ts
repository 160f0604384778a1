import * as tf from '@tensorflow/tfjs';
import {
  Batches,
  DEFAULT_DATA_DIR,
  type LabelledImages,
  loadCifar10,
  loadZca,
  Standardise,
} from '../../datasets/index.ts';
import { createOptimizer, learningRateAt } from '../../optimizers/index.ts';
import { deriveSeed } from '../../random/index.ts';
import { gridPicture, scalePicture } from '../../report/pictures.ts';
import type { Numbers } from '../../runs/events.ts';
import { meansOf } from '../../runs/means.ts';
import { compile, type InputSpec } from '../../runtime/compile/index.ts';
import type { NoiseSeed } from '../../runtime/seeded-noise.ts';
import { loadTensorFlow } from '../../runtime/tensorflow.ts';
import { augment, averagedLogits } from '../augmentation.ts';
import { averagesOverEpochs, createSpareValues, STATISTICS_BATCHES, withAverages } from '../averages.ts';
import { optimizerConfig } from '../optimizer.ts';
import { taskChangeable } from '../settings.ts';
import { firstExamples } from '../subset.ts';
import type { Moment, SupervisedTask, TaskCreateOptions, TaskDefinition, TaskEvaluateOptions } from '../task.ts';
import { testBatches } from '../test-batches.ts';
import { countParameters, namedTensors } from '../variables.ts';
import { type Cifar10Settings, cifar10Presets, cifar10Schema } from './config.ts';
import { scores, trainClassifier } from './functions.ts';
import { createClassifier } from './network.ts';

const PIXELS = 32 * 32 * 3;
const SHAPE = [32, 32, 3] as const;
/** Mistakes in the picture, the first of the test set. */
const SHOWN = 64;

export const cifar10: TaskDefinition<Cifar10Settings> = {
  name: 'cifar10',
  about: 'classification of CIFAR-10 (section 5.1), the five arms of its table 1',
  schema: cifar10Schema,
  presets: cifar10Presets,
  changeable: taskChangeable,
  hasImportanceBound: false,
  check({ warmUp, decayStart }) {
    if (warmUp <= decayStart) return undefined;
    const reason = `ends after {decayStart} ${decayStart}`;
    return { key: 'warmUp', value: warmUp, reason, mend: 'give a share of the run that is not larger' };
  },
  checkGiven({ lateBeta1 }, { optimizer, decayStart }) {
    if (lateBeta1 === undefined || (optimizer !== 'sgd' && decayStart < 1)) return undefined;
    const reason = optimizer === 'sgd' ? 'does nothing with {optimizer} sgd' : 'does nothing with {decayStart} 1';
    return { key: 'lateBeta1', value: lateBeta1, reason, mend: 'leave it out' };
  },
  size({ widthMultiplier }) {
    const [narrow, wide] = [96 * widthMultiplier, 192 * widthMultiplier];
    return {
      weights: 9 * (2 * narrow ** 2 + narrow * wide + 3 * wide ** 2),
      activations: 32 ** 2 * 3 * narrow + 16 ** 2 * 3 * wide,
    };
  },
  create: createCifar10,
  describe: ({ error, testError }) =>
    [
      ...(error === undefined ? [] : [`training error ${percent(error)}`]),
      ...(testError === undefined ? [] : [`test error ${percent(testError)}`]),
    ].join(', '),
};

async function createCifar10(config: Cifar10Settings, { note, restoring }: TaskCreateOptions): Promise<SupervisedTask> {
  const { batchSize, seed, initializationExamples } = config;
  const dataDir = config.dataDir ?? DEFAULT_DATA_DIR;
  const data = await loadCifar10({ dataDir });
  const train = firstExamples(data.train, PIXELS, config.trainExamples);
  const test = firstExamples(data.test, PIXELS, config.testExamples);
  const whitening =
    config.preprocessing === 'standardise'
      ? new Standardise(train.images, 3)
      : await loadZca({
          images: data.train.images, // all of them, whatever is used
          size: PIXELS,
          cacheDir: dataDir,
          onProgress: note,
          splitFactors: loadTensorFlow().usesGpu,
        });
  const batchesOf = (size: number, batchSeed: number) =>
    new Batches({
      arrays: { images: train.images, labels: Int32Array.from(train.labels) },
      count: train.labels.length,
      batchSize: size,
      seed: batchSeed,
      lastBatch: 'drop',
    });
  const batches = batchesOf(Math.min(batchSize, train.labels.length), deriveSeed(seed, 'batches'));

  const classifier = createClassifier(config);
  if (!restoring && initializationExamples > 0) {
    const count = Math.min(initializationExamples, train.labels.length);
    const { arrays } = batchesOf(count, deriveSeed(seed, 'initialization')).next();
    const images = whitening.whiten(tf.tensor4d(arrays.images, [count, ...SHAPE], 'int32'));
    tf.tidy(() => classifier.initialize(images, tf.tensor1d([deriveSeed(seed, 'initialization noise'), 0], 'int32')));
    images.dispose();
  }
  const statisticsBatches = () => batchesOf(batches.getState().batchSize, deriveSeed(seed, 'statistics'));
  return assembleCifar10(config, { classifier, whitening, batches, statisticsBatches, test });
}

type Parts = {
  classifier: ReturnType<typeof createClassifier>;
  whitening: Pick<Standardise, 'whiten' | 'dispose'>;
  batches: Batches<'images' | 'labels'>;
  /** Batches as those that are trained, the same ones at each call: statistics of averaged weights come from them. */
  statisticsBatches(): Batches<'images' | 'labels'>;
  test: LabelledImages;
};

/** The task of its parts, which it disposes of. */
export function assembleCifar10(
  config: Cifar10Settings,
  { classifier, whitening, batches, statisticsBatches, test }: Parts,
): SupervisedTask {
  const { seed, labelSmoothing, translatePixels, flip, averageEpochs, testTimeAveraging, lateBeta1 } = config;
  const optimizer = createOptimizer(optimizerConfig(config), classifier.trainable);
  const averages = averagesOverEpochs(classifier.trainable, averageEpochs, batches.batchesPerEpoch);
  const statistics = classifier.variables
    .map(({ variable }) => variable)
    .filter((variable) => !classifier.trainable.some((trained) => trained.variable === variable));
  const spare = averages && statistics.length > 0 ? createSpareValues(statistics) : undefined;
  const size = batches.getState().batchSize;
  const imagesSpec = (batch: number): InputSpec => ({ shape: [batch, ...SHAPE], dtype: 'uint8' });
  const labelsSpec = (batch: number): InputSpec => ({ shape: [batch], dtype: 'int32' });
  const scalar: InputSpec = { shape: [], dtype: 'float32' };
  const testSize = Math.min(250, test.labels.length);
  const program = compile(
    {
      train: {
        inputs: {
          images: imagesSpec(size),
          labels: labelsSpec(size),
          noiseSeed: { shape: [2], dtype: 'int32' },
          learningRate: scalar,
          beta1: scalar,
        },
        fn: ({ images, labels, noiseSeed, learningRate, beta1 }) => {
          const batch = {
            images: whitening.whiten(images as tf.Tensor4D),
            labels: labels as tf.Tensor1D,
            noiseSeed: noiseSeed as NoiseSeed,
          };
          const result = trainClassifier(classifier, optimizer, batch, {
            learningRate: learningRate as tf.Scalar,
            beta1: config.optimizer === 'sgd' ? undefined : (beta1 as tf.Scalar),
            smoothing: labelSmoothing,
          });
          averages?.update();
          return result;
        },
      },
      test: {
        inputs: { images: imagesSpec(testSize), labels: labelsSpec(testSize) },
        fn: ({ images, labels }) => {
          const views = { flips: testTimeAveraging, translations: testTimeAveraging };
          const logits = averagedLogits(classifier.model, whitening.whiten(images as tf.Tensor4D), views);
          return { ...scores(logits, labels as tf.Tensor1D) };
        },
      },
      exchangeAverages: {
        inputs: {},
        fn: () => {
          averages?.swap();
          spare?.swap();
        },
      },
      estimate: {
        inputs: { images: imagesSpec(size), noiseSeed: { shape: [2], dtype: 'int32' }, momentum: scalar },
        fn: ({ images, noiseSeed, momentum }) => {
          if (!spare) return;
          const whitened = whitening.whiten(images as tf.Tensor4D);
          classifier.trainingLogits(whitened, noiseSeed as NoiseSeed, momentum as tf.Scalar);
        },
      },
    },
    { precision: config.precision },
  );
  const noiseSeed = deriveSeed(seed, 'noise');
  const statisticsNoise = deriveSeed(seed, 'statistics noise');
  const variables = namedTensors({
    network: classifier.variables,
    optimizer: optimizer.slots,
    average: averages?.slots ?? {},
  });
  const own = Object.values(variables);

  const augmented = (images: Uint8Array, epoch: number, batchIndex: number) => {
    if (translatePixels === 0 && flip === 'none') return;
    augment(images, { height: 32, width: 32, channels: 3, translatePixels, flip, seed, epoch, batchIndex });
  };
  /** The statistics of the present weights, as means over batches: the running ones are of weights before. */
  const estimateStatistics = () => {
    if (!spare) return;
    const drawn = statisticsBatches();
    const count = Math.min(STATISTICS_BATCHES, drawn.batchesPerEpoch);
    for (let batch = 0; batch < count; batch++) {
      const { images } = drawn.next().arrays as { images: Uint8Array };
      augmented(images, 0, batch);
      program.steps.estimate.run({
        images,
        noiseSeed: Int32Array.from([statisticsNoise, batch]),
        momentum: batch / (batch + 1),
      });
    }
  };
  const tested = <T>(work: () => T): T =>
    withAverages(
      averages,
      () => program.steps.exchangeAverages.run({}),
      () => {
        estimateStatistics();
        return work();
      },
    );
  const testFrom = (start: number) =>
    program.steps.test.values({
      images: test.images.subarray(start * PIXELS, (start + testSize) * PIXELS),
      labels: Int32Array.from(test.labels.subarray(start, start + testSize)),
    });

  return {
    batches,
    variables,
    parameters: countParameters(classifier.trainable),
    testExamples: test.labels.length,
    pull: () => program.pull(own),
    push: () => program.push(own),
    update({ arrays, epoch, index }, { updates, totalUpdates }: Moment): Numbers {
      const progress = updates / totalUpdates;
      const { images, labels } = arrays as { images: Uint8Array; labels: Int32Array };
      augmented(images, epoch, index);
      const { loss, error } = program.steps.train.values({
        images,
        labels,
        noiseSeed: Int32Array.from([noiseSeed, updates]),
        learningRate: learningRateAt(progress, config),
        beta1: progress >= config.decayStart ? lateBeta1 : config.beta1,
      });
      return { loss: loss[0], error: error[0] };
    },
    evaluate: ({ onProgress }: TaskEvaluateOptions = {}): Numbers =>
      tested(() => {
        const means = meansOf();
        for (const { start, fresh } of testBatches(test.labels.length, testSize, onProgress)) {
          const { losses, errors } = testFrom(start);
          means.addEach({ testLoss: losses, testError: errors }, fresh);
        }
        return means.result();
      }),
    pictures() {
      const mistakes: number[] = [];
      tested(() => {
        for (const { start, fresh } of testBatches(test.labels.length, testSize)) {
          const { errors } = testFrom(start);
          for (let i = fresh; i < testSize; i++) if (errors[i] === 1) mistakes.push(start + i);
          if (mistakes.length >= SHOWN) break;
        }
      });
      const shown = mistakes.slice(0, SHOWN);
      const images = shown.map((i) => test.images.subarray(i * PIXELS, (i + 1) * PIXELS));
      if (shown.length === 0) return { still: {}, moving: {} };
      const grid = { count: shown.length, height: 32, width: 32, channels: 3, columns: 8, range: 'levels' } as const;
      return { still: { mistakes: scalePicture(gridPicture(joined(images), grid), 2) }, moving: {} };
    },
    dispose() {
      program.dispose();
      averages?.dispose();
      spare?.dispose();
      optimizer.dispose();
      classifier.dispose();
      whitening.dispose();
    },
  };
}

function joined(images: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(images.length * PIXELS);
  images.forEach((image, i) => {
    all.set(image, i * PIXELS);
  });
  return all;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
