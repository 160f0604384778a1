import { z } from 'zod';
import { DEFAULT_DATA_DIR } from '../../datasets/index.ts';
import { choice, flag, number, type Preset, sizes, wholeNumber } from '../../settings/index.ts';
import { binarisation } from '../binary-mnist.ts';
import { commonDefaults, commonSettings, optimizer } from '../settings.ts';

const vaeSettings = {
  ...commonSettings,
  normalization: choice('of every layer, the flow included', ['none', 'weight']),
  initializationExamples: wholeNumber(
    'data-dependent initialisation on so many training images (section 3); 0: none',
    'count',
  ),
  optimizer,
  maxGradientNorm: number('gradients are scaled down to this global norm; 0: never', 'gradient units'),
  freeBits: number('of the KL divergence each unit (MNIST) or map (CIFAR-10) of z may carry for free', 'nats'),
  polyakEpochs: number('test with weights averaged over about this many last epochs; 0: as they are', 'epochs'),
};

/** Every setting of a run of `--task vae-mnist`. */
export const vaeMnistSchema = z.strictObject({
  ...vaeSettings,
  binarisation,
  maps: sizes('feature maps of each sequence of residual blocks', 'maps'),
  blocks: wholeNumber('residual blocks in a sequence', 'count', 1),
  denseUnits: wholeNumber('of the dense layers between convolutions and z', 'units', 1),
  latentUnits: wholeNumber('of z', 'units', 1),
  flowSteps: wholeNumber('of inverse autoregressive flow; 0: a Gaussian posterior', 'count'),
  flowUnits: wholeNumber("hidden units of each step's network", 'units', 1),
});
export type VaeMnistSettings = z.infer<typeof vaeMnistSchema>;

const paper = {
  ...commonDefaults,
  epochs: 300,
  batchSize: 100,
  learningRate: 0.002,
  normalization: 'weight',
  initializationExamples: 500,
  optimizer: 'adamax',
  maxGradientNorm: 0,
  freeBits: 0,
  polyakEpochs: 10,
  binarisation: 'fixed',
  maps: [16, 32, 32],
  blocks: 2,
  denseUnits: 450,
  latentUnits: 32,
  flowSteps: 2,
  flowUnits: 320,
} satisfies VaeMnistSettings;

export const vaeMnistPresets: Record<string, Preset<VaeMnistSettings>> = {
  paper: { about: 'section 5.2: 3 sequences of 2 residual blocks, 300 epochs of Adamax 0.002', settings: paper },
  reduced: {
    about: 'a quarter of the maps, one block a sequence, 8 epochs: minutes on 2 cores',
    settings: {
      ...paper,
      epochs: 8,
      maps: [4, 8, 8],
      blocks: 1,
      denseUnits: 112,
      latentUnits: 16,
      flowSteps: 1,
      flowUnits: 80,
      polyakEpochs: 1,
    },
  },
};

/** Every setting of a run of `--task vae-cifar10`. */
export const vaeCifar10Schema = z.strictObject({
  ...vaeSettings,
  hiddenMaps: wholeNumber('feature maps everywhere but in z', 'maps', 1),
  latentMaps: wholeNumber('feature maps of each z', 'maps', 1),
  levels: sizes('stochastic layers of each resolution, from 16 x 16 down', 'layers'),
  flow: flag('a step of inverse autoregressive flow in each posterior'),
});
export type VaeCifar10Settings = z.infer<typeof vaeCifar10Schema>;

const paperCifar10 = {
  ...commonDefaults,
  dataDir: DEFAULT_DATA_DIR,
  epochs: 450,
  batchSize: 32,
  learningRate: 0.002,
  normalization: 'weight',
  initializationExamples: 100,
  optimizer: 'adamax',
  maxGradientNorm: 0,
  freeBits: 0.25,
  polyakEpochs: 10,
  hiddenMaps: 64,
  latentMaps: 32,
  levels: [2, 2],
  flow: true,
} satisfies VaeCifar10Settings;

export const vaeCifar10Presets: Record<string, Preset<VaeCifar10Settings>> = {
  paper: {
    about: 'section 5.2: residual layers with a z of their own, 450 epochs of Adamax 0.002',
    settings: paperCifar10,
  },
  reduced: {
    about: 'a quarter of the maps, one layer a resolution, 5 epochs: for 2 cores',
    settings: { ...paperCifar10, epochs: 5, hiddenMaps: 16, latentMaps: 8, levels: [1, 1], polyakEpochs: 1 },
  },
};
