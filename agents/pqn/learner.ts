import * as tf from '@tensorflow/tfjs';
import { createLearner } from '../../src/agent/learner.ts';
import { applyNetwork, networkInput, type StateOptions, statesInput, statesTensor } from '../../src/agent/states.ts';
import { descend } from '../../src/agent/value-learner.ts';
import { greedyActions, lambdaReturns, valuesOf } from '../../src/losses/index.ts';
import { storedVariables } from '../../src/networks/variables.ts';
import type { Optimizer } from '../../src/optimizers/index.ts';
import type { FrameArray } from '../../src/replay/index.ts';
import type { Minibatch, Trajectories } from '../../src/rollout/index.ts';
import type { Numbers } from '../../src/runs/events.ts';
import type { State, StoredTensors } from '../../src/runs/trainable.ts';
import { defineStep, type TensorOf } from '../../src/runtime/compile/index.ts';
import { assignEffectiveWeights, dataDependentInit, isNormalizedLayer } from '../../src/weightnorm/index.ts';
import { batchSize, type PqnSettings } from './config.ts';

/** Q(s, .) of stacked states: [n, actions]. */
export function actionValues(network: tf.LayersModel, states: tf.Tensor, training = false): tf.Tensor2D {
  return applyNetwork(network, states, training) as tf.Tensor2D;
}

/** The inputs of an update: one line each. */
function updateInputs(settings: PqnSettings, states: StateOptions) {
  const batch = batchSize(settings);
  return {
    states: statesInput(batch, states),
    actions: { shape: [batch], dtype: 'int32' },
    returns: { shape: [batch], dtype: 'float32' },
    learningRate: { shape: [], dtype: 'float32' },
  } as const;
}

type UpdateInputs = ReturnType<typeof updateInputs>;
type UpdateTensors = { readonly [K in keyof UpdateInputs]: TensorOf<UpdateInputs[K]> };

/**
 * One update of PQN's network on a minibatch of a rollout (Gallici et al. 2025, algorithm 1): a step down the gradient
 * of the mean of (Q(s_t, a_t) - G_t)^2 / 2.
 * @param lossOf The loss of each error, [batch] to [batch]; half its square where undefined.
 * @returns A function of tensors that gives `loss`, its mean over the batch before the update, and `meanQ`, the mean of
 *   max_a Q(s_t, a): what the agent expects to score, in discounted clipped rewards.
 */
export function pqnUpdate(
  network: tf.LayersModel,
  optimizer: Optimizer,
  { maxGradientNorm }: Pick<PqnSettings, 'maxGradientNorm'>,
  lossOf: (errors: tf.Tensor1D) => tf.Tensor1D = (errors) => errors.square().mul(0.5),
) {
  return ({ states, actions, returns, learningRate }: UpdateTensors) => {
    const measure = () => {
      const values = actionValues(network, states, true); // [batch, actions]
      const errors = valuesOf(values, actions).sub<tf.Tensor1D>(returns);
      return { loss: lossOf(errors).mean<tf.Scalar>(), meanQ: values.max(1).mean<tf.Scalar>() };
    };
    return descend(network, optimizer, maxGradientNorm, measure, learningRate);
  };
}

export interface PqnLearnerOptions {
  /** The network that learns, and a plain one that acts in its place where it is normalised: see `ValueNetworks`. */
  readonly networks: { readonly online: tf.LayersModel; readonly acting?: tf.LayersModel | undefined };
  /** That of the online network. */
  readonly optimizer: Optimizer;
  readonly settings: PqnSettings;
  readonly states: StateOptions;
  readonly numEnvs: number;
  readonly update: (batch: UpdateTensors) => { loss: tf.Scalar; meanQ: tf.Scalar };
}

/** What PQN computes with tensors, on typed arrays. */
export interface PqnLearner {
  /** Greedy actions and V(s) = max_a Q(s, a) for the states of all environments, [numEnvs] each. */
  act(states: FrameArray): { actions: ArrayLike<number>; values: ArrayLike<number> };
  /** G_t of a whole rollout, [steps x numEnvs]. */
  lambdaReturns(trajectories: Trajectories): ArrayLike<number>;
  /** One update. Returns what `update` gives. */
  learn(batch: Minibatch, learningRate: number): Numbers;
  /** Sets scales and shifts from real states (Salimans & Kingma 2016, section 3). Returns warnings for the user. */
  initializeFromData(states: FrameArray): readonly string[];
  /** Notes that the weights come from such an initialisation. */
  markInitialized(): void;
  /** The network, with the weights that it has now. */
  currentNetwork(): tf.LayersModel;
  getState(): State;
  /** @throws StateError for a state of another network. */
  setState(state: Pick<State<StoredTensors>, 'tensors'>): void;
  dispose(): void;
}

/** The learner over a network and its optimizer, which it owns from here on. */
export function createPqnLearner({
  networks: { online, acting },
  optimizer,
  settings,
  states,
  numEnvs,
  update,
}: PqnLearnerOptions): PqnLearner {
  const { rolloutSteps, lambda, precision } = settings;
  const rollout = { shape: [rolloutSteps, numEnvs], dtype: 'float32' } as const;
  const learner = createLearner(
    {
      act: defineStep({ states: statesInput(numEnvs, states) }, (inputs) => {
        const values = actionValues(acting ?? online, inputs.states);
        return { actions: greedyActions(values), values: values.max<tf.Tensor1D>(1) };
      }),
      lambdaReturns: defineStep(
        { rewards: rollout, discounts: rollout, nextValues: rollout, truncated: rollout },
        ({ rewards, discounts, nextValues, truncated }) => ({
          returns: lambdaReturns(rewards, discounts, nextValues, lambda, truncated),
        }),
      ),
      learn: defineStep(updateInputs(settings, states), update),
      syncActing: defineStep({}, () => {
        if (acting) assignEffectiveWeights(acting, online);
      }),
    },
    {
      precision,
      variables: {
        ...storedVariables(online),
        ...Object.fromEntries(
          Object.entries(optimizer.slots).map(([name, variable]) => [`optimizer/${name}`, variable]),
        ),
      },
      owned: [optimizer, online, ...(acting ? [acting] : [])],
    },
  );
  const { steps } = learner;

  /** Whether the acting network lacks what the online network has learned. */
  let actingIsStale = true;
  return {
    act(newStates) {
      if (acting && actingIsStale) steps.syncActing.run({});
      actingIsStale = false;
      return steps.act.values({ states: newStates });
    },
    lambdaReturns: ({ rewards, discounts, nextValues, truncated }) =>
      steps.lambdaReturns.values({ rewards, discounts, nextValues, truncated }).returns,
    learn({ states: newStates, actions, returns }, learningRate) {
      actingIsStale = true;
      const { loss, meanQ } = steps.learn.values({ states: newStates, actions, returns, learningRate });
      return { loss: loss[0], meanQ: meanQ[0] };
    },
    initializeFromData(newStates) {
      actingIsStale = true;
      const input = tf.tidy(() => networkInput(online, statesTensor(newStates, states)));
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
