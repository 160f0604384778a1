// An agent of your own, expected SARSA with replay. Run: npm run build && node dist/examples/own-agent.js
import type * as tf from '@tensorflow/tfjs';
import type { VectorEnv } from 'gymnasium-js-bridge';
import {
  createOptimizer,
  Generator,
  greedyActions,
  number,
  trainableVariables,
  valuesOf,
  wholeNumber,
} from 'weightnorm-rl';
import {
  AGENT_STEPS,
  type Agent,
  type AgentDefinition,
  type AgentSettings,
  type AgentStep,
  agentChangeable,
  applyNetwork,
  atariDefaults,
  checkAgentSettings,
  checkNetwork,
  createExploration,
  createValueLearner,
  descend,
  Experience,
  environmentSettings,
  episodeEvents,
  evaluate,
  networkSettings,
  networkSpec,
  type Progress,
  restore,
  runSettings,
  settingsNetwork,
  stateOf,
  stateOptions,
  train,
} from 'weightnorm-rl/agents';
import { Replay, uniformSampler } from 'weightnorm-rl/replay';
import { z } from 'zod';

const schema = z.strictObject({
  ...environmentSettings,
  ...networkSettings,
  ...runSettings,
  learningRate: number('step size of Adam', 'per update', Number.MIN_VALUE),
  discount: number('gamma', 'per agent step', 0, 1),
  epsilon: number('probability of a random action', 'probability', 0, 1),
  batchSize: wholeNumber('transitions in an update', 'count', 1),
});
type Settings = AgentSettings & z.infer<typeof schema>;

const q = (network: tf.LayersModel, states: tf.Tensor, training = false) =>
  applyNetwork(network, states, training) as tf.Tensor2D;

function createNetwork(settings: Settings, env: VectorEnv, factory = settingsNetwork(settings)) {
  const { normalization, seed } = settings;
  return factory(networkSpec(stateOptions(settings, env), { outputs: env.actionSpace.n, normalization, seed }));
}

function create(settings: Settings, env: VectorEnv): Agent {
  const { seed, epsilon, learningRate, discount, batchSize, precision } = settings;
  const numActions = env.actionSpace.n;
  const online = createNetwork(settings, env);
  const target = createNetwork({ ...settings, normalization: 'none' }, env);
  const adam = { name: 'adam', learningRate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;
  const optimizer = createOptimizer(adam, trainableVariables(online));
  const replay = new Replay(
    { ...stateOptions(settings, env), capacity: 20_000, lanes: env.numEnvs, nStep: 1, discount, batchSize, numActions },
    uniformSampler(new Generator(seed, 'sampling')),
  );
  const learner = createValueLearner({
    networks: { online, target },
    ...{ optimizer, precision, seed, replay: replay.options },
    actionValues: (network, states) => q(network, states),
    update({ states, actions, returns, discounts, nextStates, weights }) {
      // y = r + gamma ((1 - epsilon) max_a Q(s', a) + epsilon mean_a Q(s', a)): what an epsilon-greedy policy expects.
      const next = q(target, nextStates);
      const best = valuesOf(next, greedyActions(next)).mul(1 - epsilon);
      const targets = returns.add(discounts.mul(best.add(next.mean<tf.Tensor1D>(1).mul(epsilon))));
      const { priorities, ...statistics } = descend(online, optimizer, 0, () => {
        const values = q(online, states, true);
        const errors = valuesOf(values, actions).sub<tf.Tensor1D>(targets);
        const loss = errors.square().mul(weights).mean<tf.Scalar>();
        return { loss, meanQ: values.max(1).mean<tf.Scalar>(), priorities: errors.abs<tf.Tensor1D>() };
      });
      return { statistics, priorities };
    },
  });
  const experience = new Experience(env, replay, settings);
  const policy = { exploration: 'epsilon-greedy', holdExponent: 2, longestHoldSteps: 1, seed } as const;
  const exploration = createExploration({ ...policy, numEnvs: env.numEnvs, numActions });
  const parts = { learner, experience, exploration };

  const agent: Agent & Progress = {
    ...{ unit: AGENT_STEPS, position: 0, updates: 0, underWay: undefined, canBeSaved: true },
    async step(): Promise<AgentStep> {
      const greedy = learner.act(experience.states, agent.position);
      const actions = exploration.choose(epsilon).map((action, lane) => (action === -1 ? greedy[lane] : action));
      const result = await env.step(actions, { nextSeeds: experience.nextSeeds });
      experience.record(actions, result);
      agent.position += env.numEnvs;
      const learned = agent.position > 500 ? [learner.learn(experience.sample(), agent.updates).statistics] : [];
      agent.updates += learned.length;
      if (agent.position % 250 < env.numEnvs) learner.syncTarget();
      const { position, updates } = agent;
      const step = { position, size: env.numEnvs, now: { updates, epsilon }, learned, actions, result };
      return { ...step, events: episodeEvents(result) };
    },
    begin: () => experience.begin(),
    measure: () => ({ replaySteps: experience.size }),
    currentNetwork: () => learner.currentNetwork(),
    getState: () => stateOf(agent, parts),
    setState: (state, onProgress) => restore(agent, parts, state, onProgress),
    dispose: () => learner.dispose(),
  };
  return agent;
}

const expectedSarsa: AgentDefinition<Settings> = {
  name: 'expected-sarsa',
  about: 'expected SARSA with replay and target network',
  schema,
  presets: {
    default: {
      about: 'small vectors such as those of CartPole',
      settings: {
        ...atariDefaults,
        ...{ frameStack: 1, network: 'mlp', hiddenUnits: [64, 64], normalization: 'weight', evaluationEpsilon: 0 },
        ...{ clipRewards: false, lifeLossTerminates: false },
        ...{ learningRate: 1e-3, discount: 0.99, epsilon: 0.1, batchSize: 32 },
      },
    },
  },
  changeable: agentChangeable,
  defaultPreset: () => 'default',
  check: checkAgentSettings,
  checkEnv: (settings, env) => checkNetwork(settings, stateOptions(settings, env)),
  create,
  createNetwork,
  actionValues: (network, states) => q(network, states),
};

const runDir = process.argv[2] ?? 'runs/own-agent';
await (await train({ agent: expectedSarsa, env: 'CartPole-v1', steps: 5_000, runDir })).finish();
const { meanReturn } = await evaluate({ runDir, episodes: 10, definitions: [expectedSarsa] });
console.log(`mean return ${meanReturn.toFixed(1)}`);
