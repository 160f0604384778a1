// The VAE's functions of tensors (Kingma & Welling 2014, arXiv:1312.6114): they read no value and draw no noise, so
// that they can be compiled.
import * as tf from '@tensorflow/tfjs';
import { type DataDependentInitReport, dataDependentInit } from '../../weightnorm/index.ts';
import { checkShape } from '../checks.ts';
import { checkFreeBits, checkImages } from './checks.ts';
import { applyFlow } from './flow.ts';
import { bernoulli, discretizedLogistic, levelsOf } from './likelihood.ts';
import type { VaeNetwork } from './network.ts';

/** Standard deviation of the first pre-activations (openai/iaf). */
export const INITIAL_STD = 0.1;

/**
 * Images, float32 `[batch, height, width, channels]`: 0 or 1 with 'bernoulli', else levels of 0 to 255. Noise: N(0, 1),
 * float32.
 */
export interface VaeInputs<N extends tf.Tensor = tf.Tensor2D> {
  images: tf.Tensor4D;
  noise: N;
}

// A type and not an interface, so that tf.tidy may return it.
/** The bound of images under a VAE, its two parts, and what training maximises. */
export type VaeBound = {
  /** Lower bound of log p(image), in nats, `[batch]`: -(reconstruction + kl). */
  bound: tf.Tensor1D;
  /** -log p(image | z), in nats, `[batch]`. */
  reconstruction: tf.Tensor1D;
  /**
   * KL divergence of the posterior from the prior N(0, 1), in nats, `[batch]`: exact without a flow, with one log
   * q(z|image) - log p(z) of the sample.
   */
  kl: tf.Tensor1D;
  /** What training maximises, a scalar, in nats an image: mean(bound), or with free bits a bound of it. */
  objective: tf.Scalar;
};

/**
 * The variational bound of each image with one sample of z. Train with the gradient of -objective with respect to
 * `network.variables`.
 *
 * @param inputs Noise `[batch, latentUnits]`.
 * @param options `freeBits`: nats that each unit of z may carry for free (Kingma et al. 2016, equation 15, each unit a
 *   group of its own): the objective is then mean(-reconstruction) - sum over units of max(freeBits, mean(kl of the
 *   unit)).
 * @throws For images or noise of another shape, and free bits below 0.
 */
export function vaeBound(
  network: VaeNetwork,
  { images, noise }: VaeInputs,
  { freeBits }: { freeBits?: number } = {},
): VaeBound {
  checkInputs(network, images, noise);
  checkFreeBits(freeBits);
  return tf.tidy(() => {
    const posterior = encode(network, images);
    const { z, logRatio } = sample(network, posterior, noise);
    const unitKl = network.sizes.flowSteps > 0 ? logRatio : gaussianUnitKl(posterior.mean, posterior.logSigma);
    const kl = unitKl.sum<tf.Tensor1D>(1);
    const reconstruction = tf.neg(logLikelihood(network, images, z));
    const bound = tf.neg(tf.add(reconstruction, kl)) as tf.Tensor1D;
    const objective =
      freeBits === undefined
        ? bound.mean<tf.Scalar>()
        : tf.neg<tf.Scalar>(reconstruction.mean().add(tf.maximum(unitKl.mean(0), freeBits).sum()));
    return { bound, reconstruction, kl, objective };
  });
}

/**
 * log of the mean of p(image, z)/q(z | image) over K samples of z, in nats, `[batch]`: a lower bound of log p(image) on
 * average, which it approaches with K (Burda et al. 2016, arXiv:1509.00519, equation 8). All samples are decoded at
 * once.
 *
 * @param inputs Noise `[samples, batch, latentUnits]`.
 */
export function vaeImportanceBound(network: VaeNetwork, { images, noise }: VaeInputs<tf.Tensor3D>): tf.Tensor1D {
  const [samples, batch] = noise.shape;
  const { latentUnits } = network.sizes;
  checkImages(network, images);
  checkShape('noise', noise, [samples, images.shape[0], latentUnits]);
  return tf.tidy(() => {
    const { mean, logSigma, context } = encode(network, images);
    const repeated = (t: tf.Tensor2D) => t.tile<tf.Tensor2D>([samples, 1]);
    const posterior = { mean: repeated(mean), logSigma: repeated(logSigma), context: repeated(context) };
    const { z, logRatio } = sample(network, posterior, noise.reshape([samples * batch, latentUnits]));
    const likelihood = logLikelihood(network, images.tile([samples, 1, 1, 1]), z);
    const logWeights = likelihood.sub(logRatio.sum(1)).reshape([samples, batch]);
    return tf.logSumExp(logWeights, 0).sub<tf.Tensor1D>(Math.log(samples));
  });
}

/**
 * Images that the network makes up: z from the prior.
 *
 * @param inputs Noise `[batch, latentUnits]`: z itself.
 * @returns Probabilities of 1, or with the discretised logistic its middle as a level of 0 to 255, not rounded:
 *   `[batch, height, width, channels]`.
 */
export function vaeSample(network: VaeNetwork, { noise }: { noise: tf.Tensor2D }): tf.Tensor4D {
  checkShape('noise', noise, [noise.shape[0], network.sizes.latentUnits]);
  return tf.tidy(() => pixels(network, noise));
}

/** What the network makes of images by way of z: as `vaeSample`, z from the posterior. Noise `[batch, latentUnits]`. */
export function vaeReconstruct(network: VaeNetwork, { images, noise }: VaeInputs): tf.Tensor4D {
  checkInputs(network, images, noise);
  return tf.tidy(() => pixels(network, sample(network, encode(network, images), noise).z));
}

/**
 * Data-dependent initialisation: every pre-activation of encoder and decoder starts with mean 0 and standard deviation
 * 0.1 over this batch, z drawn from the posterior in between. The flow's networks stay at g = ||v||: their
 * pre-activations are small at first, which is a flow near z. Without weight normalization nothing is set.
 *
 * @param inputs Noise `[batch, latentUnits]`.
 * @throws As `dataDependentInit`, such as for a network that was initialised before.
 */
export function initializeVae(network: VaeNetwork, { images, noise }: VaeInputs): DataDependentInitReport {
  checkInputs(network, images, noise);
  const encoder = dataDependentInit(network.encoder, images, { initScale: INITIAL_STD });
  const z = tf.tidy(() => sample(network, encode(network, images), noise).z);
  const decoder = dataDependentInit(network.decoder, z, { initScale: INITIAL_STD });
  z.dispose();
  return {
    layers: [...encoder.layers, ...decoder.layers],
    warnings: [...encoder.warnings, ...decoder.warnings],
  };
}

/** A bound in nats an image, any shape, as bits a dimension: -bound/(height width channels ln 2). Lower is better. */
export function bitsPerDimension(
  { sizes }: { readonly sizes: Pick<VaeNetwork['sizes'], 'height' | 'width' | 'channels'> },
  bound: tf.Tensor,
): tf.Tensor {
  const { height, width, channels } = sizes;
  return tf.mul(bound, -1 / (height * width * channels * Math.LN2));
}

/**
 * KL(N(mean, sigma^2) || N(0, 1)) of each unit, in nats, in the shape of the mean (Kingma & Welling 2014, appendix B).
 */
export function gaussianUnitKl<T extends tf.Tensor>(mean: T, logSigma: T): T {
  return tf.tidy(() => mean.square().add(logSigma.mul(2).exp()).sub(1).mul(0.5).sub(logSigma));
}

/** What the encoder says: mean and log sigma, `[batch, latentUnits]`, and context, `[batch, denseUnits]`. */
interface Posterior {
  mean: tf.Tensor2D;
  logSigma: tf.Tensor2D;
  context: tf.Tensor2D;
}

function encode({ encoder }: VaeNetwork, images: tf.Tensor4D): Posterior {
  const [gaussian, context] = encoder.apply(images) as tf.Tensor2D[];
  const [mean, logSigma] = tf.split<tf.Tensor2D>(gaussian, 2, 1);
  return { mean, logSigma, context };
}

/**
 * z from the posterior, and log q(z)/p(z) of each unit, `[batch, latentUnits]`: as log q = -noise^2/2 - log sigma - log
 * scale - log(2 pi)/2 and log p = -z^2/2 - log(2 pi)/2.
 */
function sample(
  { flow }: VaeNetwork,
  { mean, logSigma, context }: Posterior,
  noise: tf.Tensor2D,
): { z: tf.Tensor2D; logRatio: tf.Tensor2D } {
  const { z, logScale } = applyFlow(flow, mean.add(logSigma.exp().mul(noise)), context);
  const squares = z.square().sub(noise.square()).mul(0.5);
  return { z, logRatio: squares.sub(logSigma).sub(logScale) };
}

/** log p(image | z), `[batch]`. */
function logLikelihood({ decoder, logScale }: VaeNetwork, images: tf.Tensor4D, z: tf.Tensor2D): tf.Tensor1D {
  const output = decoder.apply(z) as tf.Tensor4D;
  return logScale ? discretizedLogistic(images, output, logScale) : bernoulli(images, output);
}

function pixels({ decoder, likelihood }: VaeNetwork, z: tf.Tensor2D): tf.Tensor4D {
  const output = decoder.apply(z) as tf.Tensor4D;
  return likelihood === 'bernoulli' ? tf.sigmoid(output) : levelsOf(output);
}

function checkInputs(network: VaeNetwork, images: tf.Tensor4D, noise: tf.Tensor2D): void {
  checkImages(network, images);
  checkShape('noise', noise, [images.shape[0], network.sizes.latentUnits]);
}
