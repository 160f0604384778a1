// MinAtar's games: installed on demand, played by the agents, resumed bit for bit.
import '../node-backend.ts';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeVectorEnv } from 'gymnasium-js-bridge';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { agents, evaluate, resume, type TrainOptions, train } from '../../agents/index.ts';
import { installMinAtar } from '../../src/agent/minatar.ts';
import { readRecording, verifyRecording } from '../../src/recording/index.ts';

/** Channels of a state and least actions, as the paper's table of games has them. */
const GAMES = [
  ['Asterix', 4, 5],
  ['Breakout', 4, 3],
  ['Freeway', 7, 3],
  ['Seaquest', 10, 6],
  ['SpaceInvaders', 6, 4],
] as const;

let folder: string;
let missing: string | undefined;
beforeAll(async () => {
  missing = await installMinAtar('MinAtar/Breakout-v1').then(
    () => undefined,
    (error: Error) => error.message,
  );
});
beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
  folder = mkdtempSync(join(tmpdir(), 'minatar-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const small: Record<string, TrainOptions> = {
  dqn: { learningStarts: 40, replayCapacity: 300, epsilonDecaySteps: 100, targetUpdatePeriodSteps: 50 },
  pqn: { numEnvs: 4, rolloutSteps: 10, minibatches: 4, epsilonDecaySteps: 100 },
};

test.each(GAMES)('MinAtar/%s-v1 shows 10 x 10 x %d bits and has %d actions', async (name, channels, actions) => {
  const env = await makeVectorEnv({ id: `MinAtar/${name}-v1`, numEnvs: 2, seed: 1 });
  try {
    expect(env.observationSpace).toMatchObject({ shape: [10, 10, channels], dtype: 'uint8' });
    expect(env.actionSpace.n).toBe(actions);
    const { observations } = await env.reset();
    expect(new Set(observations)).toEqual(new Set([0, 1]));
  } finally {
    await env.close();
  }
});

test.each(Object.keys(small))('%s has a preset with the paper’s network, and resumes bit for bit', async (agent) => {
  const [whole, broken] = [join(folder, 'whole'), join(folder, 'broken')];
  const given: TrainOptions = { agent, env: 'MinAtar/Breakout-v1', ...small[agent], logPeriodSteps: 40, steps: 400 };
  await (await train({ ...given, runDir: whole })).finish();
  const controller = new AbortController();
  const run = await train({ ...given, runDir: broken, signal: controller.signal });
  for await (const { position } of run) if (position === 220) controller.abort();
  await (await resume({ runDir: broken })).finish();
  const state = (runDir: string) => readFileSync(join(runDir, 'checkpoints/400/state.safetensors'));
  expect(state(broken).equals(state(whole))).toBe(true);

  const { preset, settings } = JSON.parse(readFileSync(join(whole, 'config.json'), 'utf8'));
  expect(preset).toBe('minatar');
  expect(settings).toMatchObject({ network: 'minatar', hiddenUnits: [128], frameStack: 1, envId: given.env });
  const { layers } = (JSON.parse(readFileSync(join(whole, 'checkpoints/400/network/model.json'), 'utf8')) as Topology)
    .modelTopology.config;
  const shapes = layers.map(({ config: { name, filters, kernel_size: kernel, units } }) => [
    name,
    filters,
    kernel,
    units,
  ]);
  expect(shapes).toContainEqual(['conv1', 16, [3, 3], undefined]);
  expect(shapes).toContainEqual(['dense1', undefined, undefined, 128]);
  expect(shapes).toContainEqual(['q', undefined, undefined, 3]);
});

interface Topology {
  modelTopology: {
    config: { layers: { config: { name: string; filters?: number; kernel_size?: number[]; units?: number } }[] };
  };
}

test('the presets are those of the papers', () => {
  expect(agents.dqn.presets.minatar.settings).toMatchObject({
    ...{ optimizer: 'centered-rmsprop', learningRate: 2.5e-4, replayCapacity: 100_000, learningStarts: 5_000 },
    ...{ targetUpdatePeriodSteps: 1_000, updatePeriodSteps: 1, epsilonEnd: 0.1, epsilonDecaySteps: 100_000 },
    ...{ steps: 5_000_000, clipRewards: false },
  });
  expect(agents.pqn.presets.minatar.settings).toMatchObject({
    ...{ numEnvs: 128, rolloutSteps: 32, epochs: 2, minibatches: 32, learningRate: 5e-4, lambda: 0.65 },
    ...{ learningRateSchedule: 'linear', layerNorm: 'channels', epsilonEnd: 0.05, steps: 10_000_000 },
  });
});

test('episodes are recorded and verified, whatever was played before them', async () => {
  const runDir = join(folder, 'run');
  const run = await train({ env: 'MinAtar/Asterix-v1', ...small.dqn, steps: 80, runDir });
  await run.finish();
  const { episodes, environment } = await evaluate({ runDir, episodes: 3, record: true, maxEpisodeSteps: 200 });
  expect(environment).toBe('MinAtar/Asterix-v1');
  for (const { recording } of episodes) {
    expect(await verifyRecording(await readRecording(recording!))).toMatchObject({ equal: true });
  }
});

test('pictures of a game show each channel in a colour, and its package is known', async () => {
  const env = await makeVectorEnv({ id: 'MinAtar/SpaceInvaders-v1', seed: 1, screen: true });
  try {
    expect(env.info.packages).toMatchObject({ minatar: '1.0.15' });
    expect(env.observationSpace.shape).toEqual([160, 160, 3]);
    const { observations } = await env.reset();
    const colours = new Set(Array.from({ length: 160 * 160 }, (_, i) => observations.slice(3 * i, 3 * i + 3).join()));
    // The background, the cannon and the aliens, of which channels overlap.
    expect(colours.has('0,0,0')).toBe(true);
    expect(colours.size).toBe(3);
  } finally {
    await env.close();
  }
});

test('a game that there is not is named', async () => {
  await expect(train({ env: 'MinAtar/Brakeout-v1', ...small.dqn, steps: 80 })).rejects.toThrow(
    'no Gymnasium environment "MinAtar/Brakeout-v1"; nearest: MinAtar/Breakout-v',
  );
});
