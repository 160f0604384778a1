import type * as tf from '@tensorflow/tfjs';
import { mlpQNetwork, natureQNetwork } from '../networks/index.ts';
import { deriveSeed } from '../random/index.ts';
import type { Normalization } from '../weightnorm/index.ts';
import type { AgentSettings } from './settings.ts';
import type { StateOptions } from './states.ts';

/** What a network is to be made for. */
export interface NetworkSpec {
  /** Without the batch: [height, width, frames] for frames, [size] for vectors, both stacked. */
  readonly inputShape: readonly number[];
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
  { outputs, normalization, seed }: { outputs: number; normalization: Normalization; seed: number },
): NetworkSpec {
  const inputShape =
    frameShape.length === 2
      ? [...frameShape, frameStack]
      : [frameShape.reduce((product, size) => product * size, frameStack)];
  return { inputShape, outputs, normalization, seed: deriveSeed(seed, 'network') };
}

/** The factory of the settings' network. */
export function settingsNetwork({ network, padding, hiddenUnits }: AgentSettings): NetworkFactory {
  return ({ inputShape, outputs, normalization, seed }) => {
    const options = { numActions: outputs, normalization, hiddenUnits, seed };
    if (network === 'mlp') {
      return mlpQNetwork({ ...options, inputSize: inputShape.reduce((product, size) => product * size, 1) });
    }
    return natureQNetwork({ ...options, inputShape: inputShape as [number, number, number], padding });
  };
}
