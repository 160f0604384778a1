import * as tf from '@tensorflow/tfjs';
import { allFinite } from '../../src/files/variables.ts';
import { allVariables } from '../../src/networks/variables.ts';
import type { FrameArray, ReplayOptions, TransitionBatch } from '../../src/replay/index.ts';
import { compile, type InputSpec, type Precision } from '../../src/runtime/compile/index.ts';
import { DivergedError } from '../../src/training/diverged.ts';
import { type DataDependentInitReport, dataDependentInit } from '../../src/weightnorm/index.ts';
import { type BatchTensors, type DqnFunctions, greedyActions, networkInput, type QNetworks } from './functions.ts';

export interface LearnResult {
  /** Mean over the batch, before the update. */
  loss: number;
  /** Mean over the batch of max_a Q(s_t, a): what the agent expects to score, in discounted clipped rewards. */
  meanQ: number;
}

type StateOptions = Pick<ReplayOptions, 'frameShape' | 'frameStack' | 'dtype'>;

/**
 * The agent's functions of tensors, compiled into one TensorFlow graph, on the typed arrays of replay and environments.
 */
export class DqnRunner {
  private readonly program: ReturnType<typeof compileFunctions>;
  private readonly networks: QNetworks;
  /** Whether the acting network lacks what the online network has learned. */
  private actingIsStale = true;

  constructor(functions: DqnFunctions, networks: QNetworks, replay: ReplayOptions, precision: Precision) {
    this.program = compileFunctions(functions, replay, precision);
    this.networks = networks;
  }

  /** Greedy actions for the states of all environments, [numEnvs, frameStack, ...frameShape]. */
  act(states: FrameArray): ArrayLike<number> {
    if (this.networks.acting && this.actingIsStale) {
      this.program.steps.syncActing.run({});
      this.actingIsStale = false;
    }
    return this.program.steps.act.values({ states }).actions;
  }

  /**
   * One update of the online network.
   * @throws DivergedError where its loss or its values are not finite.
   */
  learn(batch: TransitionBatch): LearnResult {
    this.actingIsStale = true;
    const { loss, meanQ } = this.program.steps.learn.values({ ...batch });
    if (!allFinite([loss[0], meanQ[0]])) throw this.diverged(loss[0], meanQ[0]);
    return { loss: loss[0], meanQ: meanQ[0] };
  }

  private diverged(loss: number, meanQ: number): DivergedError {
    this.pull();
    const spoiled = allVariables(this.networks.online).find(({ variable }) => !allFinite(variable.dataSync()));
    const where = spoiled === undefined ? 'its weights are finite still' : `"${spoiled.name}" of it is not finite`;
    return new DivergedError(
      `learning has diverged: the online network's loss is ${loss} and its mean value ${meanQ}; ${where}`,
    );
  }

  /** Copies the online network to the target network. */
  syncTarget(): void {
    this.program.steps.syncTarget.run({});
  }

  /** Sets scales and shifts of the online network from real states (Salimans & Kingma 2016, section 3). */
  initializeFromData({ states }: TransitionBatch, options: StateOptions): DataDependentInitReport {
    const { online } = this.networks;
    const input = tf.tidy(() => networkInput(online, stateTensor(states, options)));
    this.pull();
    const report = dataDependentInit(online, input);
    this.push();
    input.dispose();
    return report;
  }

  /** Brings the variables' values from the graph into the networks and the optimizer, to be saved. */
  pull(): void {
    this.program.pull();
  }

  /** Takes the values of the networks and the optimizer over into the graph, after they were loaded. */
  push(): void {
    this.actingIsStale = true;
    this.program.push();
  }

  dispose(): void {
    this.program.dispose();
  }
}

function compileFunctions(functions: DqnFunctions, replay: ReplayOptions, precision: Precision) {
  const { batchSize, lanes } = replay;
  const states = statesSpec(batchSize, replay);
  const values: InputSpec = { shape: [batchSize], dtype: 'float32' };
  return compile(
    {
      act: {
        inputs: { states: statesSpec(lanes, replay) },
        fn: ({ states }) => ({ actions: functions.act(states) }),
      },
      learn: {
        inputs: {
          states,
          actions: { shape: [batchSize], dtype: 'int32' },
          returns: values,
          discounts: values,
          nextStates: states,
        },
        fn: (batch) => ({ ...functions.learn(batch as unknown as BatchTensors) }),
      },
      syncTarget: { inputs: {}, fn: () => functions.syncTarget() },
      syncActing: { inputs: {}, fn: () => functions.syncActing() },
    },
    { precision },
  );
}

/** The greedy policy of one network, compiled for a number of environments. */
export function compilePolicy(network: tf.LayersModel, numEnvs: number, options: StateOptions, precision: Precision) {
  const program = compile(
    {
      act: {
        inputs: { states: statesSpec(numEnvs, options) },
        fn: ({ states }) => ({ actions: greedyActions(network, states) }),
      },
    },
    { precision },
  );
  return {
    act: (states: FrameArray): ArrayLike<number> => program.steps.act.values({ states }).actions,
    dispose: () => program.dispose(),
  };
}

function statesSpec(count: number, { frameShape, frameStack, dtype }: StateOptions): InputSpec {
  return { shape: [count, frameStack, ...frameShape], dtype };
}

function stateTensor(states: FrameArray, { frameShape, frameStack, dtype }: StateOptions): tf.Tensor {
  const shape = [frameStack, ...frameShape];
  const count = states.length / shape.reduce((product, size) => product * size, 1);
  return tf.tensor(states, [count, ...shape], dtype === 'uint8' ? 'int32' : 'float32');
}
