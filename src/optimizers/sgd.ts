import * as tf from '@tensorflow/tfjs';
import type { UpdateRule } from './update-rule.ts';

/** Gradient descent, with momentum or without. */
export interface SgdConfig {
  readonly name: 'sgd';
  readonly learningRate: number;
  /** The momentum, 0 for plain gradient descent. */
  readonly momentum: number;
}

/**
 * Gradient descent with heavy-ball momentum, as TensorFlow's ResourceApplyMomentum (use_nesterov = false):
 *
 *   accum <- momentum accum + g
 *   x     <- x - learningRate accum
 */
export function sgdRule({ momentum }: SgdConfig): UpdateRule {
  return {
    slotNames: ['accum'],
    slotDegrees: { accum: 1 },
    powerBases: {},
    prepare: ({ learningRate }) => ({ learningRate, momentum: tf.scalar(momentum) }),
    apply({ variable, slots: { accum }, gradient }, { learningRate, momentum }) {
      accum.assign(accum.mul(momentum).add(gradient));
      variable.assign(variable.sub(accum.mul(learningRate)));
    },
    fuse: ({ variable, slots: { accum }, gradient }, { learningRate }) => ({
      op: 'ResourceApplyMomentum',
      resources: [variable, accum],
      inputs: [learningRate, gradient, momentum],
      attributes: { use_locking: false, use_nesterov: false },
    }),
  };
}
