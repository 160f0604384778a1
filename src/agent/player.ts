import type * as tf from '@tensorflow/tfjs';
import type { VectorEnv } from 'gymnasium-js-bridge/environments';
import { greedyActions } from '../losses/index.ts';
import type { FrameArray } from '../replay/index.ts';
import { compile, defineStep } from '../runtime/compile/index.ts';
import { assignEffectiveWeights } from '../weightnorm/index.ts';
import type { AnyAgentDefinition } from './definition.ts';
import type { NetworkFactory } from './networks.ts';
import type { AgentSettings } from './settings.ts';
import { stateOptions, statesInput } from './states.ts';

/** A greedy policy that does not learn. */
export interface Player {
  /** Greedy actions for the states of all environments, [numEnvs, frameStack, ...frameShape]. */
  act(states: FrameArray): ArrayLike<number>;
  /** Frees the network and the graph. */
  dispose(): void;
}

/**
 * A network whose weights stay as they are from here on: norms are worked out once.
 * @param load Gives the agent's network its weights.
 */
export function playingNetwork(
  definition: AnyAgentDefinition,
  settings: AgentSettings,
  env: VectorEnv,
  load: (network: tf.LayersModel) => void,
  factory?: NetworkFactory,
): tf.LayersModel {
  const trained = definition.createNetwork(settings, env, factory);
  try {
    load(trained);
    const network = definition.createNetwork({ ...settings, normalization: 'none' }, env, factory);
    assignEffectiveWeights(network, trained);
    return network;
  } finally {
    trained.dispose();
  }
}

/**
 * A player for environments.
 * @param load Gives the agent's network its weights.
 */
export function createPlayer(
  definition: AnyAgentDefinition,
  settings: AgentSettings,
  env: VectorEnv,
  load: (network: tf.LayersModel) => void,
  factory?: NetworkFactory,
): Player {
  const network = playingNetwork(definition, settings, env, load, factory);
  const states = statesInput(env.numEnvs, stateOptions(settings, env));
  const program = compile(
    {
      act: defineStep({ states }, (inputs) => ({
        actions: greedyActions(definition.actionValues(network, inputs.states, settings)),
      })),
    },
    { precision: settings.precision },
  );
  return {
    act: (newStates) => program.steps.act.values({ states: newStates }).actions,
    dispose() {
      program.dispose();
      network.dispose();
    },
  };
}
