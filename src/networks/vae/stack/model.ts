// Functions of tensors of the VAE with several stochastic layers: they read no value and draw no noise, so that they
// can be compiled.
import * as tf from '@tensorflow/tfjs';
import { type DataDependentInitReport, dataDependentInit } from '../../../weightnorm/index.ts';
import { checkShape } from '../../checks.ts';
import { checkFreeBits, checkImages } from '../checks.ts';
import { discretizedLogistic, LEVELS_TO_UNIT, levelsOf } from '../likelihood.ts';
import { gaussianUnitKl, INITIAL_STD, type VaeBound } from '../model.ts';
import { RESIDUAL_SCALE } from '../network.ts';
import { applyMapsFlow } from './flow.ts';
import type { Convolution, StochasticLayer, VaeStack } from './network.ts';

/** N(0, 1), float32, by the name of the stochastic layer, in the shapes of `vaeStackNoiseShapes`. */
export type VaeStackNoise<N extends tf.Tensor = tf.Tensor4D> = Readonly<Record<string, N>>;

/** Images: levels of 0 to 255, float32 `[batch, height, width, channels]`. */
export interface VaeStackInputs<N extends tf.Tensor = tf.Tensor4D> {
  images: tf.Tensor4D;
  noise: VaeStackNoise<N>;
}

// A type and not an interface, so that tf.tidy may return it.
/** The bound of images under a stack of stochastic layers, with the KL divergence of each layer. */
export type VaeStackBound = VaeBound & {
  /** What `kl` sums, `[batch, layers]`, layers as in `network.layers`. */
  layerKl: tf.Tensor2D;
};

/** The shapes of the noise of each stochastic layer, `[batch, height, width, latentMaps]` by its name. */
export function vaeStackNoiseShapes(
  { layers, sizes }: VaeStack,
  batch: number,
): Record<string, [number, number, number, number]> {
  return Object.fromEntries(
    layers.map(({ name, height, width }) => [name, [batch, height, width, sizes.latentMaps] as const]),
  ) as Record<string, [number, number, number, number]>;
}

/**
 * The variational bound of each image with one sample of every z. Train with the gradient of -objective with respect to
 * `network.variables`. The KL divergence of a layer is exact, given the z above it, without a flow; with one it is log
 * q(z | image, z above) - log p(z | z above) of the sample.
 *
 * @param options `freeBits`: nats that each map of each z may carry for free (Kingma et al. 2016, equation 15, each map
 *   a group, as in openai/iaf): the objective is then mean(-reconstruction) - sum over maps of max(freeBits, mean over
 *   the batch of the map's kl, summed over its pixels).
 * @throws For images or noise of another shape, and free bits below 0.
 */
export function vaeStackBound(
  network: VaeStack,
  { images, noise }: VaeStackInputs,
  { freeBits }: { freeBits?: number } = {},
): VaeStackBound {
  checkInputs(network, images, noise);
  checkFreeBits(freeBits);
  return tf.tidy(() => {
    const { means, samples } = infer(network, images, noise);
    // [batch, latentMaps] of each layer.
    const mapKls = samples.map(({ logRatio, exactKl }) => (exactKl ?? logRatio).sum<tf.Tensor2D>([1, 2]));
    const layerKl = tf.stack(
      mapKls.map((mapKl) => mapKl.sum(1)),
      1,
    ) as tf.Tensor2D;
    const kl = layerKl.sum<tf.Tensor1D>(1);
    const reconstruction = tf.neg(discretizedLogistic(images, means, network.logScale));
    const bound = tf.neg(tf.add(reconstruction, kl)) as tf.Tensor1D;
    const objective =
      freeBits === undefined
        ? bound.mean<tf.Scalar>()
        : tf.neg(
            tf.addN([
              reconstruction.mean<tf.Scalar>(),
              ...mapKls.map((mapKl) => tf.maximum(mapKl.mean(0), freeBits).sum<tf.Scalar>()),
            ]),
          );
    return { bound, reconstruction, kl, objective, layerKl };
  });
}

/**
 * log of the mean of p(image, z)/q(z | image) over K samples of all z, in nats, `[batch]`: a lower bound of log
 * p(image) on average, which it approaches with K (Burda et al. 2016, arXiv:1509.00519, equation 8). All samples go
 * down at once, after one bottom-up pass.
 *
 * @param inputs Noise `[samples, batch, height, width, latentMaps]`.
 */
export function vaeStackImportanceBound(
  network: VaeStack,
  { images, noise }: VaeStackInputs<tf.Tensor5D>,
): tf.Tensor1D {
  const batch = images.shape[0];
  const samples = noise[network.layers[0].name]?.shape[0] ?? 1;
  checkImages(network, images);
  checkNoise(network, noise, (shape) => [samples, ...shape], batch);
  return tf.tidy(() => {
    const merged = network.layers.map(({ name }) => {
      const [, , ...rest] = noise[name].shape;
      return [name, noise[name].reshape([samples * batch, ...rest])] as const;
    });
    const { means, samples: drawn } = infer(network, images, Object.fromEntries(merged) as VaeStackNoise, samples);
    const logRatios = drawn.map(({ logRatio }) => logRatio.sum<tf.Tensor1D>([1, 2, 3]));
    const likelihood = discretizedLogistic(images.tile([samples, 1, 1, 1]), means, network.logScale);
    const logWeights = likelihood.sub(tf.addN(logRatios)).reshape([samples, batch]);
    return tf.logSumExp(logWeights, 0).sub<tf.Tensor1D>(Math.log(samples));
  });
}

/**
 * Images that the network makes up: every z from its prior, given the z above it.
 *
 * @returns The middle of each pixel's distribution as a level of 0 to 255, not rounded: `[batch, height, width,
 *   channels]`.
 */
export function vaeStackSample(network: VaeStack, { noise }: { noise: VaeStackNoise }): tf.Tensor4D {
  const batch = noise[network.layers[0].name]?.shape[0] ?? 1;
  checkNoise(network, noise, (shape) => shape, batch);
  return tf.tidy(() => {
    const means = topDown(network, batch, ({ name }, { prior }) =>
      prior.mean.add(prior.logSigma.exp().mul(noise[name])),
    );
    return levelsOf(means);
  });
}

/** What the network makes of images by way of every z: as `vaeStackSample`, each z from its posterior. */
export function vaeStackReconstruct(network: VaeStack, { images, noise }: VaeStackInputs): tf.Tensor4D {
  checkInputs(network, images, noise);
  return tf.tidy(() => levelsOf(infer(network, images, noise).means));
}

/**
 * Data-dependent initialisation: every pre-activation, those of means and log sigmas included, starts with mean 0 and
 * standard deviation 0.1 over this batch and its pixels, each z drawn from its posterior in between. The flow's
 * networks stay at g = ||v||: what they compute is scaled by 0.1, which is a flow near z. Without weight normalization
 * nothing is set.
 *
 * @throws As `dataDependentInit`, such as for a network that was initialised before.
 */
export function initializeVaeStack(network: VaeStack, { images, noise }: VaeStackInputs): DataDependentInitReport {
  checkInputs(network, images, noise);
  const reports: DataDependentInitReport[] = [];
  tf.tidy(() => {
    infer(network, images, noise, 1, (convolution, x) => {
      reports.push(dataDependentInit(convolution, x, { initScale: INITIAL_STD }));
      return convolve(convolution, x);
    });
  });
  return {
    layers: reports.flatMap(({ layers }) => layers),
    warnings: reports.flatMap(({ warnings }) => warnings),
  };
}

/** How a convolution is applied: plainly, or initialised first. */
type Convolve = (convolution: Convolution, x: tf.Tensor4D) => tf.Tensor4D;

const convolve: Convolve = (convolution, x) => convolution.apply(x) as tf.Tensor4D;

/** A Gaussian of z, `[batch, height, width, latentMaps]` each. */
interface Gaussian {
  mean: tf.Tensor4D;
  logSigma: tf.Tensor4D;
}

/**
 * What one pass says of a posterior: the two passes' parts are added. Context `[batch, height, width, maps]`, undefined
 * without a flow.
 */
interface PosteriorPart extends Gaussian {
  context: tf.Tensor4D | undefined;
}

/** A sample of z and what it costs, `[batch, height, width, latentMaps]` each. */
interface Sample {
  z: tf.Tensor4D;
  /** log q(z)/p(z) of the sample. */
  logRatio: tf.Tensor4D;
  /** KL divergence of the posterior from the prior; undefined with a flow, where it is not known. */
  exactKl: tf.Tensor4D | undefined;
}

/**
 * Both passes. Noise and results are for every image `samples` times; what is drawn is in the order of
 * `network.layers`.
 */
function infer(
  network: VaeStack,
  images: tf.Tensor4D,
  noise: VaeStackNoise,
  samples = 1,
  apply: Convolve = convolve,
): { means: tf.Tensor4D; samples: Sample[] } {
  const repeated = (t: tf.Tensor4D) => (samples === 1 ? t : t.tile<tf.Tensor4D>([samples, 1, 1, 1]));
  const up = bottomUp(network, images, apply).map(({ mean, logSigma, context }) => ({
    ...{ mean: repeated(mean), logSigma: repeated(logSigma), context: context && repeated(context) },
  }));
  const drawn: Sample[] = [];
  const draw: Draw = (layer, { prior, posterior }) => {
    const sample = samplePosterior(layer, prior, [up[network.layers.indexOf(layer)], posterior], noise[layer.name]);
    drawn.unshift(sample);
    return sample.z;
  };
  return { means: topDown(network, images.shape[0] * samples, draw, apply), samples: drawn };
}

/** The bottom-up part of every posterior, in the order of `network.layers`. */
function bottomUp({ sizes, input, layers }: VaeStack, images: tf.Tensor4D, apply: Convolve): PosteriorPart[] {
  const { maps, latentMaps } = sizes;
  let h = apply(input, images.mul(LEVELS_TO_UNIT.scale).add(LEVELS_TO_UNIT.offset));
  return layers.map(({ upInput, upOutput, flow, resamples }) => {
    const parts = apply(upInput, tf.elu(h));
    const widths = [latentMaps, latentMaps, maps, ...(flow ? [maps] : [])];
    const [mean, logSigma, hidden, context] = tf.split(parts, widths, 3) as (tf.Tensor4D | undefined)[];
    if (upOutput) {
      const shortcut = resamples ? tf.avgPool(h, 2, 2, 'valid') : h;
      h = shortcut.add(apply(upOutput, tf.elu(hidden!)).mul(RESIDUAL_SCALE));
    }
    return { mean: mean!, logSigma: logSigma!, context };
  });
}

/** z of a layer, from what the top-down pass says. */
type Draw = (layer: StochasticLayer, down: { prior: Gaussian; posterior: PosteriorPart }) => tf.Tensor4D;

/**
 * The top-down pass, from the constant to the means of the pixels, -0.5 to 0.5 or beyond,
 * `[batch, height, width, channels]`.
 */
function topDown(
  { sizes, layers, top, output }: VaeStack,
  batch: number,
  draw: Draw,
  apply: Convolve = convolve,
): tf.Tensor4D {
  const { maps, latentMaps } = sizes;
  const { height, width } = layers.at(-1)!;
  let h = tf.zeros<tf.Rank.R4>([batch, height, width, maps]).add<tf.Tensor4D>(top);
  for (const layer of layers.toReversed()) {
    const widths = [...Array<number>(4).fill(latentMaps), maps, ...(layer.flow ? [maps] : [])];
    const parts = tf.split(apply(layer.downInput, tf.elu(h)), widths, 3) as tf.Tensor4D[];
    const [priorMean, priorLogSigma, mean, logSigma, hidden] = parts;
    const prior = { mean: priorMean, logSigma: priorLogSigma };
    const z = draw(layer, { prior, posterior: { mean, logSigma, context: parts.at(5) } });
    const update = apply(layer.downOutput, tf.elu(tf.concat4d([z, hidden], 3)));
    const shortcut = layer.resamples ? tf.image.resizeNearestNeighbor(h, [2 * layer.height, 2 * layer.width]) : h;
    h = shortcut.add(update.mul(RESIDUAL_SCALE));
  }
  return apply(output, tf.elu(h));
}

/**
 * As log q = -noise^2/2 - log sigma_q - log scale - log(2 pi)/2 and log p = -u^2/2 - log sigma_p - log(2 pi)/2 with u =
 * (z - mean_p)/sigma_p, the flow's scale included. The KL divergence is that from N(0, 1) of u, which is Gaussian as z
 * is.
 */
function samplePosterior(
  { flow }: StochasticLayer,
  prior: Gaussian,
  [up, down]: [PosteriorPart, PosteriorPart],
  noise: tf.Tensor4D,
): Sample {
  const mean = up.mean.add<tf.Tensor4D>(down.mean);
  const logSigma = up.logSigma.add<tf.Tensor4D>(down.logSigma);
  const inPriorUnits = (t: tf.Tensor4D) => t.sub(prior.mean).mul<tf.Tensor4D>(tf.exp(tf.neg(prior.logSigma)));
  const logSigmaRatio = logSigma.sub<tf.Tensor4D>(prior.logSigma);
  const z0 = mean.add<tf.Tensor4D>(logSigma.exp().mul(noise));
  const logRatio = (z: tf.Tensor4D) =>
    inPriorUnits(z).square().sub(noise.square()).mul(0.5).sub<tf.Tensor4D>(logSigmaRatio);
  if (!flow) return { z: z0, logRatio: logRatio(z0), exactKl: gaussianUnitKl(inPriorUnits(mean), logSigmaRatio) };
  const { z, logScale } = applyMapsFlow(flow, z0, up.context!.add(down.context!));
  return { z, logRatio: logRatio(z).sub(logScale), exactKl: undefined };
}

function checkInputs(network: VaeStack, images: tf.Tensor4D, noise: VaeStackNoise): void {
  checkImages(network, images);
  checkNoise(network, noise, (shape) => shape, images.shape[0]);
}

function checkNoise(
  network: VaeStack,
  noise: VaeStackNoise<tf.Tensor>,
  shapeOf: (shape: number[]) => number[],
  batch: number,
): void {
  for (const [name, shape] of Object.entries(vaeStackNoiseShapes(network, batch))) {
    const expected = shapeOf(shape);
    if (!noise[name]) throw new Error(`noise.${name} is missing: this network takes [${expected}]`);
    checkShape(`noise.${name}`, noise[name], expected);
  }
}
