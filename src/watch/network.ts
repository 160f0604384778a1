// What a network of a run says of states.
import * as tf from '@tensorflow/tfjs';
import type { VectorEnv } from 'gymnasium-js-bridge';
import type { AnyAgentDefinition, NetworkOutputs } from '../agent/definition.ts';
import { playingNetwork } from '../agent/player.ts';
import type { AgentSettings } from '../agent/settings.ts';
import { distributions, networkInput, type StateOptions, stateOptions, statesTensor } from '../agent/states.ts';
import { quantileMidpoints, valuesOf } from '../losses/index.ts';
import type { FrameArray } from '../replay/index.ts';
import type { Distribution } from '../viewer/watch-api.ts';

/** So many states go through the network at once: their gradients fit in some tens of megabytes. */
const BATCH = 32;

export interface NetworkSource {
  readonly definition: AnyAgentDefinition;
  readonly settings: AgentSettings;
  readonly env: VectorEnv;
  /** Gives the network its weights. */
  readonly load: (network: tf.LayersModel) => void;
  readonly checkpoint: { readonly step: number; readonly isBest: boolean };
}

/** A network of a checkpoint, to be asked about states. */
export class WatchedNetwork {
  readonly checkpoint: NetworkSource['checkpoint'];
  readonly stateOptions: StateOptions;
  private readonly source: Pick<NetworkSource, 'definition' | 'settings'>;
  private readonly outputs: NetworkOutputs;
  private readonly network: tf.LayersModel;

  constructor({ definition, settings, env, load, checkpoint }: NetworkSource) {
    this.checkpoint = checkpoint;
    this.source = { definition, settings };
    this.stateOptions = stateOptions(settings, env);
    this.outputs = definition.outputs?.(settings) ?? { kind: 'values' };
    this.network = playingNetwork(definition, settings, env, load);
  }

  get distribution(): Distribution {
    const { outputs } = this;
    if (outputs.kind === 'values') return { kind: 'none' };
    if (outputs.kind === 'categorical') {
      return { kind: 'probabilities', count: outputs.atoms, low: outputs.vMin, high: outputs.vMax };
    }
    return { kind: 'quantiles', count: outputs.count };
  }

  /** Q(s, .) of states [n, frameStack, ...frameShape]: a row for each. */
  values(states: FrameArray): Float32Array[] {
    const { definition, settings } = this.source;
    return this.inBatches(states, (batch) => definition.actionValues(this.network, this.tensor(batch), settings));
  }

  /** The distributions of each state, [actions, count]; empty where the agent has none. */
  distributions(states: FrameArray): Float32Array[] {
    return this.inBatches(states, (batch) => this.distributionsOf(this.tensor(batch)));
  }

  /**
   * How much Q(s, a) of each state's action changes with each value that was seen: the size of the gradient, summed
   * over the frames of the stack, and over the channels where there are several.
   */
  saliency(states: FrameArray, actions: readonly number[]): Float32Array[] {
    const { definition, settings } = this.source;
    return this.inBatches(states, (batch, from) => {
      const inputs = this.tensor(batch).cast('float32');
      const chosen = tf.tensor1d(actions.slice(from, from + inputs.shape[0]), 'int32');
      const ofChosen = (seen: tf.Tensor) =>
        valuesOf(definition.actionValues(this.network, seen, settings), chosen).sum();
      const sizes = tf.grad(ofChosen)(inputs).abs().sum(1);
      return sizes.rank === 4 ? sizes.sum(3) : sizes;
    });
  }

  dispose(): void {
    this.network.dispose();
  }

  private distributionsOf(states: tf.Tensor): tf.Tensor {
    const { network, outputs } = this;
    switch (outputs.kind) {
      case 'values':
        return tf.zeros([states.shape[0], 0]);
      case 'categorical':
        return tf.softmax(distributions(network, states, outputs.atoms));
      case 'quantiles':
        return distributions(network, states, outputs.count);
      case 'implicit-quantiles': {
        const taus = quantileMidpoints(outputs.count).expandDims(0).tile([states.shape[0], 1]);
        return (network.apply([networkInput(network, states), taus]) as tf.Tensor3D).transpose([0, 2, 1]);
      }
    }
  }

  private tensor(states: FrameArray): tf.Tensor {
    return statesTensor(states, this.stateOptions);
  }

  /** The rows of what is worked out for states, some at a time. */
  private inBatches(states: FrameArray, of: (batch: FrameArray, from: number) => tf.Tensor): Float32Array[] {
    const { frameShape, frameStack } = this.stateOptions;
    const size = frameShape.reduce((product, length) => product * length, frameStack);
    const count = states.length / size;
    const rows: Float32Array[] = [];
    for (let from = 0; from < count; from += BATCH) {
      const until = Math.min(from + BATCH, count);
      const values = tf.tidy(() => of(states.subarray(from * size, until * size), from).dataSync()) as Float32Array;
      const width = values.length / (until - from);
      for (let i = 0; i < until - from; i++) rows.push(values.slice(i * width, (i + 1) * width));
    }
    return rows;
  }
}
