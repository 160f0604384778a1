import * as tf from '@tensorflow/tfjs';
import { allVariables, convPoolCnnC, fastCnn, trainableVariables } from '../../networks/index.ts';
import type { NamedVariable } from '../../optimizers/index.ts';
import { deriveSeed } from '../../random/index.ts';
import { type NoiseSeed, seededNormal, seededUniform } from '../../runtime/seeded-noise.ts';
import { assignEffectiveWeights, dataDependentInit } from '../../weightnorm/index.ts';
import type { Cifar10Settings } from './config.ts';

/** A network that classifies whitened images, `[batch, 32, 32, 3]` to logits `[batch, 10]`. */
export interface Classifier {
  /** As it is tested. */
  readonly model: tf.LayersModel;
  /**
   * As it is trained: with the noise and the dropout that belong to it. Running averages keep the share `momentum` of
   * what they were, the layers' own where it is left out.
   */
  trainingLogits(images: tf.Tensor4D, noiseSeed: NoiseSeed, momentum?: tf.Scalar): tf.Tensor2D;
  /** Scales and shifts of every layer from these images (section 3). */
  initialize(images: tf.Tensor4D, noiseSeed: NoiseSeed): void;
  readonly trainable: readonly NamedVariable[];
  /** Running averages too. */
  readonly variables: readonly NamedVariable[];
  dispose(): void;
}

/** @throws As the networks do. */
export function createClassifier(
  config: Pick<Cifar10Settings, 'network' | 'normalization' | 'widthMultiplier' | 'seed'>,
): Classifier {
  const create = config.network === 'fast-cnn' ? createFast : createConvPool;
  const classifier = create(config);
  if (config.normalization !== 'none') return classifier;
  return {
    ...classifier,
    // A plain network has nothing to set: it starts as the function that weight norm would, so that the arms differ in
    // how they learn alone.
    initialize(images, noiseSeed) {
      const twin = create({ ...config, normalization: 'weight' });
      twin.initialize(images, noiseSeed);
      assignEffectiveWeights(classifier.model, twin.model);
      twin.dispose();
    },
  };
}

type NetworkConfig = Parameters<typeof createClassifier>[0];

function createConvPool({ normalization, widthMultiplier, seed }: NetworkConfig): Classifier {
  const network = convPoolCnnC({ normalization, widthMultiplier, seed: deriveSeed(seed, 'network') });
  const withNoise = (images: tf.Tensor4D, noiseSeed: NoiseSeed): tf.Tensor[] => {
    const { inputNoise, dropoutMask1, dropoutMask2 } = network.noiseShapes(images.shape[0]);
    return [
      images,
      seededNormal(inputNoise, noiseSeed, 0),
      seededUniform(dropoutMask1, noiseSeed, 1).round(),
      seededUniform(dropoutMask2, noiseSeed, 2).round(),
    ];
  };
  return {
    model: network.clean,
    trainingLogits: (images, noiseSeed, momentum) =>
      network.noisy.apply(withNoise(images, noiseSeed), { training: true, momentum }) as tf.Tensor2D,
    initialize: (images, noiseSeed) => {
      tf.tidy(() => dataDependentInit(network.noisy, withNoise(images, noiseSeed)));
    },
    trainable: trainableVariables(network.clean),
    variables: allVariables(network.clean),
    dispose: () => network.dispose(),
  };
}

function createFast({ normalization, widthMultiplier, seed }: NetworkConfig): Classifier {
  const { model, dispose } = fastCnn({ normalization, widthMultiplier, seed: deriveSeed(seed, 'network') });
  return {
    model,
    trainingLogits: (images, _, momentum) => model.apply(images, { training: true, momentum }) as tf.Tensor2D,
    initialize: (images) => {
      dataDependentInit(model, images);
    },
    trainable: trainableVariables(model),
    variables: allVariables(model),
    dispose,
  };
}
