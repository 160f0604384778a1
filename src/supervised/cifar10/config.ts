import { z } from 'zod';
import { DEFAULT_DATA_DIR } from '../../datasets/index.ts';
import { choice, flag, number, type Preset, wholeNumber } from '../../settings/index.ts';
import { commonDefaults, commonSettings, optimizer } from '../settings.ts';

/** Every setting of a run of `--task cifar10`. */
export const cifar10Schema = z.strictObject({
  ...commonSettings,
  preprocessing: choice(
    'zca: whitened pixels, fitted once in about a minute; standardise: channels of mean 0 and deviation 1, for ' +
      'less work an image',
    ['zca', 'standardise'],
  ),
  network: choice("convpool-cnn-c: the paper's; fast-cnn: fewer products an image, for --recipe modern", [
    'convpool-cnn-c',
    'fast-cnn',
  ]),
  normalization: choice('of every layer (VAEs and DRAW: none and weight alone)', [
    'none',
    'weight',
    'batch',
    'mean-only-batch',
    'weight+mean-only-batch',
  ]),
  initializationExamples: wholeNumber(
    'data-dependent initialisation on so many training images (section 3); 0: none',
    'count',
  ),
  optimizer,
  beta1: number('decay of the mean gradient (adam, adamax), or momentum (sgd)', 'factor', 0, 0.999999),
  lateBeta1: number('decay of the mean gradient once the learning rate falls (adam, adamax)', 'factor', 0, 0.999999),
  warmUp: number('the learning rate rises from 0 during this share of the run', 'share', 0, 1),
  decayStart: number('the learning rate falls linearly to 0 from this share of the run on', 'share', 0, 1),
  labelSmoothing: number('share of the target spread over all classes', 'share', 0, 0.999),
  translatePixels: wholeNumber('training images are shifted by up to this much each way', 'pixels'),
  flip: choice('training images are mirrored left to right', ['none', 'random', 'alternating']),
  averageEpochs: number(
    'test with weights averaged over about this many last epochs (Polyak); 0: as they are',
    'epochs',
    0,
  ),
  testTimeAveraging: flag('test with logits averaged over mirrored and shifted images'),
});

export type Cifar10Settings = z.infer<typeof cifar10Schema>;

const paper = {
  ...commonDefaults,
  dataDir: DEFAULT_DATA_DIR,
  epochs: 200,
  batchSize: 100,
  preprocessing: 'zca',
  network: 'convpool-cnn-c',
  normalization: 'weight',
  learningRate: 0.003,
  initializationExamples: 500,
  optimizer: 'adam',
  beta1: 0.9,
  lateBeta1: 0.5,
  warmUp: 0,
  decayStart: 0.5,
  labelSmoothing: 0,
  translatePixels: 0,
  flip: 'none',
  averageEpochs: 0,
  testTimeAveraging: false,
} satisfies Cifar10Settings;

/** The paper's learning rate of the plain network, which takes no larger one. */
export const PLAIN_LEARNING_RATE = 0.0003;

export const cifar10Presets: Record<string, Preset<Cifar10Settings>> = {
  paper: {
    about: `section 5.1: 200 epochs, Adam 0.003 (${PLAIN_LEARNING_RATE} with --normalization none), no augmentation`,
    settings: paper,
    adjust: ({ normalization }) => (normalization === 'none' ? { learningRate: PLAIN_LEARNING_RATE } : {}),
  },
  modern: {
    about: 'accuracy per minute: a smaller network, augmentation, label smoothing, averaged weights and test images',
    settings: {
      ...paper,
      epochs: 20,
      batchSize: 125,
      preprocessing: 'standardise',
      network: 'fast-cnn',
      normalization: 'weight+mean-only-batch',
      learningRate: 0.01,
      widthMultiplier: 0.5,
      warmUp: 0.2,
      decayStart: 0.2,
      lateBeta1: 0.9,
      labelSmoothing: 0.2,
      translatePixels: 2,
      flip: 'alternating',
      averageEpochs: 1,
      testTimeAveraging: true,
    },
  },
};
