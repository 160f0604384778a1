import * as tf from '@tensorflow/tfjs';

interface CosineEmbeddingArgs {
  name: string;
  /** How many cosines. */
  cosines: number;
}

/**
 * The cosines that an implicit quantile network sees of a probability tau, cos(pi i tau) for i = 0 ... cosines - 1
 * (Dabney et al. 2018, arXiv:1806.06923, equation 4): [batch, n] to [batch, n, cosines].
 */
class CosineEmbedding extends tf.layers.Layer {
  static readonly className = 'CosineEmbedding';
  private readonly cosines: number;

  constructor({ cosines, ...args }: CosineEmbeddingArgs) {
    super(args);
    this.cosines = cosines;
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return [...(inputShape as tf.Shape), this.cosines];
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const taus = Array.isArray(inputs) ? inputs[0] : inputs;
    return tf.tidy(() => {
      const frequencies = tf.tensor1d(Array.from({ length: this.cosines }, (_, i) => Math.PI * i));
      return taus.expandDims(2).mul(frequencies).cos();
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), cosines: this.cosines };
  }
}
tf.serialization.registerClass(CosineEmbedding);

/** The layer that gives the cosines of probabilities. */
export function cosineEmbedding(args: CosineEmbeddingArgs): tf.layers.Layer {
  return new CosineEmbedding(args);
}
