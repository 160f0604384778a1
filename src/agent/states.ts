// States on their way into networks.
import * as tf from '@tensorflow/tfjs';
import type { BoxSpace, VectorEnv } from 'gymnasium-js-bridge/environments';
import type { PassNoise } from '../networks/index.ts';
import type { FrameArray, ReplayOptions } from '../replay/index.ts';
import type { AgentSettings } from './settings.ts';

/** What the states of an environment are made of. */
export type StateOptions = Pick<ReplayOptions, 'frameShape' | 'frameStack' | 'dtype'>;

/** What states are made of, for an environment. */
export function stateOptions({ frameStack }: AgentSettings, env: VectorEnv): StateOptions {
  const { dtype, shape } = env.observationSpace;
  // Atari's frames come with their stack axis of length 1.
  const frameShape = env.settings.kind === 'atari' ? shape.slice(1) : shape;
  return { frameShape, frameStack, dtype: dtype === 'uint8' ? 'uint8' : 'float32' };
}

/**
 * The lowest and the highest value in observations; undefined where a bound is infinite.
 */
export function valueRange({ low, high }: BoxSpace): readonly [low: number, high: number] | undefined {
  const lowest = typeof low === 'number' ? low : low.reduce((a, b) => Math.min(a, b));
  const highest = typeof high === 'number' ? high : high.reduce((a, b) => Math.max(a, b));
  return Number.isFinite(lowest) && Number.isFinite(highest) && highest > lowest ? [lowest, highest] : undefined;
}

/** The input of a compiled step that takes so many states: [count, frameStack, ...frameShape]. */
export function statesInput(count: number, { frameShape, frameStack, dtype }: StateOptions) {
  return { shape: [count, frameStack, ...frameShape] as readonly number[], dtype } as const;
}

/** The inputs of a compiled step that learns from a minibatch of a replay: one line each. */
export function transitionInputs(options: Pick<ReplayOptions, 'batchSize'> & StateOptions) {
  const { batchSize } = options;
  const values = { shape: [batchSize], dtype: 'float32' } as const;
  return {
    states: statesInput(batchSize, options),
    actions: { shape: [batchSize], dtype: 'int32' },
    returns: values,
    discounts: values,
    nextStates: statesInput(batchSize, options),
    weights: values,
  } as const;
}

/** States as a tensor, [count, frameStack, ...frameShape]. */
export function statesTensor(states: FrameArray, { frameShape, frameStack, dtype }: StateOptions): tf.Tensor {
  const shape = [frameStack, ...frameShape];
  const count = states.length / shape.reduce((product, size) => product * size, 1);
  return tf.tensor(states, [count, ...shape], dtype === 'uint8' ? 'int32' : 'float32');
}

/**
 * Stacked frames [n, k, h, w] become the [n, h, w, k] of a convolution, and images [n, k, h, w, c] the [n, h, w, k c],
 * the oldest first; stacked vectors [n, k, size] are flattened.
 */
export function networkInput(network: tf.LayersModel, states: tf.Tensor): tf.Tensor {
  const [, ...shape] = network.inputs[0].shape as number[];
  // Cast first: oneDNN transposes floats three times as fast as TensorFlow does bytes.
  if (states.rank === 4 && shape.length === 3) return states.cast('float32').transpose([0, 2, 3, 1]);
  if (states.rank === 5 && shape.length === 3) {
    return states
      .cast('float32')
      .transpose([0, 2, 3, 1, 4])
      .reshape([states.shape[0], ...shape]);
  }
  return states.reshape([states.shape[0], ...shape]).cast('float32');
}

/**
 * A network's outputs for stacked states, [n, frameStack, ...frameShape].
 * @param noise That of a noisy network; without it, the network's outputs on average.
 */
export function applyNetwork(
  network: tf.LayersModel,
  states: tf.Tensor,
  training = false,
  noise?: PassNoise,
): tf.Tensor {
  return network.apply(networkInput(network, states), { training, ...(noise && { noise }) }) as tf.Tensor;
}

/**
 * What a network says of each action in stacked states, where several numbers stand for each, such as the logits of
 * atoms or quantiles: [n, actions, perAction].
 */
export function distributions(
  network: tf.LayersModel,
  states: tf.Tensor,
  perAction: number,
  { training = false, noise }: { training?: boolean; noise?: PassNoise | undefined } = {},
): tf.Tensor3D {
  const outputs = applyNetwork(network, states, training, noise); // [n, actions x perAction]
  return outputs.reshape([states.shape[0], outputs.shape[1]! / perAction, perAction]);
}
