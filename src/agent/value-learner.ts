import * as tf from '@tensorflow/tfjs';
import { greedyActions } from '../losses/index.ts';
import { allVariables, trainableVariables } from '../networks/variables.ts';
import { clipByGlobalNorm, type Optimizer } from '../optimizers/index.ts';
import type { FrameArray, ReplayOptions } from '../replay/index.ts';
import type { Numbers } from '../runs/events.ts';
import type { State, StoredTensors } from '../runs/trainable.ts';
import { defineStep, type Precision, type StepOutputs, type TensorOf } from '../runtime/compile/index.ts';
import { assignEffectiveWeights, dataDependentInit, isNormalizedLayer } from '../weightnorm/index.ts';
import { createLearner } from './learner.ts';
import { networkInput, statesInput, statesTensor, transitionInputs } from './states.ts';

/** The networks of an agent that learns values with a target network. */
export interface ValueNetworks {
  /** Learns, and acts where `acting` is absent. */
  readonly online: tf.LayersModel;
  /** The same without normalization: its weights stay between copies, so w = g v/||v|| is worked out once, there. */
  readonly target: tf.LayersModel;
  /** Likewise, for acting: worth its making where the agent acts several times between two updates. */
  readonly acting?: tf.LayersModel;
}

const SCALAR = { shape: [], dtype: 'float32' } as const;

type TransitionInputs = ReturnType<typeof transitionInputs>;
/** A minibatch of transitions as tensors: states [batch, frameStack, ...frameShape], the others [batch]. */
export type TransitionTensors = { readonly [K in keyof TransitionInputs]: TensorOf<TransitionInputs[K]> };

/** The typed arrays of these: what a replay's minibatch must have. */
export type LearnableBatch = { readonly [K in keyof TransitionInputs]: FrameArray | Int32Array };

export interface ValueLearnerOptions {
  readonly networks: ValueNetworks;
  /** That of the online network. */
  readonly optimizer: Optimizer;
  readonly replay: ReplayOptions;
  readonly precision: Precision;
  /** Q(s, .) of a network for stacked states: [n, actions]. */
  readonly actionValues: (network: tf.LayersModel, states: tf.Tensor) => tf.Tensor2D;
  /** One update of the online network; its outputs are scalars. It reads no value, so that it can be compiled. */
  readonly update: (batch: TransitionTensors, learningRate: tf.Scalar) => StepOutputs;
}

/** What an agent computes with tensors, on the typed arrays of its replay and its environments. */
export interface ValueLearner {
  /** Greedy actions for the states of all environments, [numEnvs, frameStack, ...frameShape]. */
  act(states: FrameArray): ArrayLike<number>;
  /**
   * One update of the online network. Returns the outputs of `update`.
   * @param learningRate The optimizer's unless given.
   */
  learn(batch: LearnableBatch, learningRate?: number): Numbers;
  /** Gives the target network the kernels and biases that the online network applies. */
  syncTarget(): void;
  /**
   * Sets scales and shifts of the online network from real states (Salimans & Kingma 2016, section 3).
   * @returns Warnings for the user.
   */
  initializeFromData(states: FrameArray): readonly string[];
  /** Notes in the online network that its weights come from such an initialisation, for what is saved of it. */
  markInitialized(): void;
  /** The online network, with the weights that it has now. */
  currentNetwork(): tf.LayersModel;
  getState(): State;
  /** @throws StateError for a state of other networks. */
  setState(state: Pick<State<StoredTensors>, 'tensors'>): void;
  /** Frees the graph, the networks and the optimizer. */
  dispose(): void;
}

/** The learner over networks and an optimizer, which it owns from here on. */
export function createValueLearner(options: ValueLearnerOptions): ValueLearner {
  const { networks, optimizer, replay, precision, actionValues, update } = options;
  const { online, target, acting } = networks;
  const learner = createLearner(
    {
      act: defineStep({ states: statesInput(replay.lanes, replay) }, ({ states }) => ({
        actions: greedyActions(actionValues(acting ?? online, states)),
      })),
      learn: defineStep({ ...transitionInputs(replay), learningRate: SCALAR }, ({ learningRate, ...batch }) =>
        update(batch, learningRate),
      ),
      syncTarget: defineStep({}, () => assignEffectiveWeights(target, online)),
      syncActing: defineStep({}, () => {
        if (acting) assignEffectiveWeights(acting, online);
      }),
    },
    {
      precision,
      variables: Object.fromEntries([
        ...allVariables(online).map(({ name, variable }) => [`online/${name}`, variable]),
        ...allVariables(target).map(({ name, variable }) => [`target/${name}`, variable]),
        ...Object.entries(optimizer.slots).map(([name, variable]) => [`optimizer/${name}`, variable]),
      ]),
      owned: [optimizer, ...Object.values(networks)],
    },
  );
  const inputNames = Object.keys(transitionInputs(replay)) as (keyof TransitionInputs)[];

  /** Whether the acting network lacks what the online network has learned. */
  let actingIsStale = true;
  return {
    act(states) {
      if (acting && actingIsStale) learner.steps.syncActing.run({});
      actingIsStale = false;
      return learner.steps.act.values({ states }).actions;
    },
    learn(batch, learningRate = optimizer.learningRate) {
      actingIsStale = true;
      const means = learner.steps.learn.values({ ...pick(batch, inputNames), learningRate });
      return Object.fromEntries(Object.entries(means).map(([name, [value]]) => [name, value]));
    },
    syncTarget: () => void learner.steps.syncTarget.run({}),
    initializeFromData(states) {
      actingIsStale = true;
      const input = tf.tidy(() => networkInput(online, statesTensor(states, replay)));
      learner.pull();
      const { warnings } = dataDependentInit(online, input);
      optimizer.weightsReplaced?.();
      learner.push();
      input.dispose();
      return warnings;
    },
    markInitialized() {
      for (const layer of online.layers) if (isNormalizedLayer(layer)) layer.dataInitialized = true;
    },
    currentNetwork() {
      learner.pull();
      return online;
    },
    getState: () => learner.getState(),
    setState(state) {
      actingIsStale = true;
      learner.setState(state);
    },
    dispose: () => learner.dispose(),
  };
}

/** The named entries of an object, and no others. */
function pick<K extends string, V>(values: Readonly<Record<K, V>>, names: readonly K[]): Record<K, V> {
  return Object.fromEntries(names.map((name) => [name, values[name]])) as Record<K, V>;
}

/**
 * One step of an optimizer down the gradient of a loss.
 * @param network Whose trainable variables change, those that the optimizer was made for.
 * @param maxGradientNorm Gradients are scaled down to this global norm; 0: never.
 * @param measure Gives the loss, and further scalars that come with it.
 * @param learningRate Of this step; the optimizer's where undefined.
 * @returns What `measure` gave, from before the step.
 */
export function descend<M extends { loss: tf.Scalar } & Record<string, tf.Scalar>>(
  network: tf.LayersModel,
  optimizer: Optimizer,
  maxGradientNorm: number,
  measure: () => M,
  learningRate?: tf.Scalar,
): M {
  const variables = trainableVariables(network).map(({ variable }) => variable);
  let kept!: M;
  const { grads } = tf.variableGrads(() => {
    const measured = measure();
    kept = Object.fromEntries(Object.entries(measured).map(([name, value]) => [name, tf.keep(value)])) as M;
    return measured.loss;
  }, variables);
  const gradients = variables.map(({ name }) => grads[name]);
  const clipped = maxGradientNorm > 0 ? clipByGlobalNorm(gradients, maxGradientNorm).gradients : gradients;
  optimizer.applyGradients(clipped, learningRate);
  return kept;
}
