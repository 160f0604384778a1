import * as tf from '@tensorflow/tfjs';
import { complement, type UpdateRule } from './update-rule.ts';

/** Adamax (Kingma & Ba 2015, section 7.1): the running maximum of the gradients in place of their variance. */
export interface AdamaxConfig {
  readonly name: 'adamax';
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  /** Added to the running maximum u. */
  readonly epsilon: number;
}

/**
 * Adamax (Kingma and Ba 2015, arXiv:1412.6980, algorithm 2), as TensorFlow's ResourceApplyAdaMax, which adds epsilon:
 *
 *   m     <- m + (g - m) (1 - beta1)
 *   u     <- max(beta2 u, |g|)
 *   alpha  = learningRate / (1 - beta1^t)
 *   x     <- x - alpha m / (u + epsilon)
 */
export function adamaxRule({ beta1, beta2, epsilon }: AdamaxConfig): UpdateRule {
  return {
    slotNames: ['m', 'u'],
    slotDegrees: { m: 1, u: 1 },
    powerBases: { beta1Power: beta1 },
    prepare: ({ learningRate, powers, beta1: given }) => ({
      oneMinusBeta1: given ? tf.sub(1, given) : tf.scalar(complement(beta1)),
      beta2: tf.scalar(beta2),
      epsilon: tf.scalar(epsilon),
      alpha: tf.div(learningRate, tf.sub(1, powers.beta1Power)),
    }),
    apply({ variable, slots: { m, u }, gradient }, { oneMinusBeta1, beta2, epsilon, alpha }) {
      m.assign(m.add(gradient.sub(m).mul(oneMinusBeta1)));
      u.assign(tf.maximum(u.mul(beta2), gradient.abs()));
      variable.assign(variable.sub(alpha.mul(m.div(u.add(epsilon)))));
    },
    fuse: ({ variable, slots: { m, u }, gradient }, { learningRate, beta1: given, powers: { beta1Power } }) => ({
      op: 'ResourceApplyAdaMax',
      resources: [variable, m, u],
      inputs: [beta1Power, learningRate, given ?? beta1, beta2, epsilon, gradient],
      attributes: { use_locking: false },
    }),
  };
}
