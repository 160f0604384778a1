// More training images from few, and one answer from several views of a test image, as airbench does both (Jordan 2024,
// arXiv:2404.00498, sections 3.1, 3.5 and 3.6).
import * as tf from '@tensorflow/tfjs';
import { deriveSeed, Generator } from '../random/index.ts';

/**
 * `alternating`: each image is mirrored in every second epoch, the first or the second by a hash of its pixels, so two
 * epochs show both sides of all.
 */
export type Flip = 'none' | 'random' | 'alternating';

export interface AugmentOptions {
  height: number;
  width: number;
  channels: number;
  /**
   * Each image moves by a whole number of pixels from -this to this, each way; what comes in at a border is reflected
   * there.
   */
  translatePixels: number;
  /** Left to right. */
  flip: Flip;
  /** With epoch and batch index it decides what is drawn. */
  seed: number;
  epoch: number;
  batchIndex: number;
}

/**
 * Mirrors and moves the images of a minibatch, `[n, height, width, channels]`, in place. A function of the images,
 * seed, epoch and batch index, so a run that resumes sees the same.
 *
 * @throws RangeError, in words, for bytes that do not divide into images and translations beyond the image.
 */
export function augment(images: Uint8Array, options: AugmentOptions): void {
  const { height, width, channels, translatePixels, flip, seed, epoch, batchIndex } = options;
  const size = height * width * channels;
  if (images.length % size !== 0) {
    throw new RangeError(`images has ${images.length} bytes: give a multiple of ${height} x ${width} x ${channels}`);
  }
  const most = Math.min(height, width) - 1; // reflection has no more pixels
  if (!(Number.isInteger(translatePixels) && translatePixels >= 0 && translatePixels <= most))
    throw new RangeError(`translatePixels is ${translatePixels}: give a whole number from 0 to ${most}`);
  const generator = new Generator(seed, `augmentation of batch ${batchIndex}, epoch ${epoch}`);
  const hashSeed = deriveSeed(seed, 'alternating flip');
  const original = new Uint8Array(size);
  const sources = new Int32Array(width * channels); // where each element of a row comes from
  for (let start = 0; start < images.length; start += size) {
    original.set(images.subarray(start, start + size));
    const dy = generator.integer(2 * translatePixels + 1) - translatePixels;
    const dx = generator.integer(2 * translatePixels + 1) - translatePixels;
    const coin = generator.integer(2);
    const isFlipped =
      flip === 'random' ? coin === 1 : flip === 'alternating' && (hash(original, hashSeed) + epoch) % 2 === 1;
    for (let x = 0, i = 0; x < width; x++) {
      const column = reflect(x - dx, width);
      const first = channels * (isFlipped ? width - 1 - column : column);
      for (let c = 0; c < channels; c++) sources[i++] = first + c;
    }
    for (let y = 0, to = start; y < height; y++) {
      const row = reflect(y - dy, height) * sources.length;
      for (let i = 0; i < sources.length; i++) images[to++] = original[row + sources[i]];
    }
  }
}

/** Mirrored left to right; `x`: `[batch, height, width, channels]`. */
export function flipImages(x: tf.Tensor4D): tf.Tensor4D {
  return tf.reverse(x, 2);
}

/**
 * Moved down by dy and right by dx pixels, each negative for the other way; what comes in at a border is reflected
 * there. `x`: `[batch, height, width, channels]`.
 *
 * @throws RangeError, in words, for movements that are no whole numbers or reach beyond the image.
 */
export function translateImages(x: tf.Tensor4D, dy: number, dx: number): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  for (const [name, distance, extent] of [
    ['dy', dy, height],
    ['dx', dx, width],
  ] as const) {
    if (!(Number.isInteger(distance) && Math.abs(distance) < extent))
      throw new RangeError(`${name} is ${distance}: give a whole number from ${1 - extent} to ${extent - 1}`);
  }
  return tf.tidy(() => {
    const before = (distance: number) => Math.max(distance, 0);
    const margins = (distance: number): [number, number] => [before(distance), before(-distance)];
    const padded = tf.mirrorPad(x, [[0, 0], margins(dy), margins(dx), [0, 0]], 'reflect');
    return tf.slice4d(padded, [0, before(-dy), before(-dx), 0], [batch, height, width, channels]);
  });
}

export interface Views {
  /** Each view and its mirror image, with equal weights. */
  flips: boolean;
  /** The image with weight 1/2, moved by a pixel up and left with 1/4, down and right with 1/4. */
  translations: boolean;
}

/**
 * The mean of a model's logits over views of each image, `[batch, height, width, channels]` -> `[batch, classes]`. No
 * view: the model's own.
 */
export function averagedLogits(
  model: tf.LayersModel,
  images: tf.Tensor4D,
  { flips, translations }: Views,
): tf.Tensor2D {
  return tf.tidy(() => {
    const logits = (x: tf.Tensor4D) => model.apply(x, { training: false }) as tf.Tensor2D;
    const both = (x: tf.Tensor4D) =>
      flips
        ? logits(x)
            .add(logits(flipImages(x)))
            .div<tf.Tensor2D>(2)
        : logits(x);
    // A model's own output would outlive this tidy: a clone, which does not.
    if (!translations) return both(images).clone();
    const moved = tf.add(both(translateImages(images, -1, -1)), both(translateImages(images, 1, 1))).div(2);
    return both(images).add(moved).div(2);
  });
}

/** Where a coordinate beyond the border is found: -1 at 1, `extent` at `extent - 2`. */
function reflect(position: number, extent: number): number {
  if (position < 0) return -position;
  return position < extent ? position : 2 * (extent - 1) - position;
}

/** One bit, 0 or 1, of all the bytes (FNV-1a, its best bits mixed in). */
function hash(bytes: Uint8Array, seed: number): number {
  let h = seed ^ 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ bytes[i], 0x01000193);
  return (h ^ (h >>> 16) ^ (h >>> 24)) & 1;
}
