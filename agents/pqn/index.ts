import type * as tf from '@tensorflow/tfjs';
import type { VectorEnv } from 'gymnasium-js-bridge/environments';
import type { AgentDefinition, CreateAgentOptions } from '../../src/agent/definition.ts';
import { createExploration } from '../../src/agent/exploration.ts';
import { type NetworkFactory, networkSpec, settingsNetwork } from '../../src/agent/networks.ts';
import { settingsOptimizer } from '../../src/agent/optimizer.ts';
import {
  agentChangeable,
  checkAgentSettings,
  checkGivenEnvironment,
  checkGivenExploration,
  checkGivenOptimizer,
  checkNetwork,
  checkOptimizer,
  presetFor,
} from '../../src/agent/settings.ts';
import { stateOptions, valueRange } from '../../src/agent/states.ts';
import { Experience } from '../../src/experience/index.ts';
import { Generator } from '../../src/random/index.ts';
import { Rollout } from '../../src/rollout/index.ts';
import { SettingError } from '../../src/settings/index.ts';
import { PqnAgent } from './agent.ts';
import { batchSize, checkRollout, type PqnSettings, pqnSchema } from './config.ts';
import { actionValues, createPqnLearner, pqnUpdate } from './learner.ts';
import { pqnPresets } from './presets.ts';

/** Parallel Q-learning (Gallici et al. 2025): rollouts of many environments, no replay and no target network. */
export const pqn: AgentDefinition<PqnSettings> = {
  name: 'pqn',
  about: 'parallel Q-learning without replay and target network (Gallici et al. 2025)',
  schema: pqnSchema,
  presets: pqnPresets,
  changeable: agentChangeable,
  defaultPreset: presetFor,
  check: (settings) => checkAgentSettings(settings) ?? checkOptimizer(settings) ?? checkRollout(settings),
  checkGiven: (given, settings) =>
    checkGivenEnvironment(given, settings) ??
    checkGivenExploration(given, settings) ??
    checkGivenOptimizer(given, settings),
  checkEnv: (settings, env) => checkNetwork(settings, stateOptions(settings, env), env.observationSpace),
  create: createPqn,
  createNetwork,
  actionValues: (network, states) => actionValues(network, states),
};

function createNetwork(settings: PqnSettings, env: VectorEnv, factory?: NetworkFactory): tf.LayersModel {
  const { normalization, seed } = settings;
  const inputRange = valueRange(env.observationSpace);
  const outputs = env.actionSpace.n;
  const spec = networkSpec(stateOptions(settings, env), { outputs, inputRange, normalization, seed });
  return (factory ?? settingsNetwork(settings))(spec);
}

/** A new PQN over environments. @throws SettingError where a replay was handed in. */
export function createPqn(
  settings: PqnSettings,
  env: VectorEnv,
  { network, loss, replay, note }: CreateAgentOptions = {},
): PqnAgent {
  if (replay !== undefined) {
    const reason = '{replay} was handed in, and pqn has none';
    throw new SettingError({ key: 'replay', value: undefined, reason, mend: 'leave it out' });
  }
  const { seed, normalization, rolloutSteps, discount } = settings;
  const { numEnvs, actionSpace } = env;
  const states = stateOptions(settings, env);
  const online = createNetwork(settings, env, network);
  // The weights stay for a whole rollout: norms are worked out once.
  const acting =
    normalization === 'none' ? undefined : createNetwork({ ...settings, normalization: 'none' }, env, network);
  const optimizer = settingsOptimizer(settings, online);
  const update = pqnUpdate(online, optimizer, settings, loss);
  const rollout = new Rollout(
    { ...states, lanes: numEnvs, steps: rolloutSteps, discount, batchSize: batchSize(settings) },
    new Generator(seed, 'minibatches'),
  );
  return new PqnAgent({
    settings,
    env,
    learner: createPqnLearner({ networks: { online, acting }, optimizer, settings, states, numEnvs, update }),
    experience: new Experience(env, rollout, settings),
    rollout,
    exploration: createExploration({ ...settings, numEnvs, numActions: actionSpace.n }),
    note,
  });
}

export { PqnAgent } from './agent.ts';
export type { PqnSettings } from './config.ts';
