import * as tf from '@tensorflow/tfjs';
import { deriveSeed } from '../random/index.ts';
import { conv2d, dense, type Normalization } from '../weightnorm/index.ts';

/**
 * N(0, 2 / fan-in), for v too. The paper's N(0, 0.05) is about that for a convolution of 512 inputs, but for the 4
 * inputs of CartPole it leaves ||v|| at 0.1, where an Adam step of 0.001 turns v by whole degrees: there weight norm
 * learns nothing.
 */
const KERNEL_INITIALIZER = 'heNormal';

export interface QNetworkOptions {
  numActions: number;
  normalization: Normalization;
  /** Decides the initial kernels. */
  seed: number;
}

export interface NatureOptions extends QNetworkOptions {
  /** Shape of a state, [height, width, frames], or frames x channels for images with several. */
  inputShape: [number, number, number];
  /** The lowest and the highest value of a pixel, scaled to [0, 1]; 0 and 255 unless given. */
  inputRange?: readonly [low: number, high: number] | undefined;
  /** 'valid' leaves 3136 features at 84 x 84 (Nature), 'same' 7744 (Dopamine). */
  padding: 'valid' | 'same';
  /** Width of each dense layer between the convolutions and the output. */
  hiddenUnits: readonly number[];
}

/**
 * The Q-network of Mnih et al. 2015: pixels [batch, 84, 84, 4], in 0..255 unless told otherwise, to action values [batch, actions].
 */
export function natureQNetwork({
  inputShape,
  inputRange: [low, high] = [0, 255],
  padding,
  hiddenUnits,
  numActions,
  normalization,
  seed,
}: NatureOptions) {
  const conv = (name: string, filters: number, kernelSize: number, strides: number) =>
    conv2d({
      name,
      filters,
      kernelSize,
      strides,
      padding,
      activation: 'relu',
      normalization,
      kernelInitializer: KERNEL_INITIALIZER,
      seed: deriveSeed(seed, name),
    });
  return tf.sequential({
    layers: [
      tf.layers.inputLayer({ inputShape, name: 'pixels' }),
      tf.layers.rescaling({ scale: 1 / (high - low), offset: low === 0 ? 0 : -low / (high - low), name: 'scale' }),
      conv('conv1', 32, 8, 4), // [batch, 20, 20, 32] for 84 x 84, valid
      conv('conv2', 64, 4, 2), // [batch, 9, 9, 64]
      conv('conv3', 64, 3, 1), // [batch, 7, 7, 64]
      tf.layers.flatten({ name: 'features' }), // [batch, 3136]
      ...denseLayers(hiddenUnits, { numActions, normalization, seed }),
    ],
  });
}

export interface MlpOptions extends QNetworkOptions {
  /** Elements of a (stacked, flattened) state. */
  inputSize: number;
  hiddenUnits: readonly number[];
}

/** A Q-network for vectors: dense layers with ReLU, [batch, inputSize] to [batch, actions]. */
export function mlpQNetwork({ inputSize, hiddenUnits, ...options }: MlpOptions) {
  return tf.sequential({
    layers: [tf.layers.inputLayer({ inputShape: [inputSize], name: 'state' }), ...denseLayers(hiddenUnits, options)],
  });
}

function denseLayers(hiddenUnits: readonly number[], { numActions, normalization, seed }: QNetworkOptions) {
  const common = { normalization, kernelInitializer: KERNEL_INITIALIZER };
  const hidden = hiddenUnits.map((units, i) => {
    const name = `dense${i + 1}`;
    return dense({ ...common, name, units, activation: 'relu', seed: deriveSeed(seed, name) });
  });
  return [...hidden, dense({ ...common, name: 'q', units: numActions, seed: deriveSeed(seed, 'q') })];
}
