import * as tf from '@tensorflow/tfjs';
import { deriveSeed } from '../random/index.ts';
import { conv2d, dense, type Normalization } from '../weightnorm/index.ts';
import { cosineEmbedding } from './cosine-embedding.ts';
import { dueling } from './dueling.ts';
import { type LayerNorm, layerNorm } from './layer-norm.ts';
import { layerNoise } from './noise.ts';

/**
 * N(0, 2 / fan-in), for v too. The paper's N(0, 0.05) is about that for a convolution of 512 inputs, but for the 4
 * inputs of CartPole it leaves ||v|| at 0.1, where an Adam step of 0.001 turns v by whole degrees: there weight norm
 * learns nothing.
 */
const KERNEL_INITIALIZER = 'heNormal';

/** What every Q-network can be asked for. */
export interface QNetworkOptions {
  numActions: number;
  /** How many numbers stand for each action: 1, its value, unless given. The output is [batch, actions x this]. */
  outputsPerAction?: number | undefined;
  normalization: Normalization;
  /** Before each ReLU, beside any normalization of the kernels; none unless given. */
  layerNorm?: LayerNorm | undefined;
  /** One stream for the state's value and one for the actions' advantages, from the last hidden layer on. */
  dueling?: boolean | undefined;
  /** sigma_0 of noisy dense layers; 0, as where it is not given: none. */
  noiseScale?: number | undefined;
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

/** The convolutions of a network for images, in order. */
type Convolutions = readonly { readonly filters: number; readonly kernelSize: number; readonly strides: number }[];

/** The networks for images by their names; each has as many dense layers behind as the options say. */
export const IMAGE_NETWORKS = {
  /** Mnih et al. 2015, with 512 units: [batch, 20, 20, 32], [batch, 9, 9, 64] and [batch, 7, 7, 64] for 84 x 84. */
  nature: [
    { filters: 32, kernelSize: 8, strides: 4 },
    { filters: 64, kernelSize: 4, strides: 2 },
    { filters: 64, kernelSize: 3, strides: 1 },
  ],
  /** Mnih et al. 2013 (arXiv:1312.5602, section 4.1), with 256: [batch, 20, 20, 16] and [batch, 9, 9, 32]. */
  nips: [
    { filters: 16, kernelSize: 8, strides: 4 },
    { filters: 32, kernelSize: 4, strides: 2 },
  ],
  /** Young & Tian 2019 (arXiv:1903.03176, section 3), with 128: [batch, 8, 8, 16] for channels of 10 x 10. */
  minatar: [{ filters: 16, kernelSize: 3, strides: 1 }],
} satisfies Record<string, Convolutions>;
/** The name of a stack of convolutions for images: `nature` and `nips` for Atari, `minatar` for MinAtar. */
export type ImageNetwork = keyof typeof IMAGE_NETWORKS;

/**
 * A Q-network for images: pixels [batch, height, width, frames], in 0..255 unless told otherwise, to action values
 * [batch, actions].
 */
export function imageQNetwork(name: ImageNetwork, options: ImageOptions): tf.LayersModel {
  return qNetwork(imageFeatures(IMAGE_NETWORKS[name], options), options);
}

/** The Q-network of Mnih et al. 2015: pixels [batch, 84, 84, 4] to action values [batch, actions]. */
export function natureQNetwork(options: ImageOptions): tf.LayersModel {
  return imageQNetwork('nature', options);
}

/** The beginning of a network: what it takes, and the layers before the dense ones. */
interface Features {
  input: { name: string; shape: number[] };
  layers: tf.layers.Layer[];
}

function imageFeatures(convolutions: Convolutions, options: ImageOptions): Features {
  const { inputShape, inputRange: [low, high] = [0, 255], padding } = options;
  const layers = [
    tf.layers.rescaling({ scale: 1 / (high - low), offset: low === 0 ? 0 : -low / (high - low), name: 'scale' }),
    ...convolutions.flatMap((shape, i) =>
      rectified(`conv${i + 1}`, 4, options, (common) => conv2d({ ...common, ...shape, padding })),
    ),
    tf.layers.flatten({ name: 'features' }), // [batch, 3136]
  ];
  return { input: { name: 'pixels', shape: inputShape }, layers };
}

/** What a Q-network of dense layers can be asked for. */
export interface MlpOptions extends QNetworkOptions {
  /** Elements of a (stacked, flattened) state. */
  inputSize: number;
  hiddenUnits: readonly number[];
}

/** A Q-network for vectors: dense layers with ReLU, [batch, inputSize] to [batch, actions]. */
export function mlpQNetwork({ inputSize, ...options }: MlpOptions): tf.LayersModel {
  return qNetwork({ input: { name: 'state', shape: [inputSize] }, layers: [] }, options);
}

/** What an implicit quantile network has beside a Q-network. */
export interface ImplicitQuantileOptions {
  /** How many cosines of a probability go into its embedding; 64 in the paper. */
  cosines: number;
}

/**
 * The implicit quantile network (Dabney et al. 2018, arXiv:1806.06923, section 3.1) over a network for images: pixels
 * [batch, height, width, frames] and probabilities [batch, n] to the quantiles of each action's return at them,
 * [batch, n, actions].
 */
export function imageQuantileNetwork(
  name: ImageNetwork,
  options: ImageOptions & ImplicitQuantileOptions,
): tf.LayersModel {
  return quantileNetwork(imageFeatures(IMAGE_NETWORKS[name], options), options);
}

/**
 * The same for vectors, [batch, inputSize]: the probabilities come in behind the hidden layers but the last, or behind
 * the only one.
 */
export function mlpQuantileNetwork({
  inputSize,
  hiddenUnits,
  ...options
}: MlpOptions & ImplicitQuantileOptions): tf.LayersModel {
  const first = Math.max(1, hiddenUnits.length - 1);
  const layers = hiddenUnits.slice(0, first).flatMap((units, i) => hiddenDense(`dense${i + 1}`, 2, units, options));
  const features = { input: { name: 'state', shape: [inputSize] }, layers };
  return quantileNetwork(features, { ...options, hiddenUnits: hiddenUnits.slice(first) });
}

type HeadOptions = QNetworkOptions & { hiddenUnits: readonly number[] };

function quantileNetwork(features: Features, options: HeadOptions & ImplicitQuantileOptions): tf.LayersModel {
  const { numActions, hiddenUnits, cosines, layerNorm: kind } = options;
  // Each probability is an example of its own: what is normalised is its units.
  const behind = { ...options, layerNorm: kind === 'all' ? 'channels' : kind } as const;
  const state = tf.input(features.input);
  const taus = tf.input({ name: 'probabilities', shape: [null] });
  const seen = through(state, features.layers); // psi(x), [batch, features]
  const width = seen.shape[1] as number;
  const embedding = [cosineEmbedding({ name: 'cosines', cosines }), ...hiddenDense('embedding', 3, width, behind)];
  const embedded = through(taus, embedding); // phi(tau), [batch, n, features]
  const mixed = tf.layers.multiply({ name: 'mixed' }).apply([seen, embedded]) as tf.SymbolicTensor;
  const hidden = hiddenUnits.flatMap((units, i) => hiddenDense(`quantile_dense${i + 1}`, 3, units, behind));
  const outputs = through(mixed, [...hidden, plainDense('q', numActions, options)]);
  return tf.model({ inputs: [state, taus], outputs });
}

function qNetwork({ input, layers }: Features, options: HeadOptions): tf.LayersModel {
  const { hiddenUnits, numActions, outputsPerAction = 1, dueling: isDueling = false, noiseScale = 0 } = options;
  const outputs = numActions * outputsPerAction;
  const hidden = hiddenUnits.map((units, i) => hiddenDense(`dense${i + 1}`, 2, units, options));
  if (!isDueling && noiseScale === 0) {
    const all = [...layers, ...hidden.flat(), plainDense('q', outputs, options)];
    return tf.sequential({ layers: [tf.layers.inputLayer({ inputShape: input.shape, name: input.name }), ...all] });
  }
  const state = tf.input(input);
  const seen = through(state, [...layers, ...hidden.slice(0, -1).flat()]);
  let noisyLayers = 0;
  const last = (x: tf.SymbolicTensor, name: string, units: number) => {
    if (noiseScale === 0) return plainDense(name, units, options).apply(x) as tf.SymbolicTensor;
    const t = plainDense(name, units, options, noisyKernelInitializer()).apply(x);
    const noise = layerNoise({ name: `${name}_noise`, noiseScale, index: noisyLayers++ });
    return noise.apply([t, x] as tf.SymbolicTensor[]) as tf.SymbolicTensor;
  };
  /** The last hidden layer and the output, which may be noisy, and of which a dueling network has two. */
  const stream = (prefix: string, name: string, size: number) => {
    const [lastUnits] = hiddenUnits.slice(-1);
    if (lastUnits === undefined) return last(seen, name, size);
    const lastName = `${prefix}dense${hiddenUnits.length}`;
    return last(through(last(seen, lastName, lastUnits), rectifier(lastName, 2, options)), name, size);
  };
  if (!isDueling) return tf.model({ inputs: state, outputs: stream('', 'q', outputs) });
  const streams = [stream('value_', 'value', outputsPerAction), stream('advantage_', 'advantage', outputs)];
  const joined = dueling({ name: 'q', numActions }).apply(streams) as tf.SymbolicTensor;
  return tf.model({ inputs: state, outputs: joined });
}

function through(x: tf.SymbolicTensor, layers: readonly tf.layers.Layer[]): tf.SymbolicTensor {
  return layers.reduce((last, layer) => layer.apply(last) as tf.SymbolicTensor, x);
}

/** What every layer before the output is made with. */
interface CommonArgs {
  name: string;
  normalization: Normalization;
  kernelInitializer: Exclude<Parameters<typeof dense>[0]['kernelInitializer'], undefined>;
  seed: number;
  activation?: 'relu';
}

function commonArgs(name: string, { normalization, seed }: QNetworkOptions): CommonArgs {
  return { name, normalization, kernelInitializer: KERNEL_INITIALIZER, seed: deriveSeed(seed, name) };
}

/** A layer with its ReLU, and between the two a layer norm where one is asked for. @param rank Of its output. */
function rectified(
  name: string,
  rank: number,
  options: QNetworkOptions,
  make: (args: CommonArgs) => tf.layers.Layer,
): tf.layers.Layer[] {
  const { layerNorm: kind = 'none' } = options;
  const common = commonArgs(name, options);
  if (kind === 'none') return [make({ ...common, activation: 'relu' })];
  return [make(common), ...rectifier(name, rank, options)];
}

/** The ReLU of a layer as one of its own, behind a layer norm where one is asked for. */
function rectifier(name: string, rank: number, { layerNorm: kind = 'none' }: QNetworkOptions): tf.layers.Layer[] {
  const relu = tf.layers.reLU({ name: `${name}_relu` });
  return kind === 'none' ? [relu] : [layerNorm(kind, rank, `${name}_norm`), relu];
}

function hiddenDense(name: string, rank: number, units: number, options: QNetworkOptions): tf.layers.Layer[] {
  return rectified(name, rank, options, (common) => dense({ ...common, units }));
}

function plainDense(
  name: string,
  units: number,
  options: QNetworkOptions,
  kernelInitializer: CommonArgs['kernelInitializer'] = KERNEL_INITIALIZER,
): tf.layers.Layer {
  return dense({ ...commonArgs(name, options), units, kernelInitializer });
}

/**
 * Uniform from -1/sqrt(inputs) to 1/sqrt(inputs) (Fortunato et al. 2018, section 3.2): smaller weights, which the noise
 * can outweigh at first. With N(0, 2 / fan-in) a CartPole's network keeps to one action and never learns of the other.
 */
function noisyKernelInitializer() {
  return tf.initializers.varianceScaling({ scale: 1 / 3, mode: 'fanIn', distribution: 'uniform' });
}
