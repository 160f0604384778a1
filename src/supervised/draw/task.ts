import type * as tf from '@tensorflow/tfjs';
import { createDraw, drawBound, drawSample } from '../../networks/index.ts';
import { deriveSeed } from '../../random/index.ts';
import { type NoiseSeed, seededNormal } from '../../runtime/seeded-noise.ts';
import { loadBinaryMnist } from '../binary-mnist.ts';
import { describeBound, type GenerativeModel, generativeTask } from '../generative.ts';
import { optimizerConfig } from '../optimizer.ts';
import { taskChangeable } from '../settings.ts';
import type { TaskDefinition } from '../task.ts';
import { widened } from '../widened.ts';
import { type DrawSettings, drawPresets, drawSchema } from './config.ts';

export const drawMnist: TaskDefinition<DrawSettings> = {
  name: 'draw-mnist',
  about: 'DRAW, a recurrent VAE that looks at and writes parts of binarised MNIST (section 5.3)',
  schema: drawSchema,
  presets: drawPresets,
  changeable: [...taskChangeable, 'epochs'],
  hasImportanceBound: false,
  size({ widthMultiplier, units: given, steps, readSize, latentUnits }) {
    const units = given * widthMultiplier;
    return {
      weights: 4 * units * (2 * readSize ** 2 + 3 * units + latentUnits),
      activations: steps * (8 * units + 28 ** 2),
    };
  },
  describe: describeBound,
  async create(config, { note, restoring }) {
    const { learningRate, beta1, steps } = config;
    const { train, test } = await loadBinaryMnist(config);
    if (steps >= 20) note(`compiling ${steps} time steps: about ${Math.round((steps / 64) * 2)} min on 2 cores`);
    return generativeTask(createModel(config), {
      ...config,
      ...{ train, test, restoring },
      shape: [28, 28, 1],
      range: 'unit',
      // Without data-dependent initialisation, as the paper: g = ||v||.
      initializationExamples: 0,
      polyakEpochs: 0,
      optimizer: optimizerConfig({ optimizer: 'adam', learningRate, beta1 }),
      showsSteps: true,
    });
  },
};

function createModel(config: DrawSettings): GenerativeModel {
  const { normalization, initialStd, seed, steps, readSize, writeSize, latentUnits } = config;
  const units = widened(config.widthMultiplier)(config.units);
  const network = createDraw({
    ...{ normalization, initialStd, steps, readSize, writeSize, latentUnits },
    encoderUnits: units,
    decoderUnits: units,
    seed: deriveSeed(seed, 'network'),
  });
  const noiseFor = (count: number, noiseSeed: NoiseSeed) =>
    seededNormal<tf.Rank.R3>([steps, count, latentUnits], noiseSeed);
  return {
    variables: network.variables,
    bound(images, noiseSeed) {
      const [batch, height, width] = images.shape;
      const flat = images.reshape<tf.Tensor3D>([batch, height, width]);
      const parts = drawBound(network, { images: flat, noise: noiseFor(batch, noiseSeed) });
      return { ...parts, objective: parts.bound.mean<tf.Scalar>() };
    },
    sample: (count, noiseSeed) => drawSample(network, { noise: noiseFor(count, noiseSeed) }).expandDims<tf.Tensor5D>(4),
    dispose: () => network.dispose(),
  };
}
