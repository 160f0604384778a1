// The CIFAR-10 network of Salimans & Kingma 2016 (section 5.1), after ConvPool-CNN-C of Springenberg et al. 2015
// (arXiv:1412.6806).
import * as tf from '@tensorflow/tfjs';
import { deriveSeed } from '../random/index.ts';
import { conv2d, dense, type Normalization } from '../weightnorm/index.ts';

/** Standard deviation of what is added to the whitened pixels. */
export const INPUT_NOISE_STD = 0.15;
/** Share of the activations that a dropout mask lets through. */
export const DROPOUT_KEEP = 0.5;
const LEAK = 0.1;
/**
 * Standard deviation of the initial kernels, N(0, 0.05) as the paper's v: the same in every arm, so that all start
 * alike.
 */
const KERNEL_STD = 0.05;

/** What a ConvPool-CNN-C can be asked for. */
export interface ConvPoolCnnCOptions {
  /** The paper's arms are 'none', 'weight', 'batch', 'mean-only-batch' and 'weight+mean-only-batch'. */
  normalization: Normalization;
  /** Factor of the 96 and 192 filters of the convolutions, rounded; 1 is the paper's network. */
  widthMultiplier?: number;
  numClasses?: number;
  /** Decides the initial kernels. */
  seed: number;
}

/**
 * Noise is an input, standard and unscaled, since a compiled step draws none: the network multiplies it by its
 * constants.
 */
export interface ConvPoolCnnCNoiseShapes {
  /** N(0, 1), [batch, 32, 32, 3] */
  inputNoise: number[];
  /** 1 to keep and 0 to drop, each with probability 1/2, any dtype: [batch, 16, 16, 96] at full width. */
  dropoutMask1: number[];
  /** Likewise: [batch, 8, 8, 192] at full width. */
  dropoutMask2: number[];
}

/** Two models over the same layers: what one learns, the other has. */
export interface ConvPoolCnnC {
  /** Without noise: whitened images [batch, 32, 32, 3] to logits [batch, classes]. */
  readonly clean: tf.LayersModel;
  /**
   * With noise: `[images, inputNoise, dropoutMask1, dropoutMask2]` to logits. Trained as
   * `noisy.apply(inputs, { training: true })`, initialised by `dataDependentInit(noisy, inputs)`.
   */
  readonly noisy: tf.LayersModel;
  /** The shapes of the three arrays of noise that `noisy` takes beside `batch` images, by name. */
  noiseShapes(batch: number): ConvPoolCnnCNoiseShapes;
  /** Frees the weights, which both models share. */
  dispose(): void;
}

/**
 *   3 x conv 3x3, 96      [batch, 32, 32, 96]    all with leaky ReLU 0.1
 *   max-pool, dropout     [batch, 16, 16, 96]
 *   3 x conv 3x3, 192     [batch, 16, 16, 192]
 *   max-pool, dropout     [batch, 8, 8, 192]
 *   conv 3x3, 192, valid  [batch, 6, 6, 192]
 *   2 x conv 1x1, 192     [batch, 6, 6, 192]
 *   global average pool   [batch, 192]
 *   dense                 [batch, 10]            normalised too
 *
 * 1,408,244 parameters with normalization 'weight': v 1,405,344, b 1,450, g 1,450.
 * @throws For a width or a number of classes that leaves a layer without units, and for normalizations as the layers
 *   do.
 */
export function convPoolCnnC({
  normalization,
  widthMultiplier = 1,
  numClasses = 10,
  seed,
}: ConvPoolCnnCOptions): ConvPoolCnnC {
  if (!(Number.isFinite(widthMultiplier) && widthMultiplier >= 1 / 96))
    throw new Error(`widthMultiplier is ${widthMultiplier}: give a number from 1/96 (one filter) up, such as 0.5`);
  if (!(Number.isInteger(numClasses) && numClasses >= 2))
    throw new Error(`numClasses is ${numClasses}: give a whole number from 2 up`);
  const [narrow, wide] = [96, 192].map((filters) => Math.round(filters * widthMultiplier));
  const common = (name: string) => ({
    name,
    normalization,
    kernelInitializer: tf.initializers.randomNormal({ mean: 0, stddev: KERNEL_STD }),
    seed: deriveSeed(seed, name),
  });
  const conv = (name: string, filters: number, kernelSize: number, padding: 'same' | 'valid') => [
    conv2d({ ...common(name), filters, kernelSize, padding }),
    tf.layers.leakyReLU({ alpha: LEAK, name: `${name}_leaky` }),
  ];
  const block1 = [
    ...conv('conv1', narrow, 3, 'same'),
    ...conv('conv2', narrow, 3, 'same'),
    ...conv('conv3', narrow, 3, 'same'),
    tf.layers.maxPooling2d({ poolSize: 2, name: 'pool1' }),
  ];
  const block2 = [
    ...conv('conv4', wide, 3, 'same'),
    ...conv('conv5', wide, 3, 'same'),
    ...conv('conv6', wide, 3, 'same'),
    tf.layers.maxPooling2d({ poolSize: 2, name: 'pool2' }),
  ];
  const block3 = [
    ...conv('conv7', wide, 3, 'valid'),
    ...conv('conv8', wide, 1, 'valid'),
    ...conv('conv9', wide, 1, 'valid'),
    tf.layers.globalAveragePooling2d({ name: 'average' }),
    dense({ ...common('logits'), units: numClasses }),
  ];

  const images = tf.input({ shape: [32, 32, 3], name: 'images' });
  const clean = tf.model({ inputs: images, outputs: chain(block3, chain(block2, chain(block1, images))) });

  const inputNoise = tf.input({ shape: [32, 32, 3], name: 'inputNoise' });
  const dropoutMask1 = tf.input({ shape: [16, 16, narrow], name: 'dropoutMask1' });
  const dropoutMask2 = tf.input({ shape: [8, 8, wide], name: 'dropoutMask2' });
  const added = tf.layers.add({ name: 'noisy' }).apply([images, scaled(inputNoise, INPUT_NOISE_STD)]);
  const kept1 = dropout(chain(block1, added as tf.SymbolicTensor), dropoutMask1);
  const kept2 = dropout(chain(block2, kept1), dropoutMask2);
  const noisy = tf.model({
    inputs: [images, inputNoise, dropoutMask1, dropoutMask2],
    outputs: chain(block3, kept2),
  });

  return {
    clean,
    noisy,
    noiseShapes: (batch) => ({
      inputNoise: [batch, 32, 32, 3],
      dropoutMask1: [batch, 16, 16, narrow],
      dropoutMask2: [batch, 8, 8, wide],
    }),
    dispose() {
      // tfjs counts the users of a layer: its weights go with the last one.
      clean.dispose();
      noisy.dispose();
    },
  };
}

function chain(layers: readonly tf.layers.Layer[], input: tf.SymbolicTensor): tf.SymbolicTensor {
  return layers.reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, input);
}

/** Divided by the share kept, so that the mean is that of the clean network. */
function dropout(x: tf.SymbolicTensor, mask: tf.SymbolicTensor): tf.SymbolicTensor {
  const factors = scaled(mask, 1 / DROPOUT_KEEP);
  return tf.layers.multiply({ name: `${mask.name}_kept` }).apply([x, factors]) as tf.SymbolicTensor;
}

function scaled(input: tf.SymbolicTensor, scale: number): tf.SymbolicTensor {
  return tf.layers.rescaling({ scale, name: `${input.name}_scaled` }).apply(input) as tf.SymbolicTensor;
}
