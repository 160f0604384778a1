// Noisy networks (Fortunato et al. 2018, arXiv:1706.10295): learned noise in dense layers in place of random actions.
import * as tf from '@tensorflow/tfjs';
import { type NoiseSeed, seededNormal } from '../runtime/seeded-noise.ts';

/** Noise of one forward pass of a noisy network: `network.apply(states, { noise })`. Without it there is none. */
export interface PassNoise {
  /** Decides the noise, and nothing else does: a compiled step gets it as an input. */
  readonly seed: NoiseSeed;
  /** Tells apart passes with one seed, from 0 up: each has noise of its own. */
  readonly pass: number;
  /** Each row of the batch has noise of its own, as environments that explore side by side; else all rows share it. */
  readonly ownRows?: boolean;
}

/** More than the noisy layers that a network has. */
const STREAMS_A_PASS = 1024;

interface LayerNoiseArgs {
  name: string;
  /** sigma_0: at first the noise of a weight has the standard deviation sigma_0 / sqrt(inputs). */
  noiseScale: number;
  /** Which of the network's noisy layers this is, from 0 up. */
  index: number;
}

/**
 * Adds the noise of a dense layer to its pre-activations: [t, x] to t + (x (sigma * eps)) + sigma_b * eps_b, where x is
 * the dense layer's input and t its output (equation 9 of the paper, less its first half). Noise is factorised
 * (equations 10 and 11): eps_ij = f(e_i) f(e_j) and eps_b,j = f(e_j) with f(e) = sign(e) sqrt|e| and e standard normal,
 * so that a pass needs inputs + units numbers.
 *
 * A layer of its own, beside the one that it belongs to: that one is normalised or not, and the noise is the same.
 */
class LayerNoise extends tf.layers.Layer {
  static readonly className = 'LayerNoise';
  private readonly noiseScale: number;
  private readonly index: number;
  private kernel: tf.LayerVariable | undefined;
  private bias: tf.LayerVariable | undefined;

  constructor({ noiseScale, index, ...args }: LayerNoiseArgs) {
    super(args);
    this.noiseScale = noiseScale;
    this.index = index;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const [[, units], [, inputs]] = inputShape as [number, number][];
    const initial = tf.initializers.constant({ value: this.noiseScale / Math.sqrt(inputs) });
    this.kernel = this.addWeight('noiseKernel', [inputs, units], 'float32', initial); // sigma
    this.bias = this.addWeight('noiseBias', [units], 'float32', initial); // sigma_b
    super.build(inputShape);
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return (inputShape as tf.Shape[])[0];
  }

  override call(inputs: tf.Tensor | tf.Tensor[], { noise }: { noise?: PassNoise }): tf.Tensor {
    const [t, x] = inputs as tf.Tensor2D[];
    if (noise === undefined) return t;
    return tf.tidy(() => {
      const { seed, pass, ownRows = false } = noise;
      const [sigma, biasSigma] = [this.kernel!.read() as tf.Tensor2D, this.bias!.read()];
      const [inputCount, units] = sigma.shape;
      const rows = ownRows ? x.shape[0] : 1;
      const stream = pass * STREAMS_A_PASS + this.index;
      const drawn = seededNormal<tf.Rank.R2>([rows, inputCount + units], seed, stream);
      const f = drawn.sign().mul<tf.Tensor2D>(drawn.abs().sqrt());
      const ofInputs = f.slice([0, 0], [rows, inputCount]);
      const ofUnits = f.slice([0, inputCount], [rows, units]);
      // (x (sigma * f_i f_j)) = ((x * f_i) sigma) * f_j: no noise as large as the kernel is made.
      return t.add(x.mul<tf.Tensor2D>(ofInputs).matMul(sigma).add(biasSigma).mul(ofUnits));
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), noiseScale: this.noiseScale, index: this.index };
  }
}
tf.serialization.registerClass(LayerNoise);

/** The noise of a dense layer: a layer that takes [its output before the activation, its input]. */
export function layerNoise(args: LayerNoiseArgs): tf.layers.Layer {
  return new LayerNoise(args);
}
