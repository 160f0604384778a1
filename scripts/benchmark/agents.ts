import type * as tf from '@tensorflow/tfjs';
import { type Env, vectorize } from 'gymnasium-js-bridge';
import type { PqnAgent, PqnSettings } from '../../agents/pqn/index.ts';
import { findAgent } from '../../agents/registry.ts';
import type { ValueAgent } from '../../src/agent/value-agent.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { resolveSettings } from '../../src/settings/index.ts';
import { layerWork } from './flops.ts';
import { batchCycle, NUM_ACTIONS } from './networks.ts';
import type { Benchmark, Plan, PrepareOptions, Variant } from './plan.ts';
import { timeCalls } from './rounds.ts';

const BATCH_SIZE = 32;

interface AgentRow {
  readonly name: string;
  readonly title: string;
  readonly agent: string;
  readonly given?: object;
  /** Probabilities in each forward pass but the one that learns, where it is an implicit quantile network. */
  readonly policyPositions?: number;
  /** And in that one and in the target. */
  readonly positions?: number;
}

/** Each agent whose update is measured, with settings beside those of its preset "fast" and of the network. */
const AGENTS: readonly AgentRow[] = [
  { name: 'dqn', title: 'dqn', agent: 'dqn' },
  { name: 'dqnDueling', title: 'dqn, dueling', agent: 'dqn', given: { dueling: true } },
  { name: 'dqnNoisy', title: 'dqn, noisy', agent: 'dqn', given: { noiseScale: 0.5 } },
  { name: 'c51', title: 'c51', agent: 'c51' },
  { name: 'qrDqn', title: 'qr-dqn, 200 quantiles', agent: 'qr-dqn' },
  { name: 'rainbow', title: 'rainbow, noisy too', agent: 'rainbow', given: { noiseScale: 0.5 } },
  { name: 'iqn8', title: 'iqn, 8 quantiles', agent: 'iqn', positions: 8, policyPositions: 32 },
];

/** Whatever their preset has: multiply-adds and times are those of one network. */
const NATURE = { network: 'nature', hiddenUnits: [512] } as const;

/** An environment of Atari's shape, of which nothing but the shape is used. */
const frames = (): Env => ({
  ...{ id: 'Frames', actionSpace: { kind: 'discrete', n: NUM_ACTIONS } },
  observationSpace: { kind: 'box', shape: [84, 84], dtype: 'uint8', low: 0, high: 255 },
  reset: () => new Uint8Array(84 * 84),
  step: () => ({ observation: new Uint8Array(84 * 84), reward: 0, terminated: false }),
});

export const agents: Benchmark = {
  about: 'one update of each agent over the Nature network, otherwise its preset "fast", compiled',
  rounds: 10,
  turnSeconds: 0.3,
  seconds: 60,
  prepare,
};

async function prepare({ note, defer }: PrepareOptions): Promise<Plan> {
  loadTensorFlow();
  const nextBatch = batchCycle(BATCH_SIZE);
  const variants: Variant[] = [];
  const multiplyAdds: Record<string, number> = {};
  for (const row of AGENTS) {
    const { name, title, agent, given } = row;
    note(`compiling ${title}`);
    const definition = findAgent(agent);
    const { settings } = resolveSettings(definition, 'fast', {
      ...NATURE,
      envId: 'Frames',
      replayCapacity: 20_000,
      ...given,
    });
    const env = vectorize(frames, { numEnvs: settings.numEnvs });
    const made = definition.create(settings, env) as ValueAgent;
    defer(async () => {
      made.dispose();
      await env.close();
    });
    multiplyAdds[`${name}MillionMultiplyAdds`] = (BATCH_SIZE * sampleWork(made.currentNetwork(), row)) / 1e6;
    let updates = 0;
    const learn = () => made.parts.learner.learn(nextBatch(), updates++);
    variants.push({ name, title, turn: (turnMs) => timeCalls(learn, turnMs) });
  }
  const pqn = await pqnVariant({ note, defer });
  return {
    work: `one update: Nature network, ${NUM_ACTIONS} actions, batch ${BATCH_SIZE}, Adam, weight norm, uint8 frames`,
    unit: 'ms',
    settings: { batchSize: BATCH_SIZE, numActions: NUM_ACTIONS },
    variants: [...variants, pqn.variant],
    figures: () => ({ ...multiplyAdds, pqnMillionMultiplyAdds: pqn.multiplyAdds }),
    ratios: variants.slice(1).map(({ name, title }) => ({
      ...{ name: `${name}OverDqn`, title: `${title} / dqn` },
      ...{ above: name, below: variants[0].name },
    })),
  };
}

/**
 * Multiply-adds of an update for one sample, elementwise work left out: the online network forwards and backwards (to
 * kernels and inputs, but for the first layer's input), the target network on the next state, and for double Q-learning
 * the online network on it; of an implicit quantile network these choose an action with more probabilities besides.
 */
function sampleWork(network: tf.LayersModel, { positions = 1, policyPositions }: AgentRow): number {
  const work = layerWork(network, positions);
  const sum = (layers: typeof work) => layers.reduce((total, layer) => total + layer.multiplyAdds, 0);
  const choosing = sum(layerWork(network, policyPositions ?? positions));
  return 4 * sum(work) - work[0].multiplyAdds + choosing;
}

/** PQN's update: the online network forwards and backwards, on the minibatches of 256 of its preset. */
async function pqnVariant({ note, defer }: Pick<PrepareOptions, 'note' | 'defer'>) {
  const [title, definition] = ['pqn, batch 256', findAgent('pqn')];
  note(`compiling ${title}`);
  const { settings } = resolveSettings<PqnSettings>(definition, 'fast', { envId: 'Frames' });
  const env = vectorize(frames, { numEnvs: settings.numEnvs });
  const made = definition.create(settings, env) as PqnAgent;
  defer(async () => {
    made.dispose();
    await env.close();
  });
  const size = (settings.numEnvs * settings.rolloutSteps) / settings.minibatches;
  const nextBatch = batchCycle(size);
  const learn = () => made.parts.learner.learn(nextBatch(), settings.learningRate);
  const work = layerWork(made.currentNetwork());
  const forward = work.reduce((total, layer) => total + layer.multiplyAdds, 0);
  const variant: Variant = { name: 'pqn', title, turn: (turnMs) => timeCalls(learn, turnMs) };
  return { variant, multiplyAdds: (size * (3 * forward - work[0].multiplyAdds)) / 1e6 };
}
