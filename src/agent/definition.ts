import type * as tf from '@tensorflow/tfjs';
import type { VectorEnv } from 'gymnasium-js-bridge/environments';
import type { Replay, ReplayOptions } from '../replay/index.ts';
import type { SettingProblem, SettingsDefinition } from '../settings/index.ts';
import type { Agent } from './agent.ts';
import type { NetworkFactory } from './networks.ts';
import type { AgentSettings } from './settings.ts';

/** What a user can hand in instead of what the settings say. */
export interface AgentParts {
  /** Makes the agent's networks. Their layers should heed `normalization` where the spec names one. */
  readonly network?: NetworkFactory | undefined;
  /** The loss of each error of an action's value. */
  readonly loss?: ((errors: tf.Tensor1D) => tf.Tensor1D) | undefined;
  /** Makes the replay, with a sampler of your own for instance. */
  readonly replay?: ((options: ReplayOptions) => Replay) | undefined;
}

export interface CreateAgentOptions extends AgentParts {
  /** Hears what the user should know, a line each. */
  readonly note?: ((line: string) => void) | undefined;
}

/**
 * What the outputs of a network that plays say of each action:
 * - `values`: Q(s, a) itself, [n, actions];
 * - `categorical`: logits of `atoms` returns, equally spaced from vMin to vMax, [n, actions x atoms];
 * - `quantiles`: quantiles of the return at the midpoints of `count` equal parts of probability, [n, actions x count];
 * - `implicit-quantiles`: quantiles at probabilities that are the network's second input, [n, probabilities, actions];
 *   who plays gives it `count` midpoints.
 */
export type NetworkOutputs =
  | { readonly kind: 'values' }
  | { readonly kind: 'categorical'; readonly atoms: number; readonly vMin: number; readonly vMax: number }
  | { readonly kind: 'quantiles' | 'implicit-quantiles'; readonly count: number };

/** Everything that commands and the library need to know of an agent. */
export interface AgentDefinition<S extends AgentSettings = AgentSettings> extends SettingsDefinition<S> {
  readonly about: string;
  /** The preset for what was given, such as an environment, where none is named. */
  defaultPreset(given: Partial<S>): string;
  /** What is wrong between settings and environments; known before anything is learned. */
  checkEnv(settings: S, env: VectorEnv): SettingProblem | undefined;
  /** A new agent; its `begin` or `setState` comes next. */
  create(settings: S, env: VectorEnv, options?: CreateAgentOptions): Agent;
  /** The network that plays, with the initial weights of its seed. */
  createNetwork(settings: S, env: VectorEnv, factory?: NetworkFactory): tf.LayersModel;
  /** What that network's outputs are, for who takes it out of here; `values` where it is left out. */
  outputs?(settings: S): NetworkOutputs;
  /** Q(s, .) of that network for stacked states: [n, actions]. It reads no value, so that it can be compiled. */
  actionValues(network: tf.LayersModel, states: tf.Tensor, settings: S): tf.Tensor2D;
}

/** An agent of any settings, as the registry holds them. */
// biome-ignore lint/suspicious/noExplicitAny: each definition's functions take its own settings
export type AnyAgentDefinition = AgentDefinition<any>;
