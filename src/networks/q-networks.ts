import * as tf from '@tensorflow/tfjs';
import { deriveSeed } from '../random/index.ts';
import { conv2d, dense, type Normalization } from '../weightnorm/index.ts';
import { type LayerNorm, layerNorm } from './layer-norm.ts';

/**
 * N(0, 2 / fan-in), for v too. The paper's N(0, 0.05) is about that for a convolution of 512 inputs, but for the 4
 * inputs of CartPole it leaves ||v|| at 0.1, where an Adam step of 0.001 turns v by whole degrees: there weight norm
 * learns nothing.
 */
const KERNEL_INITIALIZER = 'heNormal';

export interface QNetworkOptions {
  numActions: number;
  normalization: Normalization;
  /** Before each ReLU, beside any normalization of the kernels; none unless given. */
  layerNorm?: LayerNorm | undefined;
  /** Decides the initial kernels. */
  seed: number;
}

/** What networks for images take. */
export interface ImageOptions extends QNetworkOptions {
  /** Shape of a state, [height, width, frames], or frames x channels for images with several. */
  inputShape: [number, number, number];
  /** The lowest and the highest value of a pixel, scaled to [0, 1]; 0 and 255 unless given. */
  inputRange?: readonly [low: number, high: number] | undefined;
  /** 'valid' leaves 3136 features at 84 x 84 (Nature), 'same' 7744 (Dopamine). */
  padding: 'valid' | 'same';
  /** Width of each dense layer between the convolutions and the output. */
  hiddenUnits: readonly number[];
}

export interface NatureOptions extends ImageOptions {}

/** The convolutions of a network for images, in order. */
type Convolutions = readonly { readonly filters: number; readonly kernelSize: number; readonly strides: number }[];

/** [batch, 20, 20, 32], [batch, 9, 9, 64] and [batch, 7, 7, 64] for 84 x 84, valid. */
export const NATURE_CONVOLUTIONS: Convolutions = [
  { filters: 32, kernelSize: 8, strides: 4 },
  { filters: 64, kernelSize: 4, strides: 2 },
  { filters: 64, kernelSize: 3, strides: 1 },
];

/** [batch, 8, 8, 16] for MinAtar's 10 x 10, valid. */
export const MINATAR_CONVOLUTIONS: Convolutions = [{ filters: 16, kernelSize: 3, strides: 1 }];

/**
 * The Q-network of Mnih et al. 2015: pixels [batch, 84, 84, 4], in 0..255 unless told otherwise, to action values
 * [batch, actions].
 */
export function natureQNetwork(options: NatureOptions) {
  return convolutionalQNetwork(NATURE_CONVOLUTIONS, options);
}

/**
 * The Q-network of MinAtar (Young & Tian 2019, arXiv:1903.03176, section 3, with 128 `hiddenUnits`): channels
 * [batch, 10, 10, channels], 0 or 1 each, to action values [batch, actions].
 */
export function minAtarQNetwork(options: ImageOptions) {
  return convolutionalQNetwork(MINATAR_CONVOLUTIONS, options);
}

function convolutionalQNetwork(
  convolutions: Convolutions,
  { inputShape, inputRange: [low, high] = [0, 255], padding, hiddenUnits, ...options }: ImageOptions,
) {
  return tf.sequential({
    layers: [
      tf.layers.inputLayer({ inputShape, name: 'pixels' }),
      tf.layers.rescaling({ scale: 1 / (high - low), offset: low === 0 ? 0 : -low / (high - low), name: 'scale' }),
      ...convolutions.flatMap((shape, i) =>
        rectified(`conv${i + 1}`, 4, options, (common) => conv2d({ ...common, ...shape, padding })),
      ),
      tf.layers.flatten({ name: 'features' }), // [batch, 3136]
      ...denseLayers(hiddenUnits, options),
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

function denseLayers(hiddenUnits: readonly number[], options: QNetworkOptions) {
  const { numActions, normalization, seed } = options;
  const hidden = hiddenUnits.flatMap((units, i) =>
    rectified(`dense${i + 1}`, 2, options, (common) => dense({ ...common, units })),
  );
  const output = { normalization, kernelInitializer: KERNEL_INITIALIZER, seed: deriveSeed(seed, 'q') } as const;
  return [...hidden, dense({ ...output, name: 'q', units: numActions })];
}

/** What every layer before the output is made with. */
interface CommonArgs {
  name: string;
  normalization: Normalization;
  kernelInitializer: typeof KERNEL_INITIALIZER;
  seed: number;
  activation?: 'relu';
}

/** A layer with its ReLU, and between the two a layer norm where one is asked for. @param rank Of its output. */
function rectified(
  name: string,
  rank: number,
  { normalization, layerNorm: kind = 'none', seed }: QNetworkOptions,
  make: (args: CommonArgs) => tf.layers.Layer,
): tf.layers.Layer[] {
  const common = { name, normalization, kernelInitializer: KERNEL_INITIALIZER, seed: deriveSeed(seed, name) } as const;
  if (kind === 'none') return [make({ ...common, activation: 'relu' })];
  return [make(common), layerNorm(kind, rank, `${name}_norm`), tf.layers.reLU({ name: `${name}_relu` })];
}
