import * as tf from '@tensorflow/tfjs';

export function checkChoice(name: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw new Error(`${name} is '${value}': the VAE takes ${choices.map((choice) => `'${choice}'`).join(' or ')}`);
}

export function checkCount(name: string, value: number, least = 1): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new Error(`${name} is ${value}: give a whole number from ${least} up`);
}

export function checkFreeBits(freeBits: number | undefined): void {
  if (freeBits === undefined || (freeBits >= 0 && Number.isFinite(freeBits))) return;
  throw new Error(`freeBits is ${freeBits}: give a number of nats from 0 up`);
}

export function checkShape(name: string, tensor: tf.Tensor, shape: readonly number[]): void {
  if (tf.util.arraysEqual(tensor.shape, [...shape])) return;
  throw new Error(`${name} has shape [${tensor.shape}]: this network takes [${shape}]`);
}

/** @throws Unless there is a batch of images of the network's size. */
export function checkImages(
  { sizes: { height, width, channels } }: { sizes: { height: number; width: number; channels: number } },
  images: tf.Tensor4D,
): void {
  checkShape('images', images, [images.shape[0], height, width, channels]);
}
