// The layers of the VAE with several stochastic layers for CIFAR-10 (Salimans & Kingma 2016, section 5.2), after Kingma
// et al. 2016 (arXiv:1606.04934, section 6.2) and its code, openai/iaf.
import * as tf from '@tensorflow/tfjs';
import type { NamedVariable } from '../../../optimizers/index.ts';
import { deriveSeed } from '../../../random/index.ts';
import { conv2d, conv2dTranspose, type NormalizedLayer } from '../../../weightnorm/index.ts';
import { checkCount } from '../../checks.ts';
import { trainableVariables } from '../../variables.ts';
import { checkChoice } from '../checks.ts';
import { KERNEL_STD } from '../network.ts';
import { createMapsFlow, type MapsFlow } from './flow.ts';

/** The sizes of a VAE with a stack of stochastic layers. */
export interface VaeStackSizes {
  /** Height and width of an image, in pixels; divisible by 2 for each level. */
  height: number;
  width: number;
  channels: number;
  /** Feature maps everywhere but in z. */
  maps: number;
  /** Feature maps of each z. */
  latentMaps: number;
  /**
   * Stochastic layers of each level. The first level has half the height and width of the image, each other one half of
   * the level's before.
   */
  levels: readonly number[];
}

/**
 * The paper gives no sizes. These are the defaults of openai/iaf (tf_train.py), but 64 maps, as its README's example
 * has, for 160: an image takes 283 million multiply-adds, near the 400 million of the ConvPool-CNN-C, for 1.3 thousand
 * million.
 */
const CIFAR10_SIZES: VaeStackSizes = {
  height: 32,
  width: 32,
  channels: 3,
  maps: 64,
  latentMaps: 32,
  levels: [2, 2],
};

/** What a stack can be asked for; sizes that are not given are the defaults of `createVaeStack`. */
export interface VaeStackOptions extends Partial<VaeStackSizes> {
  /** 'weight': w = g v/||v|| in every layer. */
  normalization: 'none' | 'weight';
  /** A step of inverse autoregressive flow in each posterior; false leaves diagonal Gaussians. Default true. */
  flow?: boolean;
  /** Decides the initial kernels. */
  seed: number;
}

/** One convolution, its bias included. */
export type Convolution = tf.LayersModel;

/**
 * The layers of one z. In the bottom-up pass they take h, `[batch, height, width, maps]`, or twice the height and width
 * where the layer resamples; in the top-down pass h of the former shape.
 */
export interface StochasticLayer {
  /** Name of the layer, such as `level0_layer0`. */
  readonly name: string;
  /** Height and width of z, in pixels. */
  readonly height: number;
  readonly width: number;
  /**
   * Whether it is the first of a level below the image's: its bottom-up pass halves height and width, its top-down pass
   * doubles them.
   */
  readonly resamples: boolean;
  /**
   * Bottom-up: ELU(h) to the posterior's mean and log sigma (latentMaps each), hidden and, with a flow, context maps
   * (`maps` each).
   */
  readonly upInput: Convolution;
  /** ELU(hidden) to what the layer adds to h. Undefined in the topmost layer: no other would see it. */
  readonly upOutput: Convolution | undefined;
  /**
   * Top-down: ELU(h) to the prior's mean and log sigma, the posterior's (latentMaps each), hidden and, with a flow,
   * context maps (`maps` each).
   */
  readonly downInput: Convolution;
  /** ELU([z, hidden]) to what the layer adds to h. */
  readonly downOutput: Convolution;
  readonly flow: MapsFlow | undefined;
}

/** A VAE with a stack of stochastic layers, which goes up from the image and comes down again. */
export interface VaeStack {
  readonly sizes: Readonly<VaeStackSizes>;
  /** Pixels, -0.5 to 0.5, to h of the first level. */
  readonly input: Convolution;
  /** The stochastic layers, from the image up. */
  readonly layers: readonly StochasticLayer[];
  /** h of the topmost layer in the top-down pass at every pixel, `[maps]`: N(0, 0.05) at first. */
  readonly top: tf.Variable<tf.Rank.R1>;
  /** ELU(h) of the first level to the means of the pixels. */
  readonly output: Convolution;
  /** Log of the scale of the discretised logistic, a scalar, 0 at first. */
  readonly logScale: tf.Variable<tf.Rank.R0>;
  /**
   * Every parameter, all trainable: `input/kernel` (v), `input/bias`, `input/gain` (g),
   * `level0_layer0_up_input/kernel`, ... Without normalization there is no gain.
   */
  readonly variables: readonly NamedVariable[];
  /** Frees the parameters. */
  dispose(): void;
}

/**
 * A ladder of residual layers, each with a z of its own. The posterior of a z has a bottom-up part, from the image, and
 * a top-down part, from the z above it:
 *
 *   bottom-up                                       top-down
 *   conv 5x5, stride 2        [batch, 16, 16, 64]   learned constant          [batch, 8, 8, 64]
 *   2 layers of level 0       [batch, 16, 16, 64]   2 layers of level 1       [batch, 16, 16, 64]
 *   2 layers of level 1       [batch, 8, 8, 64]     2 layers of level 0       [batch, 16, 16, 64]
 *                                                   ELU, transposed conv 5x5, stride 2 [batch, 32, 32, 3]
 *
 *   layer, bottom-up: mean_q', log sigma_q', hidden, context' = conv(ELU(h));  h <- h + 0.1 conv(ELU(hidden))
 *   layer, top-down:  mean_p, log sigma_p, mean_q'', log sigma_q'', hidden, context'' = conv(ELU(h));
 *                     z ~ N(mean_q' + mean_q'', exp(log sigma_q' + log sigma_q'')^2),
 *                     then the flow with context' + context'';
 *                     h <- h + 0.1 conv(ELU([z, hidden]))
 *
 * Convolutions in layers are 3x3. The first layer of a further level has stride 2 in its first bottom-up convolution
 * and a transposed one in its last top-down; its h is averaged over 2x2 pixels bottom-up (openai/iaf takes one of the
 * four) and repeated top-down. Kernels (v) start as N(0, 0.05) with either normalization, biases as 0, g as ||v||;
 * `initializeVaeStack` may follow.
 * @throws For a size that is not a whole number above 0 and images that cannot be halved often enough.
 */
export function createVaeStack({ normalization, flow = true, seed, ...given }: VaeStackOptions): VaeStack {
  checkChoice('normalization', normalization, ['none', 'weight']);
  const sizes = { ...CIFAR10_SIZES, ...given };
  checkSizes(sizes);
  const { height, width, channels, maps, latentMaps, levels } = sizes;

  const models: Convolution[] = [];
  const convolution = (
    name: string,
    inputShape: number[],
    filters: number,
    { kernelSize = 3, strides = 1, transposed = false } = {},
  ): Convolution => {
    const layer: NormalizedLayer = (transposed ? conv2dTranspose : conv2d)({
      ...{ name, filters, kernelSize, strides, padding: 'same', normalization },
      kernelInitializer: tf.initializers.randomNormal({ mean: 0, stddev: KERNEL_STD }),
      seed: deriveSeed(seed, name),
    });
    const inputs = tf.input({ shape: inputShape });
    const model = tf.model({ inputs, outputs: layer.apply(inputs) as tf.SymbolicTensor });
    models.push(model);
    return model;
  };

  const ends = { kernelSize: 5, strides: 2 };
  const input = convolution('input', [height, width, channels], maps, ends);
  const places = levels.flatMap((count, level) => Array.from({ length: count }, (_, i) => ({ level, i })));
  const layers = places.map(({ level, i }, place): StochasticLayer => {
    const name = `level${level}_layer${i}`;
    const inside = { height: height / 2 ** (level + 1), width: width / 2 ** (level + 1) };
    const resamples = level > 0 && i === 0;
    const strides = resamples ? 2 : 1;
    const shape = (filters: number) => [inside.height, inside.width, filters];
    const contextMaps = flow ? maps : 0;
    return {
      ...{ name, ...inside, resamples },
      upInput: convolution(
        `${name}_up_input`,
        [inside.height * strides, inside.width * strides, maps],
        2 * latentMaps + maps + contextMaps,
        { strides },
      ),
      upOutput: place === places.length - 1 ? undefined : convolution(`${name}_up_output`, shape(maps), maps),
      downInput: convolution(`${name}_down_input`, shape(maps), 4 * latentMaps + maps + contextMaps),
      downOutput: convolution(`${name}_down_output`, shape(latentMaps + maps), maps, {
        ...{ strides, transposed: resamples },
      }),
      flow: flow
        ? createMapsFlow({
            ...{ name: `${name}_flow`, latentMaps, hiddenMaps: maps },
            ...{ normalization, kernelStd: KERNEL_STD, seed },
          })
        : undefined,
    };
  });
  const output = convolution('output', [height / 2, width / 2, maps], channels, { ...ends, transposed: true });
  const top = tf.tidy(() =>
    tf.variable(tf.randomNormal<tf.Rank.R1>([maps], 0, KERNEL_STD, 'float32', deriveSeed(seed, 'top'))),
  );
  const logScale = tf.tidy(() => tf.variable(tf.scalar(0)));
  return {
    ...{ sizes, input, layers, top, output, logScale },
    variables: [
      ...models.flatMap(trainableVariables),
      ...layers.flatMap((layer) => layer.flow?.variables ?? []),
      { name: 'top', variable: top },
      { name: 'log_scale', variable: logScale },
    ],
    dispose() {
      for (const model of models) model.dispose();
      for (const layer of layers) layer.flow?.dispose();
      tf.dispose([top, logScale]);
    },
  };
}

function checkSizes({ levels, ...sizes }: VaeStackSizes): void {
  if (levels.length === 0) throw new Error('levels is []: give the stochastic layers of one level or more');
  for (const [name, value] of Object.entries(sizes)) checkCount(name, value);
  levels.forEach((count, i) => {
    checkCount(`levels[${i}]`, count);
  });
  const factor = 2 ** levels.length;
  for (const name of ['height', 'width'] as const) {
    if (sizes[name] % factor === 0) continue;
    throw new Error(`${name} is ${sizes[name]}: with levels [${levels}] give a multiple of ${factor}`);
  }
}
