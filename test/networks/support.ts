import type * as tf from '@tensorflow/tfjs';
import type { Nested } from '../weightnorm/support.ts';

/** Tensors as JSON has them, by name. */
export function arrays(tensors: Readonly<Record<string, tf.Tensor>>): Record<string, Nested> {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tensor.arraySync() as Nested]));
}
