// The definition of an agent that learns values from a replay, from what is its own.
import type * as tf from '@tensorflow/tfjs';
import type { VectorEnv } from 'gymnasium-js-bridge/environments';
import { Experience } from '../experience/index.ts';
import type { PassNoise } from '../networks/index.ts';
import type { Optimizer } from '../optimizers/index.ts';
import { Replay, type ReplayOptions } from '../replay/index.ts';
import { SettingError, type SettingProblem, type SettingsDefinition } from '../settings/index.ts';
import type { AgentDefinition, AgentParts, CreateAgentOptions, NetworkOutputs } from './definition.ts';
import { createExploration } from './exploration.ts';
import { type NetworkFactory, networkSpec, settingsNetwork } from './networks.ts';
import { settingsOptimizer } from './optimizer.ts';
import { settingsSampler } from './sampler.ts';
import {
  agentChangeable,
  checkAgentSettings,
  checkGivenEnvironment,
  checkGivenExploration,
  checkGivenOptimizer,
  checkNetwork,
  checkOptimizer,
  presetFor,
} from './settings.ts';
import { stateOptions, valueRange } from './states.ts';
import { ValueAgent } from './value-agent.ts';
import { createValueLearner, type ValueLearnerOptions, type ValueNetworks } from './value-learner.ts';
import { checkGivenPriorities, checkReplay, type HeadSettings, type ValueSettings } from './value-settings.ts';

/** What an agent that learns values from a replay has of its own. */
export interface ValueAgentOptions<S extends ValueSettings>
  extends Pick<SettingsDefinition<S>, 'name' | 'schema' | 'presets' | 'ofEarlierRuns' | 'check' | 'checkGiven'> {
  readonly about: string;
  /** What the network gives for each action; its value unless given. */
  outputs?(settings: S): NetworkOutputs;
  /** Q(s, .) of a network for stacked states, [n, actions]; with noise where it is given and the network has such. */
  actionValues(network: tf.LayersModel, states: tf.Tensor, settings: S, noise?: PassNoise): tf.Tensor2D;
  /** Makes the update of the online network. */
  update(
    networks: ValueNetworks,
    optimizer: Optimizer,
    settings: S,
    loss: AgentParts['loss'],
  ): ValueLearnerOptions['update'];
  /** Whether the update heeds a loss that was handed in. */
  readonly takesLoss?: boolean;
  /** Makes networks; those of the settings unless given. */
  readonly networks?: {
    /** Makes the networks of given settings. */
    factory(settings: S): NetworkFactory;
    /** What they take to be initialised from data, for stacked states. */
    inputsFor(network: tf.LayersModel, states: tf.Tensor, settings: S): tf.Tensor[];
  };
}

/** An agent that learns values from a replay, with a target network. */
export interface ValueAgentDefinition<S extends ValueSettings> extends AgentDefinition<S> {
  create(settings: S, env: VectorEnv, options?: CreateAgentOptions): ValueAgent<S>;
}

/** The definition of such an agent. */
export function defineValueAgent<S extends ValueSettings & Partial<HeadSettings>>(
  own: ValueAgentOptions<S>,
): ValueAgentDefinition<S> {
  function createNetwork(settings: S, env: VectorEnv, factory?: NetworkFactory): tf.LayersModel {
    const perAction = outputsPerAction(own.outputs?.(settings));
    const spec = networkSpec(stateOptions(settings, env), {
      outputs: env.actionSpace.n * perAction,
      outputsPerAction: perAction,
      inputRange: valueRange(env.observationSpace),
      normalization: settings.normalization,
      seed: settings.seed,
    });
    return (factory ?? own.networks?.factory(settings) ?? settingsNetwork(settings))(spec);
  }

  function create(settings: S, env: VectorEnv, options: CreateAgentOptions = {}): ValueAgent<S> {
    const { network, loss, replay: makeReplay, note } = options;
    const problem = checkHandedIn(own, settings, options);
    if (problem !== undefined) throw new SettingError(problem);
    const { normalization, numEnvs, updatePeriodSteps, precision, seed } = settings;
    const plain = () => createNetwork({ ...settings, normalization: 'none' }, env, network);
    const networks = {
      online: createNetwork(settings, env, network),
      target: plain(),
      // With two acts or more an update, working the norms out once is cheaper than in every act.
      ...(normalization !== 'none' && updatePeriodSteps >= 2 * numEnvs && { acting: plain() }),
    };
    const optimizer = settingsOptimizer(settings, networks.online);
    const replayOptions: ReplayOptions = {
      ...stateOptions(settings, env),
      capacity: settings.replayCapacity,
      replayCompression: settings.replayCompression,
      lanes: env.numEnvs,
      numActions: env.actionSpace.n,
      nStep: settings.nStep,
      discount: settings.discount,
      batchSize: settings.batchSize,
    };
    const replay = makeReplay?.(replayOptions) ?? new Replay(replayOptions, settingsSampler(settings, replayOptions));
    const learner = createValueLearner({
      ...{ networks, optimizer, replay: replay.options, precision, seed },
      actionValues: (network, states, noise) => own.actionValues(network, states, settings, noise),
      update: own.update(networks, optimizer, settings, loss),
      ...(own.networks && { inputsFor: (network, states) => own.networks!.inputsFor(network, states, settings) }),
    });
    return new ValueAgent({
      settings,
      env,
      learner,
      experience: new Experience(env, replay, settings),
      exploration: createExploration({ ...settings, numEnvs: env.numEnvs, numActions: env.actionSpace.n }),
      note,
    });
  }

  return {
    ...own,
    changeable: agentChangeable,
    defaultPreset: presetFor,
    check: (settings) =>
      checkAgentSettings(settings) ?? checkOptimizer(settings) ?? checkReplay(settings) ?? own.check?.(settings),
    checkGiven: (given, settings) =>
      checkGivenEnvironment(given, settings) ??
      checkGivenExploration(given, settings) ??
      checkGivenOptimizer(given, settings) ??
      checkGivenPriorities(given, settings) ??
      own.checkGiven?.(given, settings),
    checkEnv: (settings, env) => checkNetwork(settings, stateOptions(settings, env), env.observationSpace),
    create,
    createNetwork,
    actionValues: (network, states, settings) => own.actionValues(network, states, settings),
  };
}

/** How many of the network's outputs stand for each action. */
function outputsPerAction(outputs: NetworkOutputs = { kind: 'values' }): number {
  if (outputs.kind === 'categorical') return outputs.atoms;
  return outputs.kind === 'quantiles' ? outputs.count : 1;
}

/** What does nothing beside a network or a loss that was handed in. */
function checkHandedIn<S extends ValueSettings & Partial<HeadSettings>>(
  { name, networks, takesLoss = false }: Pick<ValueAgentOptions<S>, 'name' | 'networks' | 'takesLoss'>,
  settings: S,
  { network, loss }: CreateAgentOptions,
): SettingProblem | undefined {
  if (loss !== undefined && !takesLoss) {
    return { key: 'loss', value: undefined, reason: `was handed in, and ${name} has its own`, mend: 'leave it out' };
  }
  if (network === undefined) return undefined;
  if (networks !== undefined) {
    return {
      key: 'network',
      value: undefined,
      reason: `: ${name} has networks of its own shape`,
      mend: 'leave it out',
    };
  }
  const { dueling = false, noiseScale = 0 } = settings;
  const problem = { reason: 'does nothing with a network that was handed in', mend: 'leave it out' };
  if (dueling) return { key: 'dueling', value: dueling, ...problem };
  if (noiseScale > 0) return { key: 'noiseScale', value: noiseScale, ...problem };
  return undefined;
}
