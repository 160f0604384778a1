// Layer normalization as a layer of its own, between a layer without activation and its ReLU.
import * as tf from '@tensorflow/tfjs';
import { classOf } from '../weightnorm/plain-layers.ts';

/**
 * Over what a Q-network's layer norm takes mean and variance, before each ReLU: `channels`, the units of each position
 * by themselves, or `all`, all units of all positions of an example.
 */
export const LAYER_NORMS = ['none', 'channels', 'all'] as const;
/** The name of one of them. */
export type LayerNorm = (typeof LAYER_NORMS)[number];

/**
 * Added to the variance: Flax's value, with which PQN's authors take channels, and PyTorch's, with which CleanRL takes
 * all.
 */
const EPSILONS = { channels: 1e-6, all: 1e-5 };

interface LayerNormArgs {
  axis?: number | number[];
  epsilon?: number;
  name?: string;
}

interface PlainLayerNorm extends tf.layers.Layer {
  axis: number[];
  epsilon: number;
  gamma: tf.LayerVariable;
  beta: tf.LayerVariable;
}

const Plain = classOf<LayerNormArgs, PlainLayerNorm>(tf.layers.layerNormalization, { name: 'layer_normalization' });

/**
 * The layer of tf.layers, saved under its name, with the same result: that one tiles its statistics to the size of the
 * input four times, forwards and backwards.
 */
class LayerNormalization extends Plain {
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const x = Array.isArray(inputs) ? inputs[0] : inputs;
      const normal = standardize(x, this.axis, this.epsilon);
      return tf.add(tf.mul(normal, this.gamma.read()), this.beta.read());
    });
  }
}

/**
 * (x - mean[x]) / sqrt(var[x] + epsilon) over some axes (Ba et al. 2016, arXiv:1607.06450, equation 3), the
 * population's variance. With y the result, its gradient is dL/dx = (dy - mean[dy] - y mean[dy y]) / sqrt(var[x] +
 * epsilon).
 */
function standardize(x: tf.Tensor, axes: number[], epsilon: number): tf.Tensor {
  const apply = tf.customGrad((...inputs) => {
    const [input, save] = inputs as unknown as [tf.Tensor, tf.GradSaveFunc];
    const centered = tf.sub(input, tf.mean(input, axes, true));
    const factor = tf.rsqrt(tf.add(tf.mean(tf.square(centered), axes, true), epsilon));
    const value = tf.mul(centered, factor);
    save([value, factor]);
    return {
      value,
      gradFunc(dy: tf.Tensor, [y, scale]: tf.Tensor[]) {
        const along = tf.mul(y, tf.mean(tf.mul(dy, y), axes, true));
        return tf.mul(tf.sub(tf.sub(dy, tf.mean(dy, axes, true)), along), scale);
      },
    };
  });
  return apply(x);
}

/**
 * Layer normalization with a learned scale (gamma, 1 at first) and offset (beta, 0 at first), each of the shape of what
 * is normalised: [channels], or [height, width, channels] with `all` behind a convolution.
 * @param rank Of the input, the batch included.
 */
export function layerNorm(kind: Exclude<LayerNorm, 'none'>, rank: number, name: string): tf.layers.Layer {
  const axis = kind === 'channels' ? [-1] : Array.from({ length: rank - 1 }, (_, i) => i + 1);
  return new LayerNormalization({ axis, epsilon: EPSILONS[kind], name });
}
