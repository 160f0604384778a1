import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { type Cifar10Options, cifar10 } from '../../scripts/benchmark/cifar10.ts';
import type { PrepareOptions } from '../../scripts/benchmark/plan.ts';
import { compare } from '../../scripts/benchmark/run.ts';

const WIDTH = 1 / 32; // 3 and 6 filters

async function withClosers<T>(use: (options: Cifar10Options) => Promise<T>): Promise<T> {
  const closers: Parameters<PrepareOptions['defer']>[0][] = [];
  try {
    return await use({ peers: false, widthMultiplier: WIDTH, note: () => {}, defer: (close) => closers.push(close) });
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

test('cifar10 measures the five arms compiled and weight norm eager, in images a second too', async () => {
  const { report, plan } = await withClosers((options) =>
    compare('cifar10', { rounds: 1, turnSeconds: 0.001 }, options),
  );
  const { milliseconds, ratios, figures, settings } = report;
  const compiled = ['none', 'weight', 'meanOnlyBatch', 'weightAndMeanOnlyBatch', 'batch'];
  expect(Object.keys(milliseconds)).toEqual(['eager', ...compiled]);
  const quotient = (above: string, below: string) => milliseconds[above].median / milliseconds[below].median;
  expect(ratios).toEqual({
    eagerOverCompiled: quotient('eager', 'weight'),
    ...Object.fromEntries(compiled.slice(1).map((name) => [`${name}OverNone`, quotient(name, 'none')])),
  });
  expect(Object.keys(figures)).toHaveLength(6);
  expect(figures.batchImagesPerSecond).toBeCloseTo(100 / (milliseconds.batch.median / 1000), 6);
  // v, b and g of 9 convolutions and the dense layer.
  const [v, units] = [9 * (9 + 9 + 9 + 18) + 9 * 3 * 36 + 2 * 36 + 60, 3 * 3 + 6 * 6 + 10];
  expect(settings).toMatchObject({ batchSize: 100, widthMultiplier: WIDTH, weightParameters: v + 2 * units });
  expect(plan.work).toContain('batch 100');
});

test('cifar10 leaves no tensors behind', async () => {
  const before = tf.memory().numTensors;
  await withClosers(async (options) => {
    const { variants } = await cifar10.prepare(options);
    const prepared = tf.memory().numTensors;
    expect(prepared).toBeGreaterThan(before);
    for (const { turn } of variants) await turn(1);
    expect(tf.memory().numTensors).toBe(prepared);
  });
  expect(tf.memory().numTensors).toBe(before);
});
