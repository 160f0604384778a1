// DRAW's parameters: variables by name, and the weights that follow from them.
import * as tf from '@tensorflow/tfjs';
import type { NamedVariable } from '../../optimizers/index.ts';
import { deriveSeed } from '../../random/index.ts';
import { unitNorms, weightNormalize } from '../../weightnorm/index.ts';
import { checkCount } from '../checks.ts';

/** The sizes of DRAW. */
export interface DrawSizes {
  /** Height and width of an image, in pixels. */
  height: number;
  width: number;
  /** T, how often the network looks and writes. */
  steps: number;
  /** The window of a glimpse is readSize x readSize, 2 or more. */
  readSize: number;
  /** The window of a stroke is writeSize x writeSize, 2 or more. */
  writeSize: number;
  encoderUnits: number;
  decoderUnits: number;
  /** Units of z at each step. */
  latentUnits: number;
}

/** Binarised MNIST in Salimans & Kingma 2016, section 5.3. */
const MNIST_SIZES: DrawSizes = {
  height: 28,
  width: 28,
  steps: 64,
  readSize: 2,
  writeSize: 5,
  encoderUnits: 256,
  decoderUnits: 256,
  latentUnits: 100,
};

/** What DRAW can be asked for; sizes that are not given are the defaults of `createDraw`. */
export interface DrawOptions extends Partial<DrawSizes> {
  /** 'weight': w = g v/||v|| for every matrix, each column (each unit of each gate) with its g. */
  normalization: 'none' | 'weight';
  /** Standard deviation of the initial kernels and peepholes, above 0. Default 0.01, the paper's. */
  initialStd?: number;
  /** Decides the initial weights. */
  seed: number;
}

/** A linear layer, `[in, out]` and `[out]`. */
export interface Affine {
  kernel: tf.Tensor2D;
  bias: tf.Tensor1D;
}

export interface LstmWeights extends Affine {
  /** `[in, 4 units]`, as the recurrent kernel and the bias in the order of the gates: input, forget, cell, output. */
  kernel: tf.Tensor2D;
  /** The kernel of the output before, `[units, 4 units]`. */
  recurrentKernel: tf.Tensor2D;
  /** Weights from each cell to its own gates: input, forget, output, `[3, units]`. */
  peepholes: tf.Tensor2D;
}

/** What the network applies: of v and g the product. */
export interface DrawWeights {
  encoder: LstmWeights;
  decoder: LstmWeights;
  /** Encoder to mean and log sigma of z, `[encoderUnits, 2 latentUnits]`. */
  latent: Affine;
  /** Decoder to where it reads, `[decoderUnits, 5]`. */
  readAttention: Affine;
  /** Decoder to where it writes, likewise. */
  writeAttention: Affine;
  /** Decoder to what it writes, `[decoderUnits, writeSize^2]`. */
  writeWindow: Affine;
}

/** The parameters of DRAW (Gregor et al. 2015): `drawBound` and `drawSample` compute with them. */
export interface DrawNetwork {
  readonly sizes: Readonly<DrawSizes>;
  /**
   * Every parameter, all trainable: `encoder/kernel/v`, `encoder/kernel/g`, `encoder/bias`, ... Without normalization
   * there is no g, and v is the kernel.
   */
  readonly variables: readonly NamedVariable[];
  /**
   * The weights, differentiable with respect to the variables: work them out once a call and not once a time step. Run
   * it in a tidy.
   */
  weights(): DrawWeights;
  /** Frees the variables. */
  dispose(): void;
}

/**
 * DRAW (Gregor et al. 2015, arXiv:1502.04623) as in Salimans & Kingma 2016: kernels and peepholes start as N(0,
 * initialStd), biases as 0, g as ||v||; the first states and the first canvas are 0.
 *
 * At the default sizes, those of MNIST, 961,003 parameters, and with weight normalization 4,331 more, one g for each
 * column of a matrix. Peepholes, one number from a cell to a gate, have none.
 * @throws For a size that is not a whole number above 0, and for windows of less than 2 x 2, whose filters have no
 *   distance.
 */
export function createDraw({ normalization, initialStd = 0.01, seed, ...given }: DrawOptions): DrawNetwork {
  if (normalization !== 'none' && normalization !== 'weight')
    throw new Error(`normalization is '${normalization}': DRAW takes 'none' or 'weight'`);
  if (!(Number.isFinite(initialStd) && initialStd > 0))
    throw new Error(`initialStd is ${initialStd}: give a positive number, such as 0.01`);
  const sizes = { ...MNIST_SIZES, ...given };
  checkSizes(sizes);
  const { readSize, writeSize, encoderUnits, decoderUnits, latentUnits } = sizes;

  const variables: NamedVariable[] = [];
  const add = <T extends tf.Tensor>(name: string, start: () => T): T => {
    const variable = tf.tidy(() => tf.variable(start()));
    variables.push({ name, variable });
    return variable as unknown as T;
  };
  const normal = (name: string, shape: [number, number]) =>
    add(name, () => tf.randomNormal<tf.Rank.R2>(shape, 0, initialStd, 'float32', deriveSeed(seed, name)));
  const kernel = (name: string, shape: [number, number]): (() => tf.Tensor2D) => {
    const v = normal(`${name}/v`, shape);
    if (normalization === 'none') return () => v;
    const g = add(`${name}/g`, () => unitNorms(v));
    return () => weightNormalize(v, g) as tf.Tensor2D;
  };
  const affine = (name: string, inputs: number, outputs: number): (() => Affine) => {
    const w = kernel(`${name}/kernel`, [inputs, outputs]);
    const bias = add(`${name}/bias`, () => tf.zeros<tf.Rank.R1>([outputs]));
    return () => ({ kernel: w(), bias });
  };
  const lstm = (name: string, inputs: number, units: number): (() => LstmWeights) => {
    const input = affine(name, inputs, 4 * units);
    const recurrent = kernel(`${name}/recurrent_kernel`, [units, 4 * units]);
    const peepholes = normal(`${name}/peepholes`, [3, units]);
    return () => ({ ...input(), recurrentKernel: recurrent(), peepholes });
  };

  const encoder = lstm('encoder', 2 * readSize ** 2 + decoderUnits, encoderUnits);
  const decoder = lstm('decoder', latentUnits, decoderUnits);
  const latent = affine('latent', encoderUnits, 2 * latentUnits);
  const readAttention = affine('read_attention', decoderUnits, 5);
  const writeAttention = affine('write_attention', decoderUnits, 5);
  const writeWindow = affine('write_window', decoderUnits, writeSize ** 2);
  return {
    sizes,
    variables,
    weights: () => ({
      encoder: encoder(),
      decoder: decoder(),
      latent: latent(),
      readAttention: readAttention(),
      writeAttention: writeAttention(),
      writeWindow: writeWindow(),
    }),
    dispose: () => tf.dispose(variables.map(({ variable }) => variable)),
  };
}

function checkSizes(sizes: DrawSizes): void {
  for (const [name, value] of Object.entries(sizes)) {
    checkCount(name, value, name === 'readSize' || name === 'writeSize' ? 2 : 1);
  }
}
