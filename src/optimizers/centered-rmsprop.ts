import * as tf from '@tensorflow/tfjs';
import { complement, type UpdateRule } from './update-rule.ts';

/** RMSProp that divides by the deviation of the gradient from its running mean, as Mnih et al. 2015 trained with. */
export interface CenteredRmsPropConfig {
  readonly name: 'centered-rmsprop';
  readonly learningRate: number;
  /** Decay of both running means; 0.95 in Nature-DQN. */
  readonly decay: number;
  readonly momentum: number;
  /**
   * Added to the variance inside the square root; 0.01 in Nature-DQN, whose loss is a sum over the batch. It must
   * exceed the rounding of the variance, about 1e-6 times the largest g^2: float32 makes that of a constant gradient
   * negative.
   */
  readonly epsilon: number;
}

/**
 * Centred RMSProp (Graves 2013, arXiv:1308.0850, equations 38-41; used by Mnih et al. 2015), as TensorFlow's
 * ResourceApplyCenteredRMSProp:
 *
 *   ms  <- ms + (g^2 - ms) (1 - decay)
 *   mg  <- mg + (g - mg) (1 - decay)
 *   mom <- momentum mom + learningRate g / sqrt(ms - mg^2 + epsilon)
 *   x   <- x - mom
 *
 * Epsilon is added. (tfjs 4.22's own centred RMSProp subtracts it, so that the root of a negative number gives NaN.)
 */
export function centeredRmsPropRule({ decay, momentum, epsilon }: CenteredRmsPropConfig): UpdateRule {
  return {
    slotNames: ['mg', 'ms', 'mom'],
    slotDegrees: { mg: 1, ms: 2, mom: 0 },
    powerBases: {},
    prepare: ({ learningRate }) => ({
      learningRate,
      oneMinusDecay: tf.scalar(complement(decay)),
      momentum: tf.scalar(momentum),
      epsilon: tf.scalar(epsilon),
    }),
    apply({ variable, slots: { mg, ms, mom }, gradient }, { learningRate, oneMinusDecay, momentum, epsilon }) {
      ms.assign(ms.add(gradient.square().sub(ms).mul(oneMinusDecay)));
      mg.assign(mg.add(gradient.sub(mg).mul(oneMinusDecay)));
      const deviation = ms.sub(mg.square()).add(epsilon).sqrt();
      mom.assign(mom.mul(momentum).add(gradient.mul(learningRate).div(deviation)));
      variable.assign(variable.sub(mom));
    },
    fuse: ({ variable, slots: { mg, ms, mom }, gradient }, { learningRate }) => ({
      op: 'ResourceApplyCenteredRMSProp',
      resources: [variable, mg, ms, mom],
      inputs: [learningRate, decay, momentum, epsilon, gradient],
      attributes: { use_locking: false },
    }),
  };
}
