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
 * A player for environments.
 * @param load Gives the agent's network its weights.
 */
export function createPlayer(
  definition: AnyAgentDefinition,
  settings: AgentSettings,
  env: VectorEnv,
  load: (network: ReturnType<AnyAgentDefinition['createNetwork']>) => void,
  factory?: NetworkFactory,
): Player {
  const trained = definition.createNetwork(settings, env, factory);
  load(trained);
  // Its weights stay as they are from here on: norms are worked out once.
  const network = definition.createNetwork({ ...settings, normalization: 'none' }, env, factory);
  assignEffectiveWeights(network, trained);
  trained.dispose();
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
