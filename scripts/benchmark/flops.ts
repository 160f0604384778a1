import type * as tf from '@tensorflow/tfjs';
import { isNormalizedLayer } from '../../src/weightnorm/index.ts';

/** Multiply-adds of one sample in the convolutions and dense layers of a Q-network, forward. */
interface LayerWork {
  name: string;
  multiplyAdds: number;
}

/**
 * Each output element of a convolution costs (kernel height x width x input channels) multiply-adds, of a dense layer
 * (inputs). Nature's network on 84 x 84 x 4 with 9 actions:
 *
 *   conv1   20 x 20 x 32  x  8 x 8 x 4   = 3,276,800
 *   conv2     9 x 9 x 64  x  4 x 4 x 32  = 2,654,208
 *   conv3     7 x 7 x 64  x  3 x 3 x 64  = 1,806,336
 *   dense1           512  x  3136        = 1,605,632
 *   q                  9  x  512         =     4,608
 *                                   sum    9,347,584
 *
 * @param positions How often a layer works whose output has an axis of any length, such as one of an implicit quantile
 *   network: once for each probability.
 */
export function layerWork(network: tf.LayersModel, positions = 1): LayerWork[] {
  return network.layers.filter(isNormalizedLayer).map((layer) => {
    const kernel = layer.kernel!.shape as number[]; // [..., inputs, units]
    const units = kernel[kernel.length - 1];
    const shape = (layer.outputShape as (number | null)[]).slice(1); // without the batch
    const outputs = elements(shape.map((size) => size ?? positions));
    return { name: layer.name, multiplyAdds: (outputs / units) * elements(kernel) };
  });
}

/**
 * Floating-point operations of one DQN update, a multiply-add counted as two: the online network forward (1 x), its
 * gradients with respect to the kernels (1 x) and to the inputs of every layer but the first, whose input are pixels
 * (1 x less conv1), and the target network forward (1 x). For the network above and batch 32:
 *
 *   2 x 32 x (4 x 9,347,584 - 3,276,800) = 2,183,266,304
 *
 * (2.39 x 10^9 when the first layer's input gradient, which nobody needs, is counted too). Elementwise work (bias,
 * ReLU, weight norm, Adam) is left out: it is below 1 % of the sum, and bound by memory.
 */
export function updateFlops(network: tf.LayersModel, batchSize: number): number {
  const work = layerWork(network);
  const forward = work.reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0);
  return 2 * batchSize * (4 * forward - work[0].multiplyAdds);
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
