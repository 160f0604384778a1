// Averaged weights are tested with statistics of their own.
import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { Batches, Standardise } from '../../src/datasets/index.ts';
import { Generator } from '../../src/random/index.ts';
import { resolveSettings } from '../../src/settings/index.ts';
import type { Cifar10Settings } from '../../src/supervised/cifar10/config.ts';
import { scores } from '../../src/supervised/cifar10/functions.ts';
import { createClassifier } from '../../src/supervised/cifar10/network.ts';
import { assembleCifar10, cifar10 } from '../../src/supervised/cifar10/task.ts';

const PIXELS = 32 * 32 * 3;
const COUNT = 200;

/** Ten classes of plain colours with noise. */
function colours(seed: number): { images: Uint8Array; labels: Uint8Array } {
  const generator = new Generator(seed, 'colours');
  const images = new Uint8Array(COUNT * PIXELS);
  const labels = Uint8Array.from({ length: COUNT }, (_, i) => i % 10);
  for (let i = 0; i < images.length; i++) {
    const label = labels[Math.floor(i / PIXELS)];
    images[i] = ((label * ((i % 3) + 3)) % 10) * 20 + generator.integer(50);
  }
  return { images, labels };
}

const train = colours(1);
const tested = colours(2);

function taskOf(given: Partial<Cifar10Settings>) {
  const { settings } = resolveSettings(cifar10, 'modern', {
    ...{ widthMultiplier: 0.1, batchSize: 20, averageEpochs: 3, testTimeAveraging: false, translatePixels: 0 },
    ...{ flip: 'none', labelSmoothing: 0, warmUp: 0, decayStart: 1, ...given },
  });
  const config = settings as Cifar10Settings;
  const whitening = new Standardise(train.images, 3);
  const arrays = { images: train.images, labels: Int32Array.from(train.labels) };
  const batchesOf = (seed: number) => new Batches({ arrays, count: COUNT, batchSize: 20, seed, lastBatch: 'drop' });
  const classifier = createClassifier(config);
  const task = assembleCifar10(config, {
    ...{ classifier, whitening, test: tested },
    batches: batchesOf(1),
    statisticsBatches: () => batchesOf(2),
  });
  return { config, whitening, task };
}

/** Images as the networks see them, within a tidy. */
const seen = (whitening: Standardise, images: Uint8Array) =>
  whitening.whiten(tf.tensor4d(images, [COUNT, 32, 32, 3], 'int32'));

/** The test loss of trained variables by name whose running averages see the whole training set. */
function lossByHand({ config, whitening }: ReturnType<typeof taskOf>, values: (name: string) => tf.Tensor): number {
  const other = createClassifier(config);
  for (const { name, variable } of other.trainable) tf.tidy(() => variable.assign(values(name).clone()));
  const loss = tf.tidy(() => {
    other.trainingLogits(seen(whitening, train.images), tf.tensor1d([1, 2], 'int32'), tf.scalar(0));
    const logits = other.model.apply(seen(whitening, tested.images)) as tf.Tensor2D;
    return scores(logits, tf.tensor1d(Int32Array.from(tested.labels), 'int32'))
      .losses.mean()
      .dataSync()[0];
  });
  other.dispose();
  return loss;
}

const bits = (variables: Readonly<Record<string, tf.Variable>>) =>
  Object.fromEntries(Object.entries(variables).map(([name, variable]) => [name, Array.from(variable.dataSync())]));

test.each(['weight+mean-only-batch', 'batch'] as const)(
  '%s: statistics of averaged weights are their own, whatever the running ones are',
  (normalization) => {
    const before = tf.memory().numTensors;
    const parts = taskOf({ normalization, learningRate: 0.03 });
    const { task } = parts;
    for (let updates = 0; updates < 30; updates++) task.update(task.batches.next(), { updates, totalUpdates: 1000 });
    const during = tf.memory().numTensors;
    task.pull();
    const trained = bits(task.variables);
    const found = task.evaluate();
    task.pull();
    expect(bits(task.variables)).toEqual(trained);

    const expected = lossByHand(parts, (name) => task.variables[`average/${name}/average`]);
    // The statistics are means over batches there, and of one large batch here.
    expect(Math.abs(found.testLoss - expected)).toBeLessThan(0.05);

    const running = Object.entries(task.variables).filter(([name]) => /^network\/.*moving/.test(name));
    expect(running.length).toBeGreaterThan(5);
    for (const [, variable] of running) tf.tidy(() => variable.assign(variable.add(3)));
    task.push();
    expect(task.evaluate()).toEqual(found);
    expect(task.evaluate()).toEqual(found);
    expect(tf.memory().numTensors).toBe(during);
    task.dispose();
    expect(tf.memory().numTensors).toBe(before);
  },
);

test('before the first update the weights themselves are tested, and not averages of nothing', () => {
  const parts = taskOf({ normalization: 'weight+mean-only-batch', learningRate: 0.03 });
  const { testLoss } = parts.task.evaluate();
  const expected = lossByHand(parts, (name) => parts.task.variables[`network/${name}`]);
  expect(Math.abs(testLoss - expected)).toBeLessThan(0.05);
  expect(Math.abs(testLoss - Math.log(10))).toBeGreaterThan(1e-4); // logits of 0
  parts.task.dispose();
});
