import type * as tf from '@tensorflow/tfjs';
import type { VectorEnv, VectorEnvOptions } from 'gymnasium-js-bridge';
import { createExploration, type ExplorationOptions } from '../../src/agent/exploration.ts';
import { mlpQNetwork, natureQNetwork } from '../../src/networks/index.ts';
import { trainableVariables } from '../../src/networks/variables.ts';
import { createOptimizer, type OptimizerConfig } from '../../src/optimizers/index.ts';
import { deriveSeed, Generator } from '../../src/random/index.ts';
import type { ReplayOptions } from '../../src/replay/index.ts';
import { Experience, type ExperienceOptions } from '../../src/training/experience.ts';
import { assignEffectiveWeights } from '../../src/weightnorm/index.ts';
import { DqnAgent } from './agent.ts';
import type { DqnConfig } from './config.ts';
import { dqnFunctions, type QNetworks } from './functions.ts';
import { compilePolicy, DqnRunner } from './runner.ts';

/** The environments of a run. Single frames come over the wire; the agent stacks them itself, as its replay does. */
export function envOptions(config: DqnConfig): VectorEnvOptions {
  const { game, envId, numEnvs, seed } = config;
  const timeoutMs = Math.ceil(config.envTimeoutSeconds * 1000);
  const common = { numEnvs, seed, timeoutMs };
  if (game === null) return { ...common, id: envId! };
  const { stickyActionProbability, maxNoops, maxEpisodeFrames } = config;
  return { ...common, game, frameStack: 1, stickyActionProbability, maxNoops, maxEpisodeFrames };
}

/** What the replay stores of an environment's observations. */
export function replayOptions(config: DqnConfig, env: VectorEnv): ReplayOptions {
  const { dtype, shape } = env.observationSpace;
  // Atari's frames come with their stack axis of length 1.
  const frameShape = env.settings.kind === 'atari' ? shape.slice(1) : shape;
  const { replayCapacity: capacity, replayCompression, frameStack, nStep, discount, batchSize } = config;
  return {
    capacity,
    replayCompression,
    lanes: env.numEnvs,
    frameShape,
    dtype: dtype === 'uint8' ? 'uint8' : 'float32',
    frameStack,
    nStep,
    discount,
    batchSize,
  };
}

export function experienceOptions(config: DqnConfig, env: VectorEnv): ExperienceOptions {
  const { clipRewards, lifeLossTerminates, seed } = config;
  return { replay: replayOptions(config, env), clipRewards, lifeLossTerminates, seed };
}

export function explorationOptions(config: DqnConfig, env: VectorEnv): ExplorationOptions {
  const { exploration, holdExponent, longestHoldSteps, seed } = config;
  return { exploration, holdExponent, longestHoldSteps, seed, numEnvs: env.numEnvs, numActions: env.actionSpace.n };
}

/** A Q-network for the config's environment, with the initial weights of its seed. */
export function createQNetwork(config: DqnConfig, env: VectorEnv) {
  const { frameShape } = replayOptions(config, env);
  const { network, frameStack, hiddenUnits, padding, normalization } = config;
  const options = {
    numActions: env.actionSpace.n,
    normalization,
    hiddenUnits,
    seed: deriveSeed(config.seed, 'network'),
  };
  if (network === 'mlp') {
    return mlpQNetwork({ ...options, inputSize: frameShape.reduce((product, size) => product * size, frameStack) });
  }
  const [height, width] = frameShape;
  return natureQNetwork({ ...options, inputShape: [height, width, frameStack], padding });
}

/** Networks, optimizer and the functions over them. */
export function createLearner(config: DqnConfig, env: VectorEnv) {
  const { normalization, numEnvs, updatePeriodSteps } = config;
  const plain = () => createQNetwork({ ...config, normalization: 'none' }, env);
  const networks: QNetworks = {
    online: createQNetwork(config, env),
    target: plain(),
    // With two acts or more an update, working the norms out once is cheaper than in every act.
    ...(normalization !== 'none' && updatePeriodSteps >= 2 * numEnvs && { acting: plain() }),
  };
  const optimizer = createOptimizer(optimizerConfig(config), trainableVariables(networks.online));
  const functions = dqnFunctions(networks, optimizer, config);
  const runner = new DqnRunner(functions, networks, replayOptions(config, env), config.precision);
  return {
    networks,
    optimizer,
    runner,
    /** Frees every tensor of the learner. */
    dispose() {
      runner.dispose();
      optimizer.dispose();
      networks.online.dispose();
      networks.target.dispose();
      networks.acting?.dispose();
    },
  };
}

/** A network and its greedy policy, for playing only; load the network's weights first. */
export function createPlayer(config: DqnConfig, env: VectorEnv, load: (network: tf.LayersModel) => void) {
  const trained = createQNetwork(config, env);
  load(trained);
  // Its weights stay as they are from here on: norms are worked out once.
  const network = createQNetwork({ ...config, normalization: 'none' }, env);
  assignEffectiveWeights(network, trained);
  trained.dispose();
  const policy = compilePolicy(network, env.numEnvs, replayOptions(config, env), config.precision);
  return {
    act: policy.act,
    dispose() {
      policy.dispose();
      network.dispose();
    },
  };
}

export type Learner = ReturnType<typeof createLearner>;

/** A new agent, its environments at the start of their first episodes. */
export async function createDqn(
  config: DqnConfig,
  env: VectorEnv,
  note?: (line: string) => void,
): Promise<{ agent: DqnAgent; learner: Learner }> {
  const learner = createLearner(config, env);
  const experience = new Experience(env, experienceOptions(config, env));
  experience.begin(await env.reset());
  const agent = new DqnAgent({
    config,
    env,
    runner: learner.runner,
    experience,
    exploration: createExploration(explorationOptions(config, env)),
    sampling: new Generator(config.seed, 'sampling'),
    note,
  });
  return { agent, learner };
}

function optimizerConfig(config: DqnConfig): OptimizerConfig {
  const { optimizer: name, learningRate, beta1, beta2, decay, momentum, optimizerEpsilon: epsilon } = config;
  switch (name) {
    case 'adam':
    case 'adamax':
      return { name, learningRate, beta1, beta2, epsilon };
    case 'centered-rmsprop':
      return { name, learningRate, decay, momentum, epsilon };
    case 'sgd':
      return { name, learningRate, momentum };
  }
}
