// ZCA whitening: pixels that have covariance I over the training set and are as near to the original ones as that
// allows.
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { DamagedFileError, MissingFileError } from '../files/errors.ts';
import { readSafetensors, writeSafetensors } from '../files/safetensors.ts';
import { sha256 } from './checksum.ts';
import { fitZca, type ZcaFit } from './zca-fit.ts';

/**
 * Added to the eigenvalues of the covariance: the authors' value. Directions with a variance near or below it stay
 * below variance 1.
 */
export const ZCA_REGULARIZATION = 1e-5;
/**
 * How far any element that `whiteningError` measures may be off. With float32 products CIFAR-10 has 2e-6; the rest is
 * room for GPUs that cut the factors of products to 11 bits (TF32).
 */
export const WHITENING_TOLERANCE = 2e-3;

const FORMAT = 'weightnorm-rl zca 1';
/** Images in one product while a whole set is whitened. */
const BLOCK = 2500;

export interface LoadZcaOptions {
  /** The training images, `[count, ...]`, 0 to 255, the elements in the order that `whiten` will get. */
  images: Uint8Array;
  /** Elements of one image: 3072 for CIFAR-10. */
  size: number;
  /** Where the fit is kept, as `zca-DIGEST.safetensors` (38 MB for CIFAR-10). */
  cacheDir: string;
  /** Told what takes time, in words. */
  onProgress?: (line: string) => void;
  /** Default true: right on devices that shorten the factors of products too, for twice the time. */
  splitFactors?: boolean;
}

/**
 * The whitening of a training set: read from the cache, or fitted, checked on the whole set and written there. Needs a
 * minute or two on two cores the first time, most of it for the check, and 0.6 s after that.
 *
 * @throws DamagedFileError for a cache that is not as it was written; Error when the whitened training set does not
 *   have covariance I (see `whiteningError`).
 */
export async function loadZca(options: LoadZcaOptions): Promise<Zca> {
  const { images, size, cacheDir, onProgress = () => {}, splitFactors = true } = options;
  if (!Number.isInteger(size) || size < 1 || images.length === 0 || images.length % size !== 0) {
    throw new RangeError(`size is ${size} and there are ${images.length} elements: give whole images`);
  }
  const digest = sha256(images);
  const path = join(
    cacheDir,
    `zca-${sha256(Buffer.from(`${digest} ${size} ${ZCA_REGULARIZATION}`)).slice(0, 16)}.safetensors`,
  );
  const cached = await readCache(path, digest, size);
  if (cached) return new Zca(cached, splitFactors);
  onProgress(`fitting ZCA whitening to ${images.length / size} images, once`);
  const fit = await fitZca(images, size, ZCA_REGULARIZATION);
  const zca = new Zca(fit, splitFactors);
  try {
    onProgress('checking the covariance of the whitened images');
    const error = whiteningError(zca, images);
    if (!(error <= WHITENING_TOLERANCE)) {
      throw new Error(
        `the whitened training set's covariance is off by ${error}, more than ${WHITENING_TOLERANCE}: ` +
          'ZCA cannot be used on this data',
      );
    }
    await writeCache(path, digest, fit);
  } catch (error) {
    zca.dispose();
    throw error;
  }
  return zca;
}

/**
 * Whitens images on the device, a batch at a time: 76 MB for CIFAR-10 in place of the 614 MB of a whitened training
 * set.
 */
export class Zca {
  readonly size: number;
  /** The matrix over 128, `[size, size]`, in parts that sum to it: see `leadingBits`. */
  private readonly parts: tf.Tensor2D[];
  /** What an image of pixels 128 becomes, `[size]`. */
  private readonly offset: tf.Tensor1D;

  constructor({ mean, matrix }: ZcaFit, splitFactors = true) {
    const size = mean.length;
    this.size = size;
    // With x = (p - 127.5)/128: (x - mean) matrix = (p - 128) (matrix/128) + (0.5/128 - mean) matrix.
    const scaled = matrix.map((element) => element / 128);
    const parts = splitFactors ? leadingBits(scaled) : [scaled];
    const offset = new Float64Array(size);
    for (let i = 0; i < matrix.length; i++) offset[i % size] += (0.5 / 128 - mean[Math.floor(i / size)]) * matrix[i];
    this.parts = parts.map((part) => constant(() => tf.tensor2d(part, [size, size])));
    this.offset = constant(() => tf.tensor1d(Float32Array.from(offset)));
  }

  /**
   * `pixels`, `[n, ...]` with `size` elements an image, 0 to 255 in any numeric dtype -> whitened, float32, the same
   * shape.
   */
  whiten<T extends tf.Tensor>(pixels: T): T {
    return tf.tidy(() => {
      const centred = tf.sub(tf.reshape(tf.cast(pixels, 'float32'), [-1, this.size]), 128); // [n, size]
      const products = tf.addN(this.parts.map((part) => tf.matMul(centred, part))); // [n, size]
      return tf.reshape(tf.add(products, this.offset), pixels.shape) as T;
    });
  }

  /** The matrix as it was fitted, `[size, size]`: a new tensor. */
  matrix(): tf.Tensor2D {
    return tf.tidy(() => tf.mul(tf.addN(this.parts), 128));
  }

  dispose(): void {
    tf.dispose([...this.parts, this.offset]);
  }
}

/** A variable, though it never changes: several compiled steps then have it once. */
function constant<R extends tf.Rank>(make: () => tf.Tensor<R>): tf.Variable<R> {
  return tf.tidy(() => tf.variable(make(), false));
}

/**
 * Float32 numbers as sums of two that a product does not round much: GPUs may multiply float32 with factors cut to 11
 * bits (TF32), and in whitening sums of elements up to 100 cancel to about 1. `coarse` has the leading 8 bits of each,
 * `fine` the rest. The other factor, p - 128, is a whole number of 8 bits.
 */
export function leadingBits(values: Float32Array): [Float32Array, Float32Array] {
  const coarse = values.slice();
  const bits = new Uint32Array(coarse.buffer);
  for (let i = 0; i < bits.length; i++) bits[i] &= 0xffff_0000;
  return [coarse, values.map((value, i) => value - coarse[i])];
}

/**
 * Whether whitening whitens: with Y the whitened training images, W the matrix and r the regularization, C = Y'Y/N is S
 * (S + r I)^-1 and W^2 is (S + r I)^-1, so C + r W^2 = I, whatever the regularization has left of small variances.
 *
 * @param images The images that the whitening was fitted to, `[count, size]`.
 * @returns The largest absolute element of C + r W^2 - I.
 */
export function whiteningError(zca: Zca, images: Uint8Array): number {
  const { size } = zca;
  const count = images.length / size;
  let sum: tf.Tensor2D = tf.zeros([size, size]);
  for (let start = 0; start < count; start += BLOCK) {
    const block = images.subarray(start * size, Math.min(start + BLOCK, count) * size);
    const next = tf.tidy(() => {
      const y = zca.whiten(tf.tensor2d(block, [block.length / size, size], 'int32')); // [block, size]
      return tf.add(sum, tf.matMul(y, y, true)) as tf.Tensor2D; // [size, size]
    });
    sum.dispose();
    sum = next;
  }
  const error = tf.tidy(() => {
    const w = zca.matrix();
    const total = tf.add(tf.div(sum, count), tf.mul(tf.matMul(w, w), ZCA_REGULARIZATION));
    return tf.max(tf.abs(tf.sub(total, tf.eye(size)))).dataSync()[0];
  });
  sum.dispose();
  return error;
}

async function readCache(path: string, images: string, size: number): Promise<ZcaFit | undefined> {
  try {
    const { tensors, metadata } = await readSafetensors(path);
    const { mean, matrix } = tensors;
    const isOurs = metadata.format === FORMAT && metadata.images === images;
    if (!isOurs || mean?.dtype !== 'F32' || matrix?.dtype !== 'F32')
      throw new DamagedFileError(path, "not these images' whitening");
    const fit = { mean: mean.data, matrix: matrix.data };
    const isWhole = fit.mean.length === size && fit.matrix.length === size * size && metadata.sha256 === digestOf(fit);
    if (!isWhole) throw new DamagedFileError(path, 'its numbers have changed');
    return fit;
  } catch (error) {
    if (error instanceof MissingFileError) return undefined;
    if (!(error instanceof DamagedFileError)) throw error;
    throw new DamagedFileError(path, `${error.message.slice(path.length + 2)}; delete it, and it is fitted again`, {
      cause: error,
    });
  }
}

async function writeCache(path: string, images: string, fit: ZcaFit): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const size = fit.mean.length;
  await writeSafetensors(
    path,
    {
      mean: { dtype: 'F32', shape: [size], data: fit.mean },
      matrix: { dtype: 'F32', shape: [size, size], data: fit.matrix },
    },
    { format: FORMAT, images, regularization: String(ZCA_REGULARIZATION), sha256: digestOf(fit) },
  );
}

function digestOf({ mean, matrix }: ZcaFit): string {
  return sha256(Buffer.from(sha256(bytesOf(mean)) + sha256(bytesOf(matrix))));
}

function bytesOf(floats: Float32Array): Uint8Array {
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
}
