import * as tf from '@tensorflow/tfjs';
import { DEFAULT_DATA_DIR, loadCifar10 } from '../../datasets/index.ts';
import {
  createVaeStack,
  initializeVaeStack,
  type VaeStackNoise,
  vaeStackBound,
  vaeStackImportanceBound,
  vaeStackNoiseShapes,
  vaeStackReconstruct,
  vaeStackSample,
} from '../../networks/index.ts';
import { deriveSeed } from '../../random/index.ts';
import { type NoiseSeed, seededNormal } from '../../runtime/seeded-noise.ts';
import { describeBound, type GenerativeModel, generativeTask } from '../generative.ts';
import { optimizerConfig } from '../optimizer.ts';
import { taskChangeable } from '../settings.ts';
import { firstExamples } from '../subset.ts';
import type { TaskDefinition } from '../task.ts';
import { widened } from '../widened.ts';
import { type VaeCifar10Settings, vaeCifar10Presets, vaeCifar10Schema } from './config.ts';

const SHAPE = [32, 32, 3] as const;
const PIXELS = 32 * 32 * 3;

export const vaeCifar10: TaskDefinition<VaeCifar10Settings> = {
  name: 'vae-cifar10',
  about: 'a VAE of CIFAR-10 with several stochastic layers and a flow in each (section 5.2)',
  schema: vaeCifar10Schema,
  presets: vaeCifar10Presets,
  changeable: [...taskChangeable, 'epochs'],
  hasImportanceBound: true,
  check({ levels }) {
    if (levels.length <= 4) return undefined;
    const reason = ': 32 x 32 pixels can be halved 4 times';
    return { key: 'levels', value: levels, reason, mend: 'give at most 4 resolutions' };
  },
  size({ widthMultiplier, hiddenMaps, levels }) {
    const maps = hiddenMaps * widthMultiplier;
    const layers = levels.reduce((sum, count) => sum + count, 0);
    return {
      weights: layers * 4 * 9 * maps ** 2,
      activations: levels.reduce((sum, count, i) => sum + 4 * count * maps * (16 / 2 ** i) ** 2, 0),
    };
  },
  describe: describeBound,
  async create(config, { restoring, importanceSamples }) {
    const { train, test } = await loadCifar10({ dataDir: config.dataDir ?? DEFAULT_DATA_DIR });
    return generativeTask(createModel(config), {
      ...config,
      ...{ restoring, importanceSamples },
      train: firstExamples(train, PIXELS, config.trainExamples).images,
      test: firstExamples(test, PIXELS, config.testExamples).images,
      shape: SHAPE,
      range: 'levels',
      optimizer: optimizerConfig(config),
      showsSteps: false,
    });
  },
};

/** The factor widens what computes, and leaves z as it is. */
function createModel(config: VaeCifar10Settings): GenerativeModel {
  const { normalization, seed, latentMaps, levels, flow, freeBits } = config;
  const network = createVaeStack({
    ...{ normalization, latentMaps, levels, flow },
    maps: widened(config.widthMultiplier)(config.hiddenMaps),
    seed: deriveSeed(seed, 'network'),
  });
  const noiseFor = <N extends tf.Tensor = tf.Tensor4D>(count: number, noiseSeed: NoiseSeed, samples: number[] = []) =>
    Object.fromEntries(
      Object.entries(vaeStackNoiseShapes(network, count)).map(([name, shape], stream) => [
        name,
        seededNormal([...samples, ...shape] as number[], noiseSeed, stream),
      ]),
    ) as unknown as VaeStackNoise<N>;
  return {
    variables: network.variables,
    bound(images, noiseSeed) {
      const noise = noiseFor(images.shape[0], noiseSeed);
      const { layerKl, ...parts } = vaeStackBound(network, { images, noise }, freeBits > 0 ? { freeBits } : {});
      return parts;
    },
    importanceBound: (images, noiseSeed, samples) =>
      vaeStackImportanceBound(network, { images, noise: noiseFor<tf.Tensor5D>(images.shape[0], noiseSeed, [samples]) }),
    sample: (count, noiseSeed) =>
      vaeStackSample(network, { noise: noiseFor(count, noiseSeed) }).expandDims<tf.Tensor5D>(0),
    reconstruct: (images, noiseSeed) =>
      vaeStackReconstruct(network, { images, noise: noiseFor(images.shape[0], noiseSeed) }),
    initialize(images, noiseSeed) {
      if (normalization === 'none') return;
      tf.tidy(() => initializeVaeStack(network, { images, noise: noiseFor(images.shape[0], noiseSeed) }));
    },
    dispose: () => network.dispose(),
  };
}
