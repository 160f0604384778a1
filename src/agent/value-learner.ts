import * as tf from '@tensorflow/tfjs';
import { greedyActions } from '../losses/index.ts';
import type { PassNoise } from '../networks/index.ts';
import { allVariables, storedVariables, trainableVariables } from '../networks/variables.ts';
import { clipByGlobalNorm, type Optimizer } from '../optimizers/index.ts';
import { deriveSeed } from '../random/index.ts';
import type { FrameArray, ReplayOptions } from '../replay/index.ts';
import type { Numbers } from '../runs/events.ts';
import type { State, StoredTensors } from '../runs/trainable.ts';
import { defineStep, type Precision, type TensorOf, type TypedArray } from '../runtime/compile/index.ts';
import type { NoiseSeed } from '../runtime/seeded-noise.ts';
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

type TransitionInputs = ReturnType<typeof transitionInputs>;
/** A minibatch of transitions as tensors: states [batch, frameStack, ...frameShape], the others [batch]. */
export type TransitionTensors = { readonly [K in keyof TransitionInputs]: TensorOf<TransitionInputs[K]> };

/** What an update of a minibatch gives. A type and not an interface, so that tf.tidy may return it. */
export type ValueUpdate = {
  /** Numbers for the metrics, such as the loss. */
  readonly statistics: Readonly<Record<string, tf.Scalar>>;
  /**
   * How much there was to learn from each transition, such as the absolute TD error, [batch]: a prioritized replay
   * draws by it. Without the importance weights, which would correct what was drawn a second time.
   */
  readonly priorities: tf.Tensor1D;
};

/** The same as numbers. */
export interface Learned {
  readonly statistics: Numbers;
  /** [batch] */
  readonly priorities: TypedArray;
}

/** The typed arrays of these: what a replay's minibatch must have. */
export type LearnableBatch = { readonly [K in keyof TransitionInputs]: FrameArray | Int32Array };

/** What a learner of action values is made of: networks, optimizer, replay, and the update. */
export interface ValueLearnerOptions {
  readonly networks: ValueNetworks;
  /** That of the online network. */
  readonly optimizer: Optimizer;
  readonly replay: ReplayOptions;
  readonly precision: Precision;
  /** What the randomness of acting and learning follows from, beside the numbers of the act and the update. */
  readonly seed: number;
  /** Q(s, .) of a network for stacked states: [n, actions]; with noise where the network has such. */
  readonly actionValues: (network: tf.LayersModel, states: tf.Tensor, noise: PassNoise) => tf.Tensor2D;
  /**
   * One update of the online network. It reads no value, so that it can be compiled.
   * @param noiseSeed Decides the noise of the update, where there is any.
   */
  readonly update: (batch: TransitionTensors, noiseSeed: NoiseSeed, learningRate: tf.Scalar) => ValueUpdate;
  /** The network's inputs for stacked states, to initialise it from data; the states alone unless given. */
  readonly inputsFor?: (network: tf.LayersModel, states: tf.Tensor) => tf.Tensor[];
}

/** What an agent computes with tensors, on the typed arrays of its replay and its environments. */
export interface ValueLearner {
  /**
   * Greedy actions for the states of all environments, [numEnvs, frameStack, ...frameShape].
   * @param position A number that no other act has, such as the agent steps so far: the noise of a noisy network
   *   follows from it.
   */
  act(states: FrameArray, position: number): ArrayLike<number>;
  /**
   * One update of the online network. Returns what `update` gives.
   * @param updates How many came before it.
   * @param learningRate The optimizer's unless given.
   */
  learn(batch: LearnableBatch, updates: number, learningRate?: number): Learned;
  /** Gives the target network the kernels and biases that the online network applies. */
  syncTarget(): void;
  /**
   * Sets scales and shifts of the online network from real states (Salimans & Kingma 2016, section 3).
   * @returns Warnings for the user.
   */
  initializeFromData(states: FrameArray): readonly string[];
  /** Notes in the online network that its weights come from such an initialisation, for what is saved of it. */
  markInitialized(): void;
  /** What the online network takes for stacked states, [n, frameStack, ...frameShape]. */
  inputsFor(states: tf.Tensor): tf.Tensor[];
  /** The online network, with the weights that it has now. */
  currentNetwork(): tf.LayersModel;
  /** What a checkpoint holds: both networks and the optimizer, brought from the graph. */
  getState(): State;
  /** @throws StateError for a state of other networks. */
  setState(state: Pick<State<StoredTensors>, 'tensors'>): void;
  /** Frees the graph, the networks and the optimizer. */
  dispose(): void;
}

const SCALAR = { shape: [], dtype: 'float32' } as const;
const NOISE_SEED = { shape: [2], dtype: 'int32' } as const;

/** An update as a step of a program: its statistics by their names, and `priorities`. */
export function learningStep(replay: Parameters<typeof transitionInputs>[0], update: ValueLearnerOptions['update']) {
  const inputs = { ...transitionInputs(replay), noiseSeed: NOISE_SEED, learningRate: SCALAR };
  return defineStep(inputs, ({ noiseSeed, learningRate, ...batch }): Readonly<Record<string, tf.Tensor>> => {
    const { statistics, priorities } = update(batch as TransitionTensors, noiseSeed, learningRate);
    return { ...statistics, priorities };
  });
}

/** The learner over networks and an optimizer, which it owns from here on. */
export function createValueLearner(options: ValueLearnerOptions): ValueLearner {
  const { networks, optimizer, replay, precision, seed, actionValues, update } = options;
  const { inputsFor = (network, states) => [networkInput(network, states)] } = options;
  const { online, target, acting } = networks;
  const learner = createLearner(
    {
      act: defineStep(
        { states: statesInput(replay.lanes, replay), noiseSeed: NOISE_SEED },
        ({ states, noiseSeed }) => ({
          actions: greedyActions(actionValues(acting ?? online, states, { seed: noiseSeed, pass: 0, ownRows: true })),
        }),
      ),
      learn: learningStep(replay, update),
      syncTarget: defineStep({}, () => assignEffectiveWeights(target, online)),
      syncActing: defineStep({}, () => {
        if (acting) assignEffectiveWeights(acting, online);
      }),
    },
    {
      precision,
      variables: {
        ...storedVariables(online),
        ...Object.fromEntries([
          ...allVariables(target).map(({ name, variable }) => [`target/${name}`, variable]),
          ...Object.entries(optimizer.slots).map(([name, variable]) => [`optimizer/${name}`, variable]),
        ]),
      },
      owned: [optimizer, ...Object.values(networks)],
    },
  );
  const inputNames = Object.keys(transitionInputs(replay)) as (keyof TransitionInputs)[];

  const seeds = { act: deriveSeed(seed, 'acting noise'), learn: deriveSeed(seed, 'learning noise') };
  const noiseSeed = (purpose: keyof typeof seeds, number: number) => Int32Array.of(seeds[purpose], number);
  /** Whether the acting network lacks what the online network has learned. */
  let actingIsStale = true;
  return {
    act(states, position) {
      if (acting && actingIsStale) learner.steps.syncActing.run({});
      actingIsStale = false;
      return learner.steps.act.values({ states, noiseSeed: noiseSeed('act', position) }).actions;
    },
    learn(batch, updates, learningRate = optimizer.learningRate) {
      actingIsStale = true;
      const inputs = { ...pick(batch, inputNames), noiseSeed: noiseSeed('learn', updates), learningRate };
      const { priorities, ...scalars } = learner.steps.learn.values(inputs);
      const statistics = Object.fromEntries(Object.entries(scalars).map(([name, [value]]) => [name, value]));
      return { statistics, priorities };
    },
    syncTarget: () => void learner.steps.syncTarget.run({}),
    initializeFromData(states) {
      actingIsStale = true;
      const inputs = tf.tidy(() => inputsFor(online, statesTensor(states, replay)));
      learner.pull();
      const { warnings } = dataDependentInit(online, inputs);
      optimizer.weightsReplaced?.();
      learner.push();
      tf.dispose(inputs);
      return warnings;
    },
    inputsFor: (states) => inputsFor(online, states),
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
 * @param measure Gives the loss, and further tensors that come with it.
 * @param learningRate Of this step; the optimizer's where undefined.
 * @returns What `measure` gave, from before the step.
 */
export function descend<M extends { loss: tf.Scalar } & Record<string, tf.Tensor>>(
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
