import type * as tf from '@tensorflow/tfjs';
import { imageQNetwork, mlpQNetwork } from '../networks/index.ts';
import { deriveSeed } from '../random/index.ts';
import type { Normalization } from '../weightnorm/index.ts';
import type { AgentSettings } from './settings.ts';
import type { StateOptions } from './states.ts';
import type { HeadSettings } from './value-settings.ts';

/** What a network is to be made for. */
export interface NetworkSpec {
  /** Without the batch: [height, width, frames x channels] for images, [size] for vectors, both stacked. */
  readonly inputShape: readonly number[];
  /** The lowest and the highest value of an input, where both are known. */
  readonly inputRange?: readonly [low: number, high: number] | undefined;
  /**
   * The length of the output: one value for each action, or what an agent needs of each, those of an action together.
   */
  readonly outputs: number;
  /** How many of them stand for each action; 1 unless given. */
  readonly outputsPerAction?: number | undefined;
  readonly normalization: Normalization;
  /** Decides the initial kernels. */
  readonly seed: number;
}

/** Makes a network, [batch, ...inputShape] to [batch, outputs]: any `tf.LayersModel`. */
export type NetworkFactory = (spec: NetworkSpec) => tf.LayersModel;

/** The spec of a network for the states of an environment. */
export function networkSpec(
  { frameShape, frameStack }: StateOptions,
  { seed, ...spec }: Omit<NetworkSpec, 'inputShape'>,
): NetworkSpec {
  const isImage = frameShape.length === 2 || frameShape.length === 3;
  const [height, width, channels = 1] = frameShape;
  const inputShape = isImage
    ? [height, width, frameStack * channels]
    : [frameShape.reduce((product, size) => product * size, frameStack)];
  return { ...spec, inputShape, seed: deriveSeed(seed, 'network') };
}

/** The factory of the settings' network. */
export function settingsNetwork(settings: AgentSettings & Partial<HeadSettings>): NetworkFactory {
  const { network, padding, hiddenUnits, layerNorm, dueling, noiseScale } = settings;
  return ({ inputShape, inputRange, outputs, outputsPerAction = 1, normalization, seed }) => {
    const output = { numActions: outputs / outputsPerAction, outputsPerAction, dueling, noiseScale };
    const options = { ...output, normalization, layerNorm, hiddenUnits, seed };
    if (network === 'mlp') {
      return mlpQNetwork({ ...options, inputSize: inputShape.reduce((product, size) => product * size, 1) });
    }
    const images = { ...options, inputShape: inputShape as [number, number, number], inputRange, padding };
    return imageQNetwork(network, images);
  };
}
