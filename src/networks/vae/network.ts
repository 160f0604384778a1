// The layers of the convolutional VAE of Salimans & Kingma 2016, section 5.2, after Kingma et al. 2016
// (arXiv:1606.04934).
import * as tf from '@tensorflow/tfjs';
import type { NamedVariable } from '../../optimizers/index.ts';
import { deriveSeed } from '../../random/index.ts';
import { conv2d, conv2dTranspose, dense } from '../../weightnorm/index.ts';
import { checkCount } from '../checks.ts';
import { trainableVariables } from '../variables.ts';
import { checkChoice } from './checks.ts';
import { createFlow, type Flow } from './flow.ts';
import { LEVELS_TO_UNIT } from './likelihood.ts';

/** Standard deviation of the initial kernels (v). */
export const KERNEL_STD = 0.05;
/** What a residual block adds is scaled by it (openai/iaf). */
export const RESIDUAL_SCALE = 0.1;

const LIKELIHOODS = ['bernoulli', 'discretized-logistic'] as const;
/** 'bernoulli' for pixels of 0 and 1, 'discretized-logistic' for levels of 0 to 255. */
export type VaeLikelihood = (typeof LIKELIHOODS)[number];

/** The sizes of a VAE with one layer of latent units. */
export interface VaeSizes {
  /**
   * Height and width of an image, in pixels; divisible by 2 for each step from one sequence of residual blocks to the
   * next.
   */
  height: number;
  width: number;
  channels: number;
  /** Feature maps of each sequence of residual blocks in the encoder; the decoder has them in reverse. */
  maps: readonly number[];
  /** Residual blocks in a sequence. */
  blocks: number;
  /** Units of the dense layer between convolutions and z. */
  denseUnits: number;
  /** Units of z. */
  latentUnits: number;
  /** Steps of inverse autoregressive flow; 0 leaves a diagonal Gaussian posterior. */
  flowSteps: number;
  /** Hidden units of each step's network. */
  flowUnits: number;
}

/**
 * Binarised MNIST; maps, blocks and dense units are the paper's, z is openai/iaf's, the flow is ours as the paper gives
 * none.
 */
const MNIST_SIZES: VaeSizes = {
  height: 28,
  width: 28,
  channels: 1,
  maps: [16, 32, 32],
  blocks: 2,
  denseUnits: 450,
  latentUnits: 32,
  flowSteps: 2,
  flowUnits: 320,
};

/** What a VAE can be asked for; sizes that are not given are the defaults of `createVae`. */
export interface VaeOptions extends Partial<VaeSizes> {
  /** 'weight': w = g v/||v|| in every layer. */
  normalization: 'none' | 'weight';
  /** Default 'bernoulli'. */
  likelihood?: VaeLikelihood;
  /** Decides the initial kernels. */
  seed: number;
}

/** A convolutional VAE: an encoder, a flow of the posterior and a decoder. */
export interface VaeNetwork {
  readonly sizes: Readonly<VaeSizes>;
  readonly likelihood: VaeLikelihood;
  /**
   * Images `[batch, height, width, channels]` to mean and log sigma of the Gaussian before the flow,
   * `[batch, 2 latentUnits]`, and the flow's context, `[batch, denseUnits]`.
   */
  readonly encoder: tf.LayersModel;
  readonly flow: Flow;
  /** z `[batch, latentUnits]` to logits or means of the pixels, `[batch, height, width, channels]`. */
  readonly decoder: tf.LayersModel;
  /** Log of the scale of the discretised logistic, a scalar, 0 at first; undefined with 'bernoulli'. */
  readonly logScale: tf.Variable<tf.Rank.R0> | undefined;
  /**
   * Every parameter, all trainable: `encoder_input/kernel` (v), `encoder_input/bias`, `encoder_input/gain` (g), ...
   * Without normalization there is no gain.
   */
  readonly variables: readonly NamedVariable[];
  /** Frees the parameters. */
  dispose(): void;
}

/**
 *   encoder                                            decoder
 *   conv 3x3, 16              [batch, 28, 28, 16]      dense 450, ELU            [batch, 450]
 *   2 residual blocks                                  dense, reshape            [batch, 7, 7, 32]
 *   conv 3x3, 32, stride 2    [batch, 14, 14, 32]      2 residual blocks
 *   2 residual blocks                                  transposed conv, stride 2 [batch, 14, 14, 32]
 *   conv 3x3, 32, stride 2    [batch, 7, 7, 32]        2 residual blocks
 *   2 residual blocks                                  transposed conv, stride 2 [batch, 28, 28, 16]
 *   dense 450, ELU            [batch, 450]             2 residual blocks
 *   dense                     [batch, 64]              conv 3x3, 1               [batch, 28, 28, 1]
 *
 * A residual block is x + 0.1 conv(ELU(conv(ELU(x)))), 3x3 and padded; an ELU comes before every other layer that
 * follows a block. Kernels (v) start as N(0, 0.05) with either normalization, biases as 0, g as ||v||; `initializeVae`
 * may follow.
 * @throws For a size that is not a whole number above 0 (`flowSteps` may be 0) and images that cannot be halved often
 *   enough.
 */
export function createVae({ normalization, likelihood = 'bernoulli', seed, ...given }: VaeOptions): VaeNetwork {
  checkChoice('normalization', normalization, ['none', 'weight']);
  checkChoice('likelihood', likelihood, LIKELIHOODS);
  const sizes = { ...MNIST_SIZES, ...given };
  checkSizes(sizes);
  const { height, width, channels, maps, blocks, denseUnits, latentUnits, flowSteps, flowUnits } = sizes;
  const halvings = maps.length - 1;
  const innermost = [height / 2 ** halvings, width / 2 ** halvings, maps[halvings]];

  const common = (name: string) => ({
    name,
    normalization,
    kernelInitializer: tf.initializers.randomNormal({ mean: 0, stddev: KERNEL_STD }),
    seed: deriveSeed(seed, name),
  });
  const conv = (name: string, filters: number, strides = 1) =>
    conv2d({ ...common(name), filters, kernelSize: 3, strides, padding: 'same' });
  const blocksOf = (name: string, filters: number, input: tf.SymbolicTensor) => {
    let x = input;
    for (let block = 0; block < blocks; block++) {
      const inner = chain(elu(x), conv(`${name}_block${block}_conv0`, filters), tf.layers.elu());
      const scale = tf.layers.rescaling({ scale: RESIDUAL_SCALE });
      const update = chain(inner, conv(`${name}_block${block}_conv1`, filters), scale);
      x = tf.layers.add().apply([x, update]) as tf.SymbolicTensor;
    }
    return x;
  };

  const images = tf.input({ shape: [height, width, channels], name: 'images' });
  const pixels = likelihood === 'bernoulli' ? images : chain(images, tf.layers.rescaling(LEVELS_TO_UNIT));
  let x = chain(pixels, conv('encoder_input', maps[0]));
  maps.forEach((filters, i) => {
    if (i > 0) x = chain(elu(x), conv(`encoder_down${i}`, filters, 2));
    x = blocksOf(`encoder${i}`, filters, x);
  });
  const context = chain(elu(x), tf.layers.flatten(), dense({ ...common('encoder_dense'), units: denseUnits }));
  const h = elu(context);
  const posterior = chain(h, dense({ ...common('posterior'), units: 2 * latentUnits }));
  const encoder = tf.model({ inputs: images, outputs: [posterior, h] });

  const z = tf.input({ shape: [latentUnits], name: 'z' });
  let y = chain(
    z,
    dense({ ...common('decoder_dense'), units: denseUnits }),
    tf.layers.elu(),
    dense({ ...common('decoder_maps'), units: tf.util.sizeFromShape(innermost) }),
    tf.layers.reshape({ targetShape: innermost }),
  );
  for (let i = halvings; i >= 0; i--) {
    y = blocksOf(`decoder${i}`, maps[i], y);
    if (i === 0) continue;
    const args = { ...common(`decoder_up${i}`), filters: maps[i - 1], kernelSize: 3 };
    y = chain(elu(y), conv2dTranspose({ ...args, strides: 2, padding: 'same' }));
  }
  const decoder = tf.model({ inputs: z, outputs: chain(elu(y), conv('decoder_output', channels)) });

  const flow = createFlow({
    ...{ latentUnits, contextUnits: denseUnits, hiddenUnits: flowUnits, steps: flowSteps },
    ...{ normalization, kernelStd: KERNEL_STD, seed },
  });
  const logScale = likelihood === 'bernoulli' ? undefined : tf.tidy(() => tf.variable(tf.scalar(0)));
  return {
    ...{ sizes, likelihood, encoder, flow, decoder, logScale },
    variables: [
      ...trainableVariables(encoder),
      ...flow.variables,
      ...trainableVariables(decoder),
      ...(logScale ? [{ name: 'log_scale', variable: logScale }] : []),
    ],
    dispose() {
      encoder.dispose();
      flow.dispose();
      decoder.dispose();
      logScale?.dispose();
    },
  };
}

function chain(input: tf.SymbolicTensor, ...layers: tf.layers.Layer[]): tf.SymbolicTensor {
  return layers.reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, input);
}

function elu(x: tf.SymbolicTensor): tf.SymbolicTensor {
  return chain(x, tf.layers.elu());
}

function checkSizes({ maps, ...sizes }: VaeSizes): void {
  if (maps.length === 0) throw new Error('maps is []: give the feature maps of one sequence or more');
  const named = [...Object.entries(sizes), ...maps.map((filters, i) => [`maps[${i}]`, filters] as const)];
  for (const [name, value] of named) {
    checkCount(name, value, name === 'flowSteps' ? 0 : 1);
  }
  const factor = 2 ** (maps.length - 1);
  for (const name of ['height', 'width'] as const) {
    if (sizes[name] % factor === 0) continue;
    throw new Error(`${name} is ${sizes[name]}: with ${maps.length} sequences of maps give a multiple of ${factor}`);
  }
}
