import * as tf from '@tensorflow/tfjs';

interface DuelingArgs {
  name: string;
  /** How many actions there are. */
  numActions: number;
}

/**
 * Joins the streams of a dueling network, Q(s, a) = V(s) + A(s, a) - mean_b A(s, b) (Wang et al. 2016,
 * arXiv:1511.06581, equation 9): [batch, n] and [batch, actions x n] to [batch, actions x n]. For n numbers an action,
 * such as the logits of atoms, each of them by itself (Hessel et al. 2018, "The dueling network").
 */
class Dueling extends tf.layers.Layer {
  static readonly className = 'Dueling';
  private readonly numActions: number;

  constructor({ numActions, ...args }: DuelingArgs) {
    super(args);
    this.numActions = numActions;
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return (inputShape as tf.Shape[])[1];
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const [value, advantages] = inputs as tf.Tensor2D[];
    return tf.tidy(() => {
      const [batch, outputs] = advantages.shape;
      const byAction = advantages.reshape<tf.Tensor3D>([batch, this.numActions, outputs / this.numActions]);
      return byAction.sub(byAction.mean(1, true)).add(value.expandDims(1)).reshape([batch, outputs]);
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), numActions: this.numActions };
  }
}
tf.serialization.registerClass(Dueling);

/** The layer that joins [the value stream, the advantage stream]. */
export function dueling(args: DuelingArgs): tf.layers.Layer {
  return new Dueling(args);
}
