import * as tf from '@tensorflow/tfjs';

/** Pixels of each channel with mean 0 and standard deviation 1 over the training images. */
export class Standardise {
  /** `[channels]` each. */
  private readonly means: tf.Variable;
  private readonly deviations: tf.Variable;

  /** @param images Bytes, the channel last. */
  constructor(images: Uint8Array, channels: number) {
    const sums = new Float64Array(channels);
    const squares = new Float64Array(channels);
    for (let i = 0; i < images.length; i++) {
      sums[i % channels] += images[i];
      squares[i % channels] += images[i] ** 2;
    }
    const count = images.length / channels;
    const means = sums.map((sum) => sum / count);
    // A channel that does not vary is left at 0.
    const deviations = squares.map((square, c) => Math.sqrt(square / count - means[c] ** 2) || 1);
    [this.means, this.deviations] = [means, deviations].map((values) =>
      tf.tidy(() => tf.variable(tf.tensor1d(Float32Array.from(values)), false)),
    );
  }

  /** `[n, ..., channels]` of any numeric dtype to float32 of the same shape. */
  whiten<T extends tf.Tensor>(pixels: T): T {
    return tf.tidy(() => tf.div(tf.sub(pixels.cast('float32'), this.means), this.deviations) as T);
  }

  dispose(): void {
    tf.dispose([this.means, this.deviations]);
  }
}
