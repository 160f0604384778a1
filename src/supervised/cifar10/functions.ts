// The classifier's functions of tensors: they read no value, so that they can be compiled.
import * as tf from '@tensorflow/tfjs';
import type { Optimizer } from '../../optimizers/index.ts';
import type { NoiseSeed } from '../../runtime/seeded-noise.ts';
import type { Classifier } from './network.ts';

export interface ClassifierBatch {
  /** Whitened, `[batch, 32, 32, 3]`. */
  images: tf.Tensor4D;
  /** int32 `[batch]`. */
  labels: tf.Tensor1D;
}

export interface Scores {
  /** Cross-entropy in nats, `[batch]`. */
  losses: tf.Tensor1D;
  /** 1 where the largest logit is not the label's, `[batch]`. */
  errors: tf.Tensor1D;
}

/**
 * Cross-entropy with `smoothing` of the target spread over all classes (Szegedy et al. 2016, section 7), and errors.
 */
export function scores(logits: tf.Tensor2D, labels: tf.Tensor1D, smoothing = 0): Scores {
  const classes = logits.shape[1];
  const targets = tf
    .oneHot(labels, classes)
    .mul(1 - smoothing)
    .add(smoothing / classes); // [batch, classes]
  return {
    losses: tf.neg(targets.mul(tf.logSoftmax(logits)).sum<tf.Tensor1D>(1)),
    errors: tf.notEqual(tf.argMax(logits, 1), labels).cast('float32'),
  };
}

/** One update. Returns means over the minibatch, from before it. */
export function trainClassifier(
  { trainingLogits, trainable }: Classifier,
  optimizer: Optimizer,
  { images, labels, noiseSeed }: ClassifierBatch & { noiseSeed: NoiseSeed },
  rates: { learningRate: tf.Scalar; beta1?: tf.Scalar | undefined; smoothing: number },
): { loss: tf.Scalar; error: tf.Scalar } {
  let error: tf.Scalar | undefined;
  const variables = trainable.map(({ variable }) => variable);
  const { value: loss, grads } = tf.variableGrads(() => {
    const { losses, errors } = scores(trainingLogits(images, noiseSeed), labels, rates.smoothing);
    error = tf.keep(errors.mean());
    return losses.mean();
  }, variables);
  optimizer.applyGradients(
    variables.map(({ name }) => grads[name]),
    rates.learningRate,
    rates.beta1,
  );
  return { loss, error: error! };
}
