import * as tf from '@tensorflow/tfjs';
import type { FrameArray, ReplayOptions, TransitionBatch } from '../../src/replay/index.ts';
import { dataDependentInit } from '../../src/weightnorm/index.ts';
import { type DqnFunctions, networkInput, type QNetworks } from './functions.ts';

export interface LearnResult {
  /** Mean over the batch, before the update. */
  loss: number;
  /** Mean over the batch of max_a Q(s_t, a): what the agent expects to score, in discounted clipped rewards. */
  meanQ: number;
}

type StateOptions = Pick<ReplayOptions, 'frameShape' | 'frameStack' | 'dtype'>;

/** Runs the agent's functions of tensors on the typed arrays of replay and environments. Leaves no tensor behind. */
export class DqnRunner {
  private readonly functions: DqnFunctions;
  private readonly networks: QNetworks;
  private readonly initialization: 'default' | 'data-dependent';
  private readonly stateTensor: (states: FrameArray) => tf.Tensor;

  constructor(
    functions: DqnFunctions,
    networks: QNetworks,
    states: StateOptions,
    initialization: 'default' | 'data-dependent',
  ) {
    this.functions = functions;
    this.networks = networks;
    this.initialization = initialization;
    this.stateTensor = stateTensors(states);
  }

  /** Greedy actions for stacked states [n, frameStack, ...frameShape]. */
  act(states: FrameArray): Int32Array {
    return tf.tidy(() => this.functions.act(this.stateTensor(states)).dataSync<'int32'>());
  }

  /** One update of the online network. */
  learn(batch: TransitionBatch): LearnResult {
    const { loss, meanQ } = tf.tidy(() =>
      this.functions.learn({
        states: this.stateTensor(batch.states),
        actions: tf.tensor1d(batch.actions, 'int32'),
        returns: tf.tensor1d(batch.returns),
        discounts: tf.tensor1d(batch.discounts),
        nextStates: this.stateTensor(batch.nextStates),
      }),
    );
    const result = { loss: loss.dataSync()[0], meanQ: meanQ.dataSync()[0] };
    tf.dispose([loss, meanQ]);
    return result;
  }

  /** Before the first update: scales and shifts from real states where asked for, then the target network starts as the online one. */
  initialize(batch: TransitionBatch): void {
    if (this.initialization === 'data-dependent') {
      const input = tf.tidy(() => networkInput(this.networks.online, this.stateTensor(batch.states)));
      dataDependentInit(this.networks.online, input);
      input.dispose();
    }
    this.syncTarget();
  }

  /** Copies the online network to the target network. */
  syncTarget(): void {
    tf.tidy(() => this.functions.syncTarget());
  }
}

/** Makes tensors [n, frameStack, ...frameShape] of stacked states. */
export function stateTensors({ frameShape, frameStack, dtype }: StateOptions): (states: FrameArray) => tf.Tensor {
  const shape = [frameStack, ...frameShape];
  const size = shape.reduce((product, length) => product * length, 1);
  return (states) => tf.tensor(states, [states.length / size, ...shape], dtype === 'uint8' ? 'int32' : 'float32');
}
