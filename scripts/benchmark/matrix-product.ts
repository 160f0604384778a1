import * as tf from '@tensorflow/tfjs';
import { compile } from '../../src/runtime/compile/index.ts';
import type { PrepareOptions } from './plan.ts';

/** Large enough for the matrix peak (2048 and 3072 are no faster here), small enough to take turns: 7 GFLOP. */
export const MATRIX_SIZE = 1536;
export const MATRIX_PRODUCT_FLOPS = 2 * MATRIX_SIZE ** 3;

/**
 * A large float32 matrix product, in the same TensorFlow on all cores: its rate is the peak that other work is measured
 * by.
 */
export function compileMatrixProduct(defer: PrepareOptions['defer']): () => void {
  const [a, b] = [1, 2].map((seed) =>
    tf.tidy(() => tf.variable(tf.randomUniform([MATRIX_SIZE, MATRIX_SIZE], -1, 1, 'float32', seed), false)),
  ) as tf.Variable<tf.Rank.R2>[];
  const program = compile({
    // Variables, so that nothing is known when the graph is optimised; one element is read, so that nothing is copied.
    multiply: { inputs: {}, fn: () => ({ corner: tf.matMul(a, b).slice([0, 0], [1, 1]) }) },
  });
  tf.dispose([a, b]);
  defer(() => program.dispose());
  return () => program.steps.multiply.values({});
}
