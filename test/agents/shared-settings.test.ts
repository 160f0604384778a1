// Settings that every agent has must do in each what they say.
import '../node-backend.ts';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { CartPole, vectorize } from 'gymnasium-js-bridge/environments';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { agents, resume, type TrainOptions, train } from '../../agents/index.ts';
import { readSafetensors } from '../../src/files/safetensors.ts';
import { type Numbers, readEvents } from '../../src/runs/index.ts';

const STEPS = 400;

let folder: string;
let tensorsBefore: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shared-settings-'));
  tensorsBefore = tf.memory().numTensors;
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

/** Small settings of an agent: of these the ones that it has. */
function small(agent: string): TrainOptions {
  const settings = {
    ...{ hiddenUnits: [16], logPeriodSteps: 50, steps: STEPS, checkpointPeriodSteps: 1000, epsilonDecaySteps: 200 },
    ...{ learningStarts: 60, batchSize: 16, replayCapacity: 300, updatePeriodSteps: 2, targetUpdatePeriodSteps: 50 },
    ...{ rolloutSteps: 16, epochs: 1, minibatches: 2 },
    ...{ dueling: false, noiseScale: 0 }, // the layers of a plain network
  };
  const known = Object.keys(agents[agent].schema.shape);
  return { agent, ...Object.fromEntries(Object.entries(settings).filter(([name]) => known.includes(name))) };
}

const cartPole = () => vectorize(() => new CartPole(), { numEnvs: 2, seed: 1 });

async function progress(runDir: string) {
  const events = await readEvents(join(runDir, 'metrics.jsonl'));
  return events.flatMap(({ kind, numbers }) => (kind === 'progress' ? [numbers] : []));
}

describe.each(Object.keys(agents))('%s', (agent) => {
  /** A run, and the same one stopped at a step and gone on with: their last checkpoints. */
  async function twice(given: TrainOptions, stop: number) {
    const [whole, broken] = [join(folder, 'whole'), join(folder, 'broken')];
    await (await train({ ...small(agent), ...given, env: cartPole(), runDir: whole })).finish();
    const controller = new AbortController();
    const { signal } = controller;
    const run = await train({ ...small(agent), ...given, env: cartPole(), runDir: broken, signal });
    for await (const { position } of run) if (position === stop) controller.abort();
    await (await resume({ env: cartPole(), runDir: broken })).finish();
    const file = (runDir: string) => readFileSync(join(runDir, `checkpoints/${STEPS}/state.safetensors`));
    expect(file(broken).equals(file(whole))).toBe(true);
    return { whole, broken };
  }

  test('has learning-rate schedules and projections, and goes on with the rates and lengths of its start', async () => {
    const given: TrainOptions = {
      ...{ learningRate: 0.01, learningRateSchedule: 'cosine', learningRateEnd: 1e-3, learningRateWarmupSteps: 80 },
      ...{ weightProjection: 'gain', weightProjectionPeriodUpdates: 2, normalization: 'weight' },
      initialization: 'data-dependent',
    };
    const { whole, broken } = await twice(given, 230);
    const rates = (await progress(whole)).map(({ learningRate }) => learningRate);
    expect((await progress(broken)).map(({ learningRate }) => learningRate)).toEqual(rates);
    expect(Math.max(...rates)).toBeLessThanOrEqual(0.01);
    expect(rates[0]).toBeLessThan(Math.max(...rates));
    expect(rates.at(-1)).toBeLessThan(0.004);
    expect(rates.at(-1)).toBeGreaterThan(0.0009);

    const { tensors } = await readSafetensors(join(whole, `checkpoints/${STEPS}/state.safetensors`));
    const length = (name: string) => {
      const { shape, data } = tensors[`online/${name}`];
      const [inputs, units] = shape;
      const square = (unit: number) =>
        Array.from({ length: inputs }, (_, i) => (data as Float32Array)[i * units + unit] ** 2).reduce((a, b) => a + b);
      return Array.from({ length: units }, (_, unit) => Math.sqrt(square(unit)));
    };
    const first = tensors['optimizer/projection/dense1/kernel/firstNorm'].data as Float32Array;
    for (const [unit, norm] of length('dense1/kernel').entries()) expect(norm / first[unit]).toBeCloseTo(1, 1);
    expect('optimizer/projection/q/kernel/firstNorm' in tensors).toBe(false);
  });

  test('is diagnosed while it learns, which changes nothing that it learns', async () => {
    const given = { diagnosticsPeriodSteps: 100, normalization: 'weight', layerNorm: 'channels' } as const;
    const { whole, broken } = await twice(given, 230);
    const diagnoses = async (runDir: string) =>
      (await readEvents(join(runDir, 'metrics.jsonl'))).filter(({ kind }) => kind === 'diagnostics');
    const seen = await diagnoses(whole);
    expect(seen.map(({ position }) => position)).toEqual([100, 200, 300, 400]);
    expect((await diagnoses(broken)).map(({ numbers }) => numbers)).toEqual(seen.map(({ numbers }) => numbers));
    expect((await progress(whole)).some((numbers) => 'learningRate' in numbers)).toBe(false); // it is constant
    const last = seen.at(-1)!.numbers as Numbers;
    // An iqn has a layer more, which embeds probabilities: its units are of states and probabilities.
    const kernels = agent === 'iqn' ? ['dense1', 'embedding', 'q'] : ['dense1', 'q'];
    const expected = [
      ...kernels.slice(0, -1).map((layer) => `${layer}/dormantShare`),
      ...['dense1/featureRank', 'diagnosedStates'],
      ...kernels.flatMap((layer) => ['effectiveLearningRate', 'gain', 'norm'].map((name) => `${layer}/kernel/${name}`)),
    ];
    expect(Object.keys(last).sort()).toEqual(expected.sort());
    expect(last['dense1/featureRank']).toBeGreaterThan(0);
    expect(last['dense1/featureRank']).toBeLessThanOrEqual(Math.min(16, last.diagnosedStates));
    expect(last['dense1/dormantShare']).toBeLessThan(1);
    const { 'dense1/kernel/norm': norm, 'dense1/kernel/effectiveLearningRate': rate } = last;
    expect(norm).toBeGreaterThan(0.5);
    expect(rate).toBeGreaterThan(0);

    const plain = join(folder, 'plain');
    const { diagnosticsPeriodSteps, ...rest } = given;
    await (await train({ ...small(agent), ...rest, env: cartPole(), runDir: plain })).finish();
    const state = (runDir: string) => readFileSync(join(runDir, `checkpoints/${STEPS}/state.safetensors`));
    expect(state(plain).equals(state(whole))).toBe(true);
  });

  test('refuses what does nothing beside its other settings', async () => {
    const given: [TrainOptions, string][] = [
      [{ learningRateEnd: 1e-5 }, 'learningRateEnd 0.00001 does nothing with learningRateSchedule constant'],
      [
        { optimizer: 'sgd', beta1: 0.5 },
        'beta1 0.5 does nothing with optimizer sgd: leave it out, or give optimizer adam or adamax or radam',
      ],
      [{ weightProjectionOutputs: true }, 'weightProjectionOutputs true does nothing with weightProjection none'],
      [
        { weightProjection: 'direction', normalization: 'none' },
        'weightProjection direction projects the v of w = g v/||v||, which normalization none has not: give ' +
          'normalization weight, or weightProjection gain',
      ],
      [{ learningRateWarmupSteps: 500 }, 'learningRateWarmupSteps 500 is longer than the run of steps 400'],
    ];
    for (const [options, message] of given) {
      await expect(train({ ...small(agent), ...options, env: cartPole() })).rejects.toThrow(message);
    }
  });
});
