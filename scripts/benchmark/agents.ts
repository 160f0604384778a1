import { type Env, vectorize } from 'gymnasium-js-bridge';
import { findAgent } from '../../agents/registry.ts';
import type { ValueAgent } from '../../src/agent/value-agent.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { resolveSettings } from '../../src/settings/index.ts';
import { batchCycle, NUM_ACTIONS } from './networks.ts';
import type { Benchmark, Plan, PrepareOptions, Variant } from './plan.ts';
import { timeCalls } from './rounds.ts';

const BATCH_SIZE = 32;

/** Each agent whose update is measured, with settings beside those of its preset. */
const AGENTS: readonly { name: string; title: string; agent: string; preset: string; given?: object }[] = [
  { name: 'dqn', title: 'dqn', agent: 'dqn', preset: 'fast' },
  { name: 'dqnDueling', title: 'dqn, dueling', agent: 'dqn', preset: 'fast', given: { dueling: true } },
  { name: 'dqnNoisy', title: 'dqn, noisy', agent: 'dqn', preset: 'fast', given: { noiseScale: 0.5 } },
  { name: 'c51', title: 'c51', agent: 'c51', preset: 'fast' },
  { name: 'qrDqn', title: 'qr-dqn, 200 quantiles', agent: 'qr-dqn', preset: 'fast' },
  { name: 'rainbow', title: 'rainbow, noisy too', agent: 'rainbow', preset: 'fast', given: { noiseScale: 0.5 } },
  { name: 'iqn8', title: 'iqn, 8 quantiles', agent: 'iqn', preset: 'fast' },
];

/** An environment of Atari's shape, of which nothing but the shape is used. */
const frames = (): Env => ({
  ...{ id: 'Frames', actionSpace: { kind: 'discrete', n: NUM_ACTIONS } },
  observationSpace: { kind: 'box', shape: [84, 84], dtype: 'uint8', low: 0, high: 255 },
  reset: () => new Uint8Array(84 * 84),
  step: () => ({ observation: new Uint8Array(84 * 84), reward: 0, terminated: false }),
});

export const agents: Benchmark = {
  about: 'one update of each agent over the Nature network, its preset "fast", compiled',
  rounds: 10,
  turnSeconds: 0.3,
  seconds: 60,
  prepare,
};

async function prepare({ note, defer }: PrepareOptions): Promise<Plan> {
  loadTensorFlow();
  const nextBatch = batchCycle(BATCH_SIZE);
  const variants: Variant[] = [];
  for (const { name, title, agent, preset, given } of AGENTS) {
    note(`compiling ${title}`);
    const definition = findAgent(agent);
    const { settings } = resolveSettings(definition, preset, { envId: 'Frames', replayCapacity: 20_000, ...given });
    const env = vectorize(frames, { numEnvs: settings.numEnvs });
    const made = definition.create(settings, env) as ValueAgent;
    defer(async () => {
      made.dispose();
      await env.close();
    });
    let updates = 0;
    const learn = () => made.parts.learner.learn(nextBatch(), updates++);
    variants.push({ name, title, turn: (turnMs) => timeCalls(learn, turnMs) });
  }
  return {
    work: `one update: Nature network, ${NUM_ACTIONS} actions, batch ${BATCH_SIZE}, Adam, weight norm, uint8 frames`,
    unit: 'ms',
    settings: { batchSize: BATCH_SIZE, numActions: NUM_ACTIONS },
    variants,
    ratios: variants.slice(1).map(({ name, title }) => ({
      ...{ name: `${name}OverDqn`, title: `${title} / dqn` },
      ...{ above: name, below: variants[0].name },
    })),
  };
}
