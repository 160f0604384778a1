// DRAW's functions of tensors (Gregor et al. 2015, arXiv:1502.04623): they read no value and draw no noise, so that
// they can be compiled.
import * as tf from '@tensorflow/tfjs';
import { checkShape } from '../checks.ts';
import { drawRead, drawWrite, filtersOf } from './attention.ts';
import type { Affine, DrawNetwork, DrawSizes, DrawWeights, LstmWeights } from './parameters.ts';

/** Output and cell of an LSTM, `[batch, units]` each. */
interface LstmState {
  output: tf.Tensor2D;
  cell: tf.Tensor2D;
}

/** What goes from one time step to the next; all 0 at first. */
export interface DrawState {
  encoder: LstmState;
  decoder: LstmState;
  /** c_t, logits of the pixels, `[batch, height, width]`. */
  canvas: tf.Tensor3D;
}

/** A network with its weights worked out. */
interface Applied {
  sizes: Readonly<DrawSizes>;
  weights: DrawWeights;
}

// A type and not an interface, so that tf.tidy may return it.
/** The bound of images under DRAW and its two parts. */
export type DrawBound = {
  /** Lower bound of log p(image), in nats, `[batch]`: -(reconstruction + kl). */
  bound: tf.Tensor1D;
  /** Binary cross-entropy summed over pixels (equation 9), in nats, `[batch]`. */
  reconstruction: tf.Tensor1D;
  /**
   * KL divergence of the latent units from their prior summed over steps and units (equation 10), in nats, `[batch]`.
   */
  kl: tf.Tensor1D;
};

/**
 * The variational bound of each image (equation 12), with one sample of z a step. Train with the gradient of
 * -mean(bound) with respect to `network.variables`.
 *
 * @param network Made by `createDraw`.
 * @param inputs The images and the noise.
 * @param inputs.images Pixels in [0, 1], for a proper bound 0 or 1, float32 `[batch, height, width]`.
 * @param inputs.noise N(0, 1), float32 `[steps, batch, latentUnits]`, as `drawNoiseShape` says.
 * @throws For images or noise of another shape.
 */
export function drawBound(
  network: DrawNetwork,
  { images, noise }: { images: tf.Tensor3D; noise: tf.Tensor3D },
): DrawBound {
  const { height, width } = network.sizes;
  const batch = images.shape[0];
  checkShape('images', images, [batch, height, width]);
  checkShape('noise', noise, drawNoiseShape(network, batch));
  return tf.tidy(() => {
    const applied = { sizes: network.sizes, weights: network.weights() };
    let state = initialState(network.sizes, batch);
    const divergences: tf.Tensor1D[] = [];
    for (const epsilon of tf.unstack(noise) as tf.Tensor2D[]) {
      const step = drawStep(applied, state, images, epsilon);
      state = step.state;
      divergences.push(step.kl);
    }
    // -log Bernoulli(x | sigmoid(c)) = softplus(c) - x c
    const crossEntropy = tf.softplus(state.canvas).sub(images.mul(state.canvas)); // [batch, height, width]
    const reconstruction = crossEntropy.sum<tf.Tensor1D>([1, 2]);
    const kl = tf.addN(divergences);
    return { bound: tf.neg(tf.add(reconstruction, kl)), reconstruction, kl };
  });
}

/**
 * One time step of inference and generation (equations 3-8).
 *
 * @param images `[batch, height, width]`
 * @param noise `[batch, latentUnits]`
 * @returns The next state, and the step's KL divergence, `[batch]`.
 */
export function drawStep(
  applied: Applied,
  state: DrawState,
  images: tf.Tensor3D,
  noise: tf.Tensor2D,
): { state: DrawState; kl: tf.Tensor1D } {
  const { sizes, weights } = applied;
  const error = images.sub<tf.Tensor3D>(tf.sigmoid(state.canvas)); // x^_t, [batch, height, width]
  const where = linear(state.decoder.output, weights.readAttention); // [batch, 5]
  const filters = filtersOf(where, { ...sizes, windowSize: sizes.readSize });
  const glimpse = [drawRead(images, filters), drawRead(error, filters)].map((window) =>
    window.reshape<tf.Tensor2D>([window.shape[0], sizes.readSize ** 2]),
  );
  const encoder = lstm(tf.concat2d([...glimpse, state.decoder.output], 1), state.encoder, weights.encoder);
  const [mean, logSigma] = tf.split(linear(encoder.output, weights.latent), 2, 1); // [batch, latentUnits] each
  const z = mean.add<tf.Tensor2D>(logSigma.exp().mul(noise));
  return { state: { encoder, ...generate(applied, state, z) }, kl: gaussianKl(mean, logSigma) };
}

/** The generating half of a step: the decoder takes z and writes. */
function generate(
  { sizes, weights }: Applied,
  { decoder: before, canvas }: Pick<DrawState, 'decoder' | 'canvas'>,
  z: tf.Tensor2D,
): Pick<DrawState, 'decoder' | 'canvas'> {
  const { writeSize } = sizes;
  const decoder = lstm(z, before, weights.decoder);
  const where = linear(decoder.output, weights.writeAttention); // [batch, 5]
  const window = linear(decoder.output, weights.writeWindow).reshape<tf.Tensor3D>([-1, writeSize, writeSize]);
  const stroke = drawWrite(window, filtersOf(where, { ...sizes, windowSize: writeSize })); // [batch, height, width]
  return { decoder, canvas: canvas.add(stroke) };
}

/**
 * Images that the network makes up (section 2.3): z from the prior, N(0, 1).
 *
 * @param noise z, float32 `[steps, batch, latentUnits]`, as `drawNoiseShape` says.
 * @returns Probabilities of the pixels after each step, `[steps, batch, height, width]`: the last are the images, those
 *   before show how they came about.
 */
export function drawSample(network: DrawNetwork, { noise }: { noise: tf.Tensor3D }): tf.Tensor4D {
  const batch = noise.shape[1];
  checkShape('noise', noise, drawNoiseShape(network, batch));
  return tf.tidy(() => {
    const applied = { sizes: network.sizes, weights: network.weights() };
    let state: Pick<DrawState, 'decoder' | 'canvas'> = initialState(network.sizes, batch);
    const canvases = (tf.unstack(noise) as tf.Tensor2D[]).map((z) => {
      state = generate(applied, state, z);
      return state.canvas;
    });
    return tf.sigmoid(tf.stack(canvases)) as tf.Tensor4D;
  });
}

/**
 * The shape of the noise that `drawBound` and `drawSample` take, standard normal numbers.
 * @param batch How many images.
 * @returns [steps, batch, latentUnits].
 */
export function drawNoiseShape({ sizes }: DrawNetwork, batch: number): [number, number, number] {
  return [sizes.steps, batch, sizes.latentUnits];
}

/**
 * KL(N(mean, sigma^2) || N(0, 1)) = sum over units of (mean^2 + sigma^2 - 1)/2 - log sigma, in nats: `[batch, units]`
 * to `[batch]`. Equation 11 has the 1/2 once a step where it belongs to every unit.
 */
export function gaussianKl(mean: tf.Tensor, logSigma: tf.Tensor): tf.Tensor1D {
  return tf.tidy(() => {
    const variance = logSigma.mul(2).exp();
    return mean.square().add(variance).sub(1).mul(0.5).sub(logSigma).sum<tf.Tensor1D>(1);
  });
}

/** An LSTM with peepholes (Graves 2013, arXiv:1308.0850, equations 7-11). */
function lstm(
  x: tf.Tensor2D,
  { output, cell }: LstmState,
  { recurrentKernel, peepholes, ...input }: LstmWeights,
): LstmState {
  const gates = linear(x, input).add(tf.matMul(output, recurrentKernel)); // [batch, 4 units]
  const [i, f, candidate, o] = tf.split(gates, 4, 1);
  const [toInput, toForget, toOutput] = tf.unstack(peepholes); // [units]
  const kept = tf.sigmoid(f.add(cell.mul(toForget))).mul(cell);
  const added = tf.sigmoid(i.add(cell.mul(toInput))).mul(tf.tanh(candidate));
  const next = kept.add<tf.Tensor2D>(added);
  return { cell: next, output: tf.sigmoid(o.add(next.mul(toOutput))).mul(tf.tanh(next)) };
}

function linear(x: tf.Tensor2D, { kernel, bias }: Affine): tf.Tensor2D {
  return tf.matMul(x, kernel).add(bias);
}

function initialState({ height, width, encoderUnits, decoderUnits }: DrawSizes, batch: number): DrawState {
  const zeros = (units: number) => ({
    output: tf.zeros<tf.Rank.R2>([batch, units]),
    cell: tf.zeros<tf.Rank.R2>([batch, units]),
  });
  return { encoder: zeros(encoderUnits), decoder: zeros(decoderUnits), canvas: tf.zeros([batch, height, width]) };
}
