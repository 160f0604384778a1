import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Standardise } from '../../src/datasets/index.ts';
import { createOptimizer, learningRateAt } from '../../src/optimizers/index.ts';
import { meansOf } from '../../src/runs/means.ts';
import { compile } from '../../src/runtime/compile/index.ts';
import type { NoiseSeed } from '../../src/runtime/seeded-noise.ts';
import { resolveSettings } from '../../src/settings/index.ts';
import { scores, trainClassifier } from '../../src/supervised/cifar10/functions.ts';
import { createClassifier } from '../../src/supervised/cifar10/network.ts';
import { tasks } from '../../src/supervised/tasks.ts';

fc.configureGlobal({ seed: 1 }); // the same examples in every run

describe('the learning rate', () => {
  test("is the paper's: full for half the run, then in a line to 0", () => {
    const at = (progress: number) => learningRateAt(progress, { learningRate: 0.003, warmUp: 0, decayStart: 0.5 });
    expect([0, 0.25, 0.4999].map(at)).toEqual([0.003, 0.003, 0.003]);
    expect(at(0.75)).toBeCloseTo(0.0015, 10);
    expect(at(0.999)).toBeCloseTo(0.000006, 10);
  });

  test('rises, stays and falls, and never leaves [0, full]', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(share, share, share, (progress, a, b) => {
        const [warmUp, decayStart] = [Math.min(a, b), Math.max(a, b)];
        const rate = learningRateAt(progress, { learningRate: 2, warmUp, decayStart });
        expect(rate).toBeGreaterThanOrEqual(0);
        expect(rate).toBeLessThanOrEqual(2);
        if (progress >= warmUp && progress <= decayStart) expect(rate).toBeCloseTo(2, 10);
      }),
    );
  });
});

test('means of parts are those of the whole, also from sums that were kept', () => {
  fc.assert(
    fc.property(fc.array(fc.float({ noNaN: true, min: -10, max: 10 }), { minLength: 2 }), fc.nat(), (values, cut) => {
      const at = cut % values.length;
      const first = meansOf();
      for (const value of values.slice(0, at)) first.add({ x: value });
      const second = meansOf(structuredClone(first.sums));
      second.addEach({ x: values }, at);
      expect(second.result().x).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 6);
    }),
  );
});

test('standardised channels have mean 0 and deviation 1; one that does not vary is 0', () => {
  const before = tf.memory().numTensors;
  const images = Uint8Array.from({ length: 600 }, (_, i) => (i % 3 === 2 ? 9 : (i * 37) % (i % 3 === 0 ? 251 : 100)));
  const standardise = new Standardise(images, 3);
  const [means, variances] = tf.tidy(() => {
    const { mean, variance } = tf.moments(standardise.whiten(tf.tensor2d(images, [200, 3], 'int32')), 0);
    return [mean.dataSync(), variance.dataSync()];
  });
  standardise.dispose();
  for (const mean of means) expect(Math.abs(mean)).toBeLessThan(1e-5);
  expect(Array.from(variances).map((variance) => Math.round(variance * 1e4) / 1e4)).toEqual([1, 1, 0]);
  expect(tf.memory().numTensors).toBe(before);
});

test('cross-entropy with smoothing is that of the smoothed targets; errors are those of the largest logit', () => {
  tf.tidy(() => {
    const logits = tf.tensor2d([
      [2, 0, -1],
      [0, 1, 3],
    ]);
    const { losses, errors } = scores(logits, tf.tensor1d([0, 1], 'int32'), 0.3);
    const byHand = (row: number[], label: number) => {
      const normalizer = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
      return -row.reduce((sum, x, i) => sum + ((i === label ? 0.7 : 0) + 0.1) * (x - normalizer), 0);
    };
    expect(losses.arraySync()[0]).toBeCloseTo(byHand([2, 0, -1], 0), 5);
    expect(losses.arraySync()[1]).toBeCloseTo(byHand([0, 1, 3], 1), 5);
    expect(errors.arraySync()).toEqual([0, 1]);
  });
});

describe('one update of the classifier', () => {
  const config = { network: 'convpool-cnn-c', widthMultiplier: 0.05, seed: 3 } as const;
  const images = tf.tidy(() => tf.randomNormal([8, 32, 32, 3], 0, 1, 'float32', 5).dataSync()) as Float32Array;
  const labels = Int32Array.from([0, 1, 2, 3, 4, 5, 6, 7]);

  for (const normalization of ['none', 'weight', 'batch', 'weight+mean-only-batch'] as const) {
    test(`is the same compiled and op by op, noise and dropout included: ${normalization}`, () => {
      const before = tf.memory().numTensors;
      const losses = [false, true].map((eager) => {
        const classifier = createClassifier({ ...config, normalization });
        tf.tidy(() => classifier.initialize(tf.tensor4d(images, [8, 32, 32, 3]), tf.tensor1d([7, 0], 'int32')));
        const optimizer = createOptimizer(
          { name: 'adam', learningRate: 0.003, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
          classifier.trainable,
        );
        const program = compile(
          {
            train: {
              inputs: {
                images: { shape: [8, 32, 32, 3], dtype: 'float32' },
                labels: { shape: [8], dtype: 'int32' },
                noiseSeed: { shape: [2], dtype: 'int32' },
              },
              fn: (batch) =>
                trainClassifier(
                  classifier,
                  optimizer,
                  {
                    images: batch.images as tf.Tensor4D,
                    labels: batch.labels as tf.Tensor1D,
                    noiseSeed: batch.noiseSeed as NoiseSeed,
                  },
                  { learningRate: tf.scalar(0.003), smoothing: 0 },
                ),
            },
          },
          { eager },
        );
        const seen = [1, 2, 3].map(
          (update) => program.steps.train.values({ images, labels, noiseSeed: Int32Array.from([9, update]) }).loss[0],
        );
        program.dispose();
        optimizer.dispose();
        classifier.dispose();
        return seen;
      });
      for (const [i, loss] of losses[0].entries()) expect(Math.abs(loss / losses[1][i] - 1)).toBeLessThan(1e-3);
      expect(losses[0][0]).not.toBe(losses[0][1]);
      expect(tf.memory().numTensors).toBe(before);
    });
  }

  test('starts the plain network as the function that weight norm starts as', () => {
    tf.tidy(() => {
      const x = tf.tensor4d(images, [8, 32, 32, 3]);
      const [plain, weight] = (['none', 'weight'] as const).map((normalization) => {
        const classifier = createClassifier({ ...config, normalization });
        classifier.initialize(x, tf.tensor1d([7, 0], 'int32'));
        const logits = (classifier.model.apply(x) as tf.Tensor).dataSync();
        classifier.dispose();
        return logits;
      });
      for (const [i, logit] of plain.entries()) expect(logit).toBeCloseTo(weight[i], 3);
    });
  });
});

const TINY: Record<string, Record<string, unknown>> = {
  'vae-mnist': { maps: [2, 2], blocks: 1, denseUnits: 8, latentUnits: 3, flowUnits: 6, initializationExamples: 50 },
  'draw-mnist': { steps: 2, units: 6, latentUnits: 2 },
};
for (const [name, settings] of Object.entries(TINY)) {
  test(`${name} learns, tests and draws, and leaves no tensor behind`, async () => {
    const before = tf.memory().numTensors;
    const { settings: config } = resolveSettings(tasks[name], undefined, {
      ...settings,
      ...{ batchSize: 20, trainExamples: 100, testExamples: 30, epochs: 1 },
    });
    const task = await tasks[name].create(config, { note: () => {}, restoring: false });
    const moment = (updates: number) => ({ updates, totalUpdates: 5 });
    const first = task.update(task.batches.next(), moment(0));
    expect(first.bound).toBeCloseTo(-(first.reconstruction + first.kl), 2);
    const during = tf.memory().numTensors;
    for (let updates = 1; updates < 5; updates++) task.update(task.batches.next(), moment(updates));
    const tested = task.evaluate();
    expect(tested.testBound).toBeLessThan(0);
    expect(task.evaluate()).toEqual(tested);
    expect(task.pictures()).toEqual(task.pictures());
    expect(task.pictures().still.samples).toMatchObject({ channels: 1 });
    expect(tf.memory().numTensors).toBe(during);
    expect(task.parameters).toBeGreaterThan(100);
    task.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
}
