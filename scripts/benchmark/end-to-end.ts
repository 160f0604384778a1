import { makeVectorEnv } from 'gymnasium-js-bridge';
import type { DqnSettings } from '../../agents/dqn/config.ts';
import { dqnPresets } from '../../agents/dqn/presets.ts';
import { findAgent } from '../../agents/registry.ts';
import type { Agent } from '../../src/agent/agent.ts';
import { envOptions } from '../../src/agent/environment.ts';
import type { Progress } from '../../src/agent/replay-agent.ts';
import type { AgentSettings } from '../../src/agent/settings.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { resolveSettings } from '../../src/settings/index.ts';
import { Peer } from './peer.ts';
import { peerPython } from './peer-environment.ts';
import type { Benchmark, Plan, PrepareOptions, Ratio, Variant } from './plan.ts';
import { timeAsyncCalls } from './rounds.ts';

/** The same for everyone. Epsilon is fixed: a random action costs less than a greedy one. */
const COMMON = { game: 'Enduro', learningStarts: 400, replayCapacity: 10_000, epsilon: 0.1 };

/** What CleanRL and Stable-Baselines3 do by default. */
const AS_PEERS: Partial<DqnSettings> = {
  normalization: 'none',
  optimizer: 'adam',
  learningRate: 1e-4,
  optimizerEpsilon: 1e-8,
  nStep: 1,
  doubleQ: false,
  batchSize: 32,
  updatePeriodSteps: 4,
  targetUpdatePeriodSteps: 1_000,
};

/** DQN as it is compared with the peers. */
const OWN: { name: string; title: string; config: DqnSettings }[] = [
  {
    name: 'default',
    title: 'default preset (weight norm, double, 3-step, compressed replay, 4 envs, an update every 8 steps)',
    config: dqnPresets.fast.settings,
  },
  {
    name: 'uncompressed',
    title: 'default preset without replay compression',
    config: { ...dqnPresets.fast.settings, replayCompression: 'none' },
  },
  ...[1, 4, 8].map((numEnvs) => ({
    name: `nature${numEnvs}`,
    title: `as the peers: plain, 1-step, Adam, ${numEnvs} env${numEnvs > 1 ? 's' : ''}`,
    config: { ...dqnPresets.nature.settings, ...AS_PEERS, numEnvs },
  })),
];

/** The other agents, with their presets "fast". */
const FAMILY = ['qr-dqn', 'rainbow', 'pqn'];

export const endToEnd: Benchmark = {
  about: 'whole agents on Enduro while they learn: acting, emulation, replay or rollout, and updates',
  rounds: 5,
  turnSeconds: 2.5,
  seconds: 240,
  prepare,
};

async function prepare({ peers, note, defer }: PrepareOptions): Promise<Plan> {
  const { usesGpu } = loadTensorFlow();
  const variants: Variant[] = [];
  for (const { name, title, config } of OWN) {
    note(`preparing ${name}: ${COMMON.learningStarts} agent steps before learning starts`);
    variants.push(await agentVariant(name, title, { agent: 'dqn', settings: config }, defer));
  }
  for (const agent of FAMILY) {
    note(`preparing ${agent}`);
    const { settings } = resolveSettings(findAgent(agent), 'fast', { game: COMMON.game });
    variants.push(await agentVariant(camelCase(agent), `${agent}, its default preset`, { agent, settings }, defer));
  }

  const ratios: Ratio[] = [
    {
      name: 'compressedOverUncompressed',
      title: 'default preset, replay compressed / not',
      above: 'default',
      below: 'uncompressed',
      target: { atMost: 1.1 },
    },
    ...FAMILY.map((agent) => ({
      name: `${camelCase(agent)}OverDefault`,
      title: `${agent} / dqn, default presets`,
      above: camelCase(agent),
      below: 'default',
    })),
  ];
  let about = {};
  if (peers) {
    const python = await peerPython(note);
    const options = { device: usesGpu ? 'cuda' : 'cpu', ...COMMON };
    for (const { name, title, script, target } of [
      { name: 'stableBaselines3', title: 'Stable-Baselines3 DQN', script: 'sb3_dqn.py', target: { atLeast: 2 } },
      { name: 'cleanRl', title: 'CleanRL dqn_atari', script: 'cleanrl_dqn.py', target: { atLeast: 1.4 } },
    ]) {
      note(`starting ${title}`);
      const peer = await Peer.start(python, script, options);
      defer(() => peer.close());
      about = { ...about, ...peer.about };
      variants.push(peer.variant(name, title));
      for (const own of OWN) {
        ratios.push({
          name: `${name}Over${capitalize(own.name)}`,
          title: `${title} / ${own.name}`,
          above: name,
          below: own.name,
          target,
        });
      }
    }
  }
  return {
    work: 'one agent step (4 frames) of one environment, a quarter of an update included',
    unit: 'ms',
    settings: { ...COMMON, ...about },
    variants,
    ratios,
  };
}

/** An agent that has begun to learn; the piece of work is one agent step. */
async function agentVariant(
  name: string,
  title: string,
  { agent: agentName, settings }: { agent: string; settings: AgentSettings },
  defer: PrepareOptions['defer'],
): Promise<Variant> {
  const { game, learningStarts, replayCapacity, epsilon } = COMMON;
  const isReplayed = 'replayCapacity' in settings;
  const config = {
    ...settings,
    ...{ game, epsilonStart: epsilon, epsilonEnd: epsilon },
    ...(isReplayed && { learningStarts, replayCapacity }),
  };
  const env = await makeVectorEnv(envOptions(config));
  defer(() => env.close());
  const agent = findAgent(agentName).create(config, env) as Agent & Progress;
  defer(() => agent.dispose());
  await agent.begin();
  while (agent.updates < 2) await agent.step();
  // Whole update periods or rollouts, so that a turn holds exactly its share of updates.
  const { numEnvs } = config;
  const { updatePeriodSteps = 0, rolloutSteps } = config as { updatePeriodSteps?: number; rolloutSteps?: number };
  const steps = rolloutSteps ?? Math.max(1, updatePeriodSteps / numEnvs);
  const call = async () => {
    for (let i = 0; i < steps; i++) await agent.step();
  };
  return { name, title, turn: async (turnMs) => (await timeAsyncCalls(call, turnMs)) / (steps * numEnvs) };
}

function camelCase(text: string): string {
  return text.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

function capitalize(text: string): string {
  return text[0].toUpperCase() + text.slice(1);
}
