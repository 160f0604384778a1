// A CIFAR-10 network for accuracy per minute: that of airbench94 (Jordan 2024, arXiv:2404.00498, section 3), with a
// normalization of weights where it has batch norm.
import * as tf from '@tensorflow/tfjs';
import { deriveSeed } from '../random/index.ts';
import { conv2d, dense, type Normalization } from '../weightnorm/index.ts';

/** Each 2 x 2 patch of 3 channels has 12 directions, each with both signs: as many at every width. */
const STEM_FILTERS = 24;
/** Maps of the three groups at full width. */
const GROUP_FILTERS = [64, 256, 256];
/** airbench's factor of the logits. */
export const LOGIT_SCALE = 1 / 9;

/** What a fast CNN can be asked for. */
export interface FastCnnOptions {
  normalization: Normalization;
  /** Factor of the 64 and 256 maps of the groups, rounded; 1 is airbench94's network. */
  widthMultiplier?: number;
  numClasses?: number;
  /** Factor of the logits after the last layer. Default 1/9. */
  logitScale?: number;
  /** Decides the initial kernels. */
  seed: number;
}

/** The network of airbench94 (Jordan 2024) for images of 32 x 32 pixels. */
export interface FastCnn {
  /**
   * Images, whitened or standardised, [batch, 32, 32, 3], to logits [batch, classes].
   * Trained as `model.apply(images, { training: true })`.
   */
  readonly model: tf.LayersModel;
  /** Frees the weights. */
  dispose(): void;
}

/**
 *   conv 2x2, 24, valid                              [batch, 31, 31, 24]
 *   conv 3x3, 64, max-pool; conv 3x3, 64             [batch, 15, 15, 64]
 *   conv 3x3, 256, max-pool; conv 3x3, 256           [batch, 7, 7, 256]
 *   conv 3x3, 256, max-pool; conv 3x3, 256           [batch, 3, 3, 256]
 *   global max-pool                                  [batch, 256]
 *   dense, times 1/9                                 [batch, 10]            normalised too
 *
 * 1,972,836 parameters with normalization 'weight': v 1,970,464, b 1,186, g 1,186. An activation follows every
 * convolution, after the pool where there is one: ReLU in place of GELU, which here is made of an error function and
 * several products. All is learned, the stem too, which in airbench is a fixed whitening of patches.
 *
 * @throws For a width or a number of classes that leaves a layer without units, for a logit scale that is not positive,
 *   and for normalizations as the layers do.
 */
export function fastCnn({
  normalization,
  widthMultiplier = 1,
  numClasses = 10,
  logitScale = LOGIT_SCALE,
  seed,
}: FastCnnOptions): FastCnn {
  if (!(Number.isFinite(widthMultiplier) && widthMultiplier >= 1 / 64))
    throw new Error(`widthMultiplier is ${widthMultiplier}: give a number from 1/64 (one filter) up, such as 0.5`);
  if (!(Number.isInteger(numClasses) && numClasses >= 2))
    throw new Error(`numClasses is ${numClasses}: give a whole number from 2 up`);
  if (!(Number.isFinite(logitScale) && logitScale > 0))
    throw new Error(`logitScale is ${logitScale}: give a positive number, such as 1`);
  const common = (name: string) => ({
    name,
    normalization,
    kernelInitializer: 'heNormal' as const,
    seed: deriveSeed(seed, name),
  });
  const activation = (name: string) => tf.layers.reLU({ name: `${name}_relu` });
  const conv = (name: string, filters: number) => conv2d({ ...common(name), filters, kernelSize: 3, padding: 'same' });
  const group = (filters: number, i: number) => {
    const [first, second] = [`conv${2 * i + 1}`, `conv${2 * i + 2}`];
    return [
      conv(first, filters),
      // The activation rises, so after the pool it gives the same for a quarter of the work.
      tf.layers.maxPooling2d({ poolSize: 2, name: `pool${i + 1}` }),
      activation(first),
      conv(second, filters),
      activation(second),
    ];
  };
  const layers = [
    conv2d({ ...common('stem'), filters: STEM_FILTERS, kernelSize: 2 }),
    activation('stem'),
    ...GROUP_FILTERS.flatMap((filters, i) => group(Math.round(filters * widthMultiplier), i)),
    tf.layers.globalMaxPooling2d({ name: 'maximum' }),
    dense({ ...common('logits'), units: numClasses }),
    tf.layers.rescaling({ scale: logitScale, name: 'scaled' }),
  ];
  const images = tf.input({ shape: [32, 32, 3], name: 'images' });
  const outputs = layers.reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, images);
  const model = tf.model({ inputs: images, outputs });
  return {
    model,
    dispose() {
      model.dispose();
    },
  };
}
