// One step of inverse autoregressive flow on feature maps (Kingma et al. 2016, arXiv:1606.04934) by masked
// convolutions, as openai/iaf has it.
import * as tf from '@tensorflow/tfjs';
import type { NamedVariable } from '../../../optimizers/index.ts';
import { createMaskedLayers, type MaskedOptions } from '../masked.ts';

/** m and s are scaled by it, so that the step starts near z (openai/iaf). */
const STEP_SCALE = 0.1;
const KERNEL_SIZE = 3;

/** What a flow over feature maps can be asked for. */
export interface MapsFlowOptions extends MaskedOptions {
  /** What the names of its layers begin with. */
  name: string;
  /** Feature maps of z. */
  latentMaps: number;
  /** Feature maps of both hidden layers, and of the context. */
  hiddenMaps: number;
}

/** The network of one step of inverse autoregressive flow over feature maps; `applyMapsFlow` applies it. */
export interface MapsFlow {
  /**
   * m and s, `[batch, height, width, latentMaps]` each, from z of that shape and the context, `[batch, height, width,
   * hiddenMaps]`. Those of an element depend on the context and on elements of z before it, and on no other: before it
   * are the rows above, in its row the pixels to the left, and in its pixel the maps with a lower number.
   */
  network(z: tf.Tensor4D, context: tf.Tensor4D): { m: tf.Tensor4D; s: tf.Tensor4D };
  /** `NAME_hidden0/kernel` (v), `NAME_hidden0/gain` (g), `NAME_hidden0/bias`, `NAME_hidden1/...`, `NAME_output/...`. */
  readonly variables: readonly NamedVariable[];
  /** Frees the variables. */
  dispose(): void;
}

/** Three masked 3x3 convolutions with ELU between; the context is added to the first one's output. */
export function createMapsFlow(options: MapsFlowOptions): MapsFlow {
  const { name, latentMaps, hiddenMaps } = options;
  const layers = createMaskedLayers(options);
  const maskedConv = (part: string, connections: number[][]): ((x: tf.Tensor4D) => tf.Tensor4D) => {
    const { kernel, bias } = layers.add(`${name}_${part}`, causalMask(connections));
    return (x) => tf.conv2d(x, kernel() as tf.Tensor4D, 1, 'same').add(bias);
  };
  // Within a pixel: a hidden map of degree k sees the maps of z up to number k, and map i of m and s sees hidden maps
  // of a degree below i.
  const places = Array.from({ length: latentMaps }, (_, i) => i);
  const degrees = Array.from({ length: hiddenMaps }, (_, j) => Math.floor((j * latentMaps) / hiddenMaps));
  const toHidden = (from: number[]) => from.map((place) => degrees.map((degree) => Number(place <= degree)));
  const hidden0 = maskedConv('hidden0', toHidden(places));
  const hidden1 = maskedConv('hidden1', toHidden(degrees));
  const output = maskedConv(
    'output',
    degrees.map((degree) => [...places, ...places].map((place) => Number(degree < place))),
  );
  return {
    network(z, context) {
      const hidden = tf.elu(hidden1(tf.elu(hidden0(z).add(context))));
      const [m, s] = tf.split<tf.Tensor4D>(output(hidden).mul(STEP_SCALE), 2, 3);
      return { m, s };
    },
    variables: layers.variables,
    dispose: layers.dispose,
  };
}

/** `[3, 3, in, out]`: 1 for pixels before the middle in raster order, `connections` in the middle, 0 after it. */
function causalMask(connections: number[][]): tf.Tensor4D {
  return tf.tidy(() => {
    const middle = tf.tensor2d(connections);
    const half = (KERNEL_SIZE * KERNEL_SIZE - 1) / 2;
    const pixels = [
      ...Array.from({ length: half }, () => tf.onesLike(middle)),
      middle,
      ...Array.from({ length: half }, () => tf.zerosLike(middle)),
    ];
    return tf.stack(pixels).reshape([KERNEL_SIZE, KERNEL_SIZE, ...middle.shape]);
  });
}

/**
 * z <- (z - m) exp(-s). The Jacobian is triangular in raster order, with exp(-s) on its diagonal.
 *
 * @param z `[batch, height, width, latentMaps]`
 * @param context `[batch, height, width, hiddenMaps]`
 * @returns z, and the log of the diagonal in its shape: the sum over an example is log |det dz/dz_0|.
 */
export function applyMapsFlow(
  { network }: MapsFlow,
  z: tf.Tensor4D,
  context: tf.Tensor4D,
): { z: tf.Tensor4D; logScale: tf.Tensor4D } {
  return tf.tidy(() => {
    const { m, s } = network(z, context);
    const logScale = tf.neg(s);
    return { z: z.sub<tf.Tensor4D>(m).mul(logScale.exp()), logScale };
  });
}
