import * as tf from '@tensorflow/tfjs';

export function checkCount(name: string, value: number, least = 1): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new Error(`${name} is ${value}: give a whole number from ${least} up`);
}

export function checkShape(name: string, tensor: tf.Tensor, shape: readonly number[]): void {
  if (tf.util.arraysEqual(tensor.shape, [...shape])) return;
  throw new Error(`${name} has shape [${tensor.shape}]: this network takes [${shape}]`);
}
