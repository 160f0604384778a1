import * as tf from '@tensorflow/tfjs';
import {
  createVae,
  initializeVae,
  vaeBound,
  vaeImportanceBound,
  vaeReconstruct,
  vaeSample,
} from '../../networks/index.ts';
import { deriveSeed } from '../../random/index.ts';
import { seededNormal } from '../../runtime/seeded-noise.ts';
import { loadBinaryMnist } from '../binary-mnist.ts';
import { describeBound, type GenerativeModel, generativeTask } from '../generative.ts';
import { optimizerConfig } from '../optimizer.ts';
import { taskChangeable } from '../settings.ts';
import type { TaskDefinition } from '../task.ts';
import { widened } from '../widened.ts';
import { type VaeMnistSettings, vaeMnistPresets, vaeMnistSchema } from './config.ts';

export const vaeMnist: TaskDefinition<VaeMnistSettings> = {
  name: 'vae-mnist',
  about: 'a convolutional VAE with inverse autoregressive flow of binarised MNIST (section 5.2)',
  schema: vaeMnistSchema,
  presets: vaeMnistPresets,
  changeable: [...taskChangeable, 'epochs'],
  hasImportanceBound: true,
  checkGiven({ flowUnits }, { flowSteps }) {
    if (flowUnits === undefined || flowSteps > 0) return undefined;
    return { key: 'flowUnits', value: flowUnits, reason: 'does nothing with {flowSteps} 0', mend: 'leave it out' };
  },
  size({ widthMultiplier, maps, blocks, denseUnits, flowSteps, flowUnits }) {
    const wide = maps.map((count) => count * widthMultiplier);
    const [dense, flow] = [denseUnits * widthMultiplier, flowUnits * widthMultiplier];
    const areas = wide.map((count, i) => count * (28 / 2 ** i) ** 2);
    const convolutions = wide.reduce((sum, count) => sum + 4 * blocks * 9 * count ** 2, 0);
    return {
      weights: convolutions + 2 * areas.at(-1)! * dense + flowSteps * (flow ** 2 + flow * dense),
      activations: 4 * blocks * areas.reduce((sum, area) => sum + area, 0) + dense + flowSteps * flow,
    };
  },
  describe: describeBound,
  async create(config, { restoring, importanceSamples }) {
    const { train, test } = await loadBinaryMnist(config);
    return generativeTask(createModel(config), {
      ...config,
      ...{ train, test, restoring, importanceSamples },
      shape: [28, 28, 1],
      range: 'unit',
      optimizer: optimizerConfig(config),
      showsSteps: false,
    });
  },
};

/** The factor widens what computes, and leaves z as it is. */
function createModel(config: VaeMnistSettings): GenerativeModel {
  const { normalization, seed, maps, blocks, latentUnits, flowSteps, freeBits } = config;
  const width = widened(config.widthMultiplier);
  const network = createVae({
    ...{ normalization, blocks, latentUnits, flowSteps },
    maps: maps.map(width),
    denseUnits: width(config.denseUnits),
    flowUnits: width(config.flowUnits),
    seed: deriveSeed(seed, 'network'),
  });
  const noiseFor = (count: number, noiseSeed: tf.Tensor1D) => seededNormal<tf.Rank.R2>([count, latentUnits], noiseSeed);
  return {
    variables: network.variables,
    bound: (images, noiseSeed) =>
      vaeBound(network, { images, noise: noiseFor(images.shape[0], noiseSeed) }, freeBits > 0 ? { freeBits } : {}),
    importanceBound: (images, noiseSeed, samples) =>
      vaeImportanceBound(network, {
        images,
        noise: seededNormal<tf.Rank.R3>([samples, images.shape[0], latentUnits], noiseSeed),
      }),
    sample: (count, noiseSeed) => vaeSample(network, { noise: noiseFor(count, noiseSeed) }).expandDims<tf.Tensor5D>(0),
    reconstruct: (images, noiseSeed) =>
      vaeReconstruct(network, { images, noise: noiseFor(images.shape[0], noiseSeed) }),
    initialize(images, noiseSeed) {
      if (normalization === 'none') return;
      tf.tidy(() => initializeVae(network, { images, noise: noiseFor(images.shape[0], noiseSeed) }));
    },
    dispose: () => network.dispose(),
  };
}
