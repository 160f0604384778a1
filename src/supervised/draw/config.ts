import { z } from 'zod';
import { choice, number, type Preset, wholeNumber } from '../../settings/index.ts';
import { binarisation } from '../binary-mnist.ts';
import { commonDefaults, commonSettings } from '../settings.ts';

/** Pixels of an image's side. */
const SIDE = 28;

/** Every setting of a run of `--task draw-mnist`. */
export const drawSchema = z.strictObject({
  ...commonSettings,
  normalization: choice('of every weight matrix; each column of each gate has its gain', ['none', 'weight']),
  binarisation,
  steps: wholeNumber('how often the network looks and writes', 'glimpses', 1),
  readSize: wholeNumber("a glimpse's window is so wide and high", 'pixels', 2, SIDE),
  writeSize: wholeNumber("a stroke's window likewise", 'pixels', 2, SIDE),
  units: wholeNumber('of the encoder and of the decoder', 'units', 1),
  latentUnits: wholeNumber('of z in each step', 'units', 1),
  initialStd: number('standard deviation of the initial weights', 'weight units', 1e-6, 10),
  beta1: number('decay of the mean gradient (Adam)', 'factor', 0, 0.999999),
  maxGradientNorm: number('gradients are scaled down to this global norm; 0: never', 'gradient units'),
});
export type DrawSettings = z.infer<typeof drawSchema>;

const paper = {
  ...commonDefaults,
  epochs: 100,
  batchSize: 100,
  learningRate: 3e-4,
  normalization: 'weight',
  binarisation: 'fixed',
  steps: 64,
  readSize: 2,
  writeSize: 5,
  units: 256,
  latentUnits: 100,
  initialStd: 0.01,
  beta1: 0.9,
  maxGradientNorm: 10,
} satisfies DrawSettings;

export const drawPresets: Record<string, Preset<DrawSettings>> = {
  paper: { about: 'section 5.3: 64 glimpses, 256 units, 100 epochs of Adam 0.0003', settings: paper },
  reduced: {
    about: '10 glimpses, 128 units, larger initial weights and rate: minutes on 2 cores',
    settings: {
      ...paper,
      epochs: 6,
      learningRate: 0.003,
      initialStd: 0.1,
      steps: 10,
      readSize: 5,
      units: 128,
      latentUnits: 20,
    },
  },
};
