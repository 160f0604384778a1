import type * as tf from '@tensorflow/tfjs';
import { checkShape } from '../checks.ts';

export function checkChoice(name: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw new Error(`${name} is '${value}': the VAE takes ${choices.map((choice) => `'${choice}'`).join(' or ')}`);
}

export function checkFreeBits(freeBits: number | undefined): void {
  if (freeBits === undefined || (freeBits >= 0 && Number.isFinite(freeBits))) return;
  throw new Error(`freeBits is ${freeBits}: give a number of nats from 0 up`);
}

/** @throws Unless there is a batch of images of the network's size. */
export function checkImages(
  { sizes: { height, width, channels } }: { sizes: { height: number; width: number; channels: number } },
  images: tf.Tensor4D,
): void {
  checkShape('images', images, [images.shape[0], height, width, channels]);
}
