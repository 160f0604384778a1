// Inverse autoregressive flow (Kingma et al. 2016, arXiv:1606.04934) by masked dense networks (MADE, Germain et al.
// 2015, arXiv:1502.03509).
import * as tf from '@tensorflow/tfjs';
import type { NamedVariable } from '../../optimizers/index.ts';
import { createMaskedLayers, type MaskedOptions } from './masked.ts';

/**
 * Added to s, so that a step starts near z (section 4 of Kingma et al.: "+1 or +2"), as the forget gate's bias of an
 * LSTM.
 */
const GATE_BIAS = 2;

/** What a flow over units can be asked for. */
export interface FlowOptions extends MaskedOptions {
  /** Units of z. */
  latentUnits: number;
  /** Units of the context, which the encoder gives beside z. */
  contextUnits: number;
  /** Units of the hidden layer of each step's network. */
  hiddenUnits: number;
  /** How many steps the flow has, 0 for none. */
  steps: number;
}

/**
 * m and s of one step, `[batch, latentUnits]` each, from z, `[batch, latentUnits]`, and the context,
 * `[batch, contextUnits]`. Those of a unit depend on the context and on the units of z before it in the step's order,
 * and on no other.
 */
export type AutoregressiveNetwork = (z: tf.Tensor2D, context: tf.Tensor2D) => { m: tf.Tensor2D; s: tf.Tensor2D };

/**
 * The networks of an inverse autoregressive flow (Kingma et al. 2016) over the units of z; `applyFlow` applies
 * them.
 */
export interface Flow {
  /** One for each step. The units' order is that of z in even steps, counted from 0, and the reverse in odd ones. */
  readonly networks: readonly AutoregressiveNetwork[];
  /**
   * `flow0_hidden/kernel` (v), `flow0_hidden/gain` (g), `flow0_hidden/bias`, `flow0_output/kernel`, ...; without
   * normalization there is no gain.
   */
  readonly variables: readonly NamedVariable[];
  /** Frees the variables. */
  dispose(): void;
}

/**
 * Networks of one hidden layer with ELU. A hidden unit sees the context and the first units of z in the step's order,
 * as many as its degree says.
 */
export function createFlow(options: FlowOptions): Flow {
  const { latentUnits, contextUnits, hiddenUnits, steps } = options;
  const layers = createMaskedLayers(options);
  const maskedDense = (name: string, connections: number[][]): ((x: tf.Tensor2D) => tf.Tensor2D) => {
    const { kernel, bias } = layers.add(name, tf.tensor2d(connections));
    return (x) => tf.matMul(x, kernel() as tf.Tensor2D).add(bias);
  };
  const networks = Array.from({ length: steps }, (_, step): AutoregressiveNetwork => {
    // What is before what: a unit's place in the order; a hidden unit of degree k sees the first k units of z.
    const places = Array.from({ length: latentUnits }, (_, i) => (step % 2 === 0 ? i : latentUnits - 1 - i));
    const degrees = Array.from({ length: hiddenUnits }, (_, j) => j % latentUnits);
    const toHidden = [
      ...places.map((place) => degrees.map((degree) => Number(place < degree))),
      ...Array.from({ length: contextUnits }, () => degrees.map(() => 1)),
    ];
    const toOutput = degrees.map((degree) => [...places, ...places].map((place) => Number(degree <= place)));
    const hidden = maskedDense(`flow${step}_hidden`, toHidden);
    const output = maskedDense(`flow${step}_output`, toOutput);
    return (z, context) => {
      const [m, s] = tf.split<tf.Tensor2D>(output(tf.elu(hidden(tf.concat2d([z, context], 1)))), 2, 1);
      return { m, s };
    };
  });
  return { networks, variables: layers.variables, dispose: layers.dispose };
}

/**
 * z through every step (algorithm 1): with gate = sigmoid(s + 2), z <- gate z + (1 - gate) m. The step's Jacobian is
 * triangular in its order, with the gates on its diagonal.
 *
 * @param z `[batch, latentUnits]`
 * @param context `[batch, contextUnits]`
 * @returns z, and for each unit the sum of log gate over steps, `[batch, latentUnits]`: its sum over units is log |det
 *   dz/dz_0|.
 */
export function applyFlow(
  { networks }: Flow,
  z: tf.Tensor2D,
  context: tf.Tensor2D,
): { z: tf.Tensor2D; logScale: tf.Tensor2D } {
  return tf.tidy(() => {
    let logScale = tf.zerosLike(z);
    for (const network of networks) {
      const { m, s } = network(z, context);
      const t = s.add<tf.Tensor2D>(GATE_BIAS);
      z = tf
        .sigmoid(t)
        .mul(z)
        .add(tf.sigmoid(tf.neg(t)).mul(m));
      logScale = logScale.sub(tf.softplus(tf.neg(t)));
    }
    return { z: z.clone(), logScale };
  });
}
