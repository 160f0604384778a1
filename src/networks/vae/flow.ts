// Inverse autoregressive flow (Kingma et al. 2016, arXiv:1606.04934) by masked dense networks (MADE, Germain et al. 2015, arXiv:1502.03509).
import * as tf from '@tensorflow/tfjs';
import type { NamedVariable } from '../../optimizers/index.ts';
import { deriveSeed } from '../../random/index.ts';
import { unitNorms, weightNormalize } from '../../weightnorm/index.ts';

/** Added to s, so that a step starts near z (section 4 of Kingma et al.: "+1 or +2"), as the forget gate's bias of an LSTM. */
const GATE_BIAS = 2;

export interface FlowOptions {
  /** Of z. */
  latentUnits: number;
  /** Of what the encoder says beside z. */
  contextUnits: number;
  /** Of the hidden layer of each step's network. */
  hiddenUnits: number;
  /** 0 for none. */
  steps: number;
  normalization: 'none' | 'weight';
  /** Standard deviation of the initial v. */
  kernelStd: number;
  seed: number;
}

/**
 * m and s of one step, `[batch, latentUnits]` each, from z, `[batch, latentUnits]`, and the context, `[batch, contextUnits]`. Those of a unit depend on the
 * context and on the units of z before it in the step's order, and on no other.
 */
export type AutoregressiveNetwork = (z: tf.Tensor2D, context: tf.Tensor2D) => { m: tf.Tensor2D; s: tf.Tensor2D };

export interface Flow {
  /** One for each step. The units' order is that of z in even steps, counted from 0, and the reverse in odd ones. */
  readonly networks: readonly AutoregressiveNetwork[];
  /** `flow0_hidden/kernel` (v), `flow0_hidden/gain` (g), `flow0_hidden/bias`, `flow0_output/kernel`, ...; without normalization there is no gain. */
  readonly variables: readonly NamedVariable[];
  dispose(): void;
}

/**
 * Networks of one hidden layer with ELU. v starts as N(0, kernelStd), g as ||v||, biases as 0.
 *
 * A mask zeroes weights from units that may not be seen. With weight normalization v is masked first, w = g (mask v)/||mask v||: the norm runs over the weights
 * in use alone, so that g is the length of what a unit applies; the masked elements of v have no effect and no gradient.
 */
export function createFlow(options: FlowOptions): Flow {
  const { latentUnits, contextUnits, hiddenUnits, steps, normalization, kernelStd, seed } = options;
  const variables: NamedVariable[] = [];
  const masks: tf.Tensor2D[] = [];
  const add = (name: string, start: () => tf.Tensor): tf.Variable => {
    const variable = tf.tidy(() => tf.variable(start()));
    variables.push({ name, variable });
    return variable;
  };
  const maskedDense = (name: string, connections: number[][]): ((x: tf.Tensor2D) => tf.Tensor2D) => {
    const mask = tf.tensor2d(connections);
    masks.push(mask);
    const v = add(`${name}/kernel`, () => tf.randomNormal(mask.shape, 0, kernelStd, 'float32', deriveSeed(seed, name)));
    const g = normalization === 'none' ? undefined : add(`${name}/gain`, () => unitNorms(tf.mul(v, mask)));
    const bias = add(`${name}/bias`, () => tf.zeros([mask.shape[1]]));
    return (x) => {
      const masked = tf.mul(v, mask);
      return tf.matMul(x, (g ? weightNormalize(masked, g) : masked) as tf.Tensor2D).add(bias);
    };
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
  return { networks, variables, dispose: () => tf.dispose([masks, variables.map(({ variable }) => variable)]) };
}

/**
 * z through every step (algorithm 1): with gate = sigmoid(s + 2), z <- gate z + (1 - gate) m. The step's Jacobian is triangular in its order, with the gates
 * on its diagonal.
 *
 * @param z `[batch, latentUnits]`
 * @param context `[batch, contextUnits]`
 * @returns z, and for each unit the sum of log gate over steps, `[batch, latentUnits]`: its sum over units is log |det dz/dz_0|.
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
