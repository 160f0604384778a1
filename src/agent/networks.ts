import type * as tf from '@tensorflow/tfjs';
import { minAtarQNetwork, mlpQNetwork, natureQNetwork } from '../networks/index.ts';
import { deriveSeed } from '../random/index.ts';
import type { Normalization } from '../weightnorm/index.ts';
import type { AgentSettings } from './settings.ts';
import type { StateOptions } from './states.ts';

/** What a network is to be made for. */
export interface NetworkSpec {
  /** Without the batch: [height, width, frames x channels] for images, [size] for vectors, both stacked. */
  readonly inputShape: readonly number[];
  /** The lowest and the highest value of an input, where both are known. */
  readonly inputRange?: readonly [low: number, high: number] | undefined;
  /** The length of the output: one value for each action, or what an agent needs of each. */
  readonly outputs: number;
  readonly normalization: Normalization;
  /** Decides the initial kernels. */
  readonly seed: number;
}

/** Makes a network, [batch, ...inputShape] to [batch, outputs]: any `tf.LayersModel`. */
export type NetworkFactory = (spec: NetworkSpec) => tf.LayersModel;

/** The spec of a network for the states of an environment. */
export function networkSpec(
  { frameShape, frameStack }: StateOptions,
  { outputs, normalization, seed, inputRange }: Omit<NetworkSpec, 'inputShape'>,
): NetworkSpec {
  const isImage = frameShape.length === 2 || frameShape.length === 3;
  const [height, width, channels = 1] = frameShape;
  const inputShape = isImage
    ? [height, width, frameStack * channels]
    : [frameShape.reduce((product, size) => product * size, frameStack)];
  return { inputShape, inputRange, outputs, normalization, seed: deriveSeed(seed, 'network') };
}

/** The factory of the settings' network. */
export function settingsNetwork({ network, padding, hiddenUnits, layerNorm }: AgentSettings): NetworkFactory {
  return ({ inputShape, inputRange, outputs, normalization, seed }) => {
    const options = { numActions: outputs, normalization, layerNorm, hiddenUnits, seed };
    if (network === 'mlp') {
      return mlpQNetwork({ ...options, inputSize: inputShape.reduce((product, size) => product * size, 1) });
    }
    const images = { ...options, inputShape: inputShape as [number, number, number], inputRange, padding };
    return network === 'minatar' ? minAtarQNetwork(images) : natureQNetwork(images);
  };
}
