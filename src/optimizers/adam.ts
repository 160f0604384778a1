import * as tf from '@tensorflow/tfjs';
import { complement, type UpdateRule } from './update-rule.ts';

/** Adam (Kingma & Ba 2015). */
export interface AdamConfig {
  readonly name: 'adam';
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  /** Added to sqrt(v), that is the "epsilon hat" of the paper's section 2, not the epsilon of its algorithm 1. */
  readonly epsilon: number;
}

/**
 * Adam (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1 in the order of section 2's last paragraph), as TensorFlow's
 * ResourceApplyAdam:
 *
 *   m     <- m + (g - m) (1 - beta1)
 *   v     <- v + (g^2 - v) (1 - beta2)
 *   alpha  = learningRate sqrt(1 - beta2^t) / (1 - beta1^t)
 *   x     <- x - alpha m / (sqrt(v) + epsilon)
 */
export function adamRule({ beta1, beta2, epsilon }: AdamConfig): UpdateRule {
  return {
    slotNames: ['m', 'v'],
    slotDegrees: { m: 1, v: 2 },
    powerBases: { beta1Power: beta1, beta2Power: beta2 },
    prepare: ({ learningRate, powers, beta1: given }) => ({
      oneMinusBeta1: given ? tf.sub(1, given) : tf.scalar(complement(beta1)),
      oneMinusBeta2: tf.scalar(complement(beta2)),
      epsilon: tf.scalar(epsilon),
      alpha: tf.div(tf.mul(learningRate, tf.sqrt(tf.sub(1, powers.beta2Power))), tf.sub(1, powers.beta1Power)),
    }),
    apply({ variable, slots: { m, v }, gradient }, { oneMinusBeta1, oneMinusBeta2, epsilon, alpha }) {
      m.assign(m.add(gradient.sub(m).mul(oneMinusBeta1)));
      v.assign(v.add(gradient.square().sub(v).mul(oneMinusBeta2)));
      variable.assign(variable.sub(m.mul(alpha).div(v.sqrt().add(epsilon))));
    },
    fuse: (
      { variable, slots: { m, v }, gradient },
      { learningRate, beta1: given, powers: { beta1Power, beta2Power } },
    ) => ({
      op: 'ResourceApplyAdam',
      resources: [variable, m, v],
      inputs: [beta1Power, beta2Power, learningRate, given ?? beta1, beta2, epsilon, gradient],
      attributes: { use_locking: false, use_nesterov: false },
    }),
  };
}
