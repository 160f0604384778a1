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
import { createValueLearner } from '../../src/agent/value-learner.ts';
import { Experience } from '../../src/experience/index.ts';
import { Generator } from '../../src/random/index.ts';
import { Replay, type ReplayOptions, uniformSampler } from '../../src/replay/index.ts';
import { DqnAgent } from './agent.ts';
import { checkReplay, type DqnSettings, dqnSchema } from './config.ts';
import { actionValues, dqnUpdate } from './learner.ts';
import { dqnPresets, settingsOfEarlierRuns } from './presets.ts';

/** Deep Q-learning (Mnih et al. 2015), with double Q-learning, n-step returns and weight normalisation as settings. */
export const dqn: AgentDefinition<DqnSettings> = {
  name: 'dqn',
  about: 'deep Q-learning with replay and target network (Mnih et al. 2015); double, n-step',
  schema: dqnSchema,
  presets: dqnPresets,
  changeable: agentChangeable,
  ofEarlierRuns: settingsOfEarlierRuns,
  defaultPreset: presetFor,
  check: (settings) => checkAgentSettings(settings) ?? checkOptimizer(settings) ?? checkReplay(settings),
  checkGiven: (given, settings) =>
    checkGivenEnvironment(given, settings) ??
    checkGivenExploration(given, settings) ??
    checkGivenOptimizer(given, settings),
  checkEnv: (settings, env) => checkNetwork(settings, stateOptions(settings, env), env.observationSpace),
  create: createDqn,
  createNetwork,
  actionValues: (network, states) => actionValues(network, states),
};

function createNetwork(settings: DqnSettings, env: VectorEnv, factory?: NetworkFactory): tf.LayersModel {
  const { normalization, seed } = settings;
  const inputRange = valueRange(env.observationSpace);
  const outputs = env.actionSpace.n;
  const spec = networkSpec(stateOptions(settings, env), { outputs, inputRange, normalization, seed });
  return (factory ?? settingsNetwork(settings))(spec);
}

/** A new DQN over environments. */
export function createDqn(
  settings: DqnSettings,
  env: VectorEnv,
  { network, loss, replay: makeReplay, note }: CreateAgentOptions = {},
): DqnAgent {
  const { seed, normalization, numEnvs, updatePeriodSteps, precision } = settings;
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
  const replay =
    makeReplay?.(replayOptions) ?? new Replay(replayOptions, uniformSampler(new Generator(seed, 'sampling')));
  const update = dqnUpdate(networks, optimizer, settings, loss);
  return new DqnAgent({
    settings,
    env,
    learner: createValueLearner({ networks, optimizer, replay: replay.options, precision, actionValues, update }),
    experience: new Experience(env, replay, settings),
    exploration: createExploration({ ...settings, numEnvs: env.numEnvs, numActions: env.actionSpace.n }),
    note,
  });
}

export { DqnAgent } from './agent.ts';
export type { DqnSettings } from './config.ts';
