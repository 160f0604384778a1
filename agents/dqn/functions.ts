import * as tf from '@tensorflow/tfjs';
import { trainableVariables } from '../../src/networks/variables.ts';
import { clipByGlobalNorm, type Optimizer } from '../../src/optimizers/index.ts';
import { assignEffectiveWeights } from '../../src/weightnorm/index.ts';
import type { DqnConfig } from './config.ts';

/** A minibatch as tensors; states are [batch, frameStack, ...frameShape]. */
export interface BatchTensors {
  states: tf.Tensor;
  /** int32 [batch] */
  actions: tf.Tensor1D;
  /** R_t = r_t + gamma r_{t+1} + ... over up to n steps, [batch] */
  returns: tf.Tensor1D;
  /** gamma^n, or 0 after a terminal step, [batch] */
  discounts: tf.Tensor1D;
  nextStates: tf.Tensor;
}

/** The functions of tensors that a DQN consists of. They read no values, so that they can be compiled; they are otherwise run in a tidy. */
export interface DqnFunctions {
  /** Greedy actions: argmax_a Q(s, a), int32 [n], for states [n, frameStack, ...frameShape]. */
  act(states: tf.Tensor): tf.Tensor1D;
  /** One update of the online network; returns the loss before it and the mean of max_a Q(s_t, a). */
  learn(batch: BatchTensors): { loss: tf.Scalar; meanQ: tf.Scalar };
  /** Gives the target network the kernels and biases that the online network applies. */
  syncTarget(): void;
  /** Likewise the acting network, where there is one; due before `act` once the online network has changed. */
  syncActing(): void;
}

export interface QNetworks {
  online: tf.LayersModel;
  /** The same network without normalization: its weights are constant between syncs, so w = g v/||v|| is worked out once, there. */
  target: tf.LayersModel;
  /** Likewise, for acting: worth its making where the agent acts several times between two updates. Without it the online network acts. */
  acting?: tf.LayersModel;
}

type LossSettings = Pick<DqnConfig, 'loss' | 'doubleQ' | 'maxGradientNorm'>;

export function dqnFunctions(
  { online, target, acting }: QNetworks,
  optimizer: Optimizer,
  settings: LossSettings,
): DqnFunctions {
  const variables = trainableVariables(online).map(({ variable }) => variable);

  return {
    act: (states) => greedyActions(acting ?? online, states),

    learn({ states, actions, returns, discounts, nextStates }) {
      // y_t = R_t + gamma^n max_a Q_target(s_{t+n}, a); double DQN takes a from the online network.
      const nextQ = q(target, nextStates); // [batch, actions]
      const bootstrap = settings.doubleQ ? pick(nextQ, greedyActions(online, nextStates)) : nextQ.max<tf.Tensor1D>(1);
      const targets = returns.add(discounts.mul(bootstrap)); // [batch]

      let meanQ!: tf.Scalar;
      const { value: loss, grads } = tf.variableGrads(() => {
        const onlineQ = q(online, states, true); // [batch, actions]
        meanQ = tf.keep(onlineQ.max(1).mean());
        const errors = pick(onlineQ, actions).sub<tf.Tensor1D>(targets); // delta_t, [batch]
        return lossOf(errors, settings.loss).mean();
      }, variables);
      const gradients = variables.map((variable) => grads[variable.name]);
      const { maxGradientNorm } = settings;
      optimizer.applyGradients(
        maxGradientNorm > 0 ? clipByGlobalNorm(gradients, maxGradientNorm).gradients : gradients,
      );
      return { loss, meanQ };
    },

    syncTarget: () => assignEffectiveWeights(target, online),

    syncActing() {
      if (acting) assignEffectiveWeights(acting, online);
    },
  };
}

/** argmax_a Q(s, a), int32 [batch]. */
export function greedyActions(network: tf.LayersModel, states: tf.Tensor): tf.Tensor1D {
  return q(network, states).argMax<tf.Tensor1D>(1);
}

/** Q(s, .) of stacked states: [batch, actions]. */
function q(network: tf.LayersModel, states: tf.Tensor, training = false): tf.Tensor2D {
  return network.apply(networkInput(network, states), { training }) as tf.Tensor2D;
}

/** Q(s, a) of the given actions: [batch]. */
function pick(q: tf.Tensor2D, actions: tf.Tensor1D): tf.Tensor1D {
  return q.mul(tf.oneHot(actions, q.shape[1])).sum<tf.Tensor1D>(1);
}

/** Huber: delta^2 / 2 up to 1, |delta| - 1/2 beyond, which is Nature's error clipped to [-1, 1]. */
function lossOf(errors: tf.Tensor1D, loss: LossSettings['loss']): tf.Tensor1D {
  if (loss === 'squared') return errors.square();
  const size = errors.abs();
  const quadratic = size.minimum(1);
  return quadratic.square().mul(0.5).add(size.sub(quadratic));
}

/** Stacked frames [n, k, h, w] become the [n, h, w, k] of a convolution; stacked vectors [n, k, size] are flattened. */
export function networkInput(network: tf.LayersModel, states: tf.Tensor): tf.Tensor {
  const [, ...shape] = network.inputs[0].shape as number[];
  // Cast first: oneDNN transposes floats three times as fast as TensorFlow does bytes.
  if (states.rank === 4 && shape.length === 3) return states.cast('float32').transpose([0, 2, 3, 1]);
  return states.reshape([states.shape[0], ...shape]).cast('float32');
}
