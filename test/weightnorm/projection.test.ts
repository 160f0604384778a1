// Weights that are put back to their first lengths.
import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mlpQNetwork, natureQNetwork } from '../../src/networks/index.ts';
import { createWeightProjection, type Normalization } from '../../src/weightnorm/index.ts';
import { expectClose, normal, plain, variableOf } from './support.ts';

let tensorsBefore: number;
beforeEach(() => {
  tensorsBefore = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(tensorsBefore));

const mlp = (normalization: Normalization) =>
  mlpQNetwork({ inputSize: 5, hiddenUnits: [8, 7], numActions: 3, normalization, layerNorm: 'channels', seed: 1 });

/** Changes each weight as an update would, kernels of some units by much. */
function disturb(model: tf.LayersModel): void {
  tf.tidy(() => {
    for (const [i, weight] of model.trainableWeights.entries()) {
      const value = weight.read();
      weight.write(value.add(normal(value.shape, i, 0.1)).mul(tf.linspace(0.5, 4, value.shape.at(-1)!)));
    }
  });
}

/** Length of each unit of a kernel. */
const lengths = (kernel: tf.Tensor) =>
  tf.tidy(() => tf.sqrt(tf.sum(tf.square(kernel), kernel.shape.map((_, i) => i).slice(0, -1))));
/** The kernel w = g v/||v|| that a layer applies. */
const effective = (weights: Record<string, tf.Variable>, name: string) =>
  tf.tidy(() => tf.div(weights[name], lengths(weights[name])).mul(weights[name.replace(/kernel$/, 'gain')]));
const weightsOf = (model: tf.LayersModel) =>
  Object.fromEntries(model.weights.map((weight) => [weight.originalName, variableOf(weight)]));
const values = (tensor: tf.Tensor) => Array.from(tensor.dataSync());

describe('direction', () => {
  test.each([
    ['mlp', [6, 5], mlp],
    [
      'Nature',
      [2, 40, 40, 2],
      (normalization: Normalization) =>
        natureQNetwork({
          ...{ inputShape: [40, 40, 2], padding: 'valid', hiddenUnits: [32], numActions: 4, normalization, seed: 2 },
        }),
    ],
  ] as const)('changes no output, and gives v the length that it had: %s', (_, inputShape, make) => {
    const model = make('weight');
    const weights = weightsOf(model);
    const hidden = Object.keys(weights).filter((name) => name.endsWith('/kernel') && name !== 'q/kernel');
    const first = hidden.map((name) => tf.tidy(() => values(lengths(weights[name]))));
    const projection = createWeightProjection(model, { kind: 'direction' });
    expect(Object.keys(projection.slots)).toEqual(hidden.map((name) => `${name}/firstNorm`));
    disturb(model);
    const input = tf.tidy(() =>
      normal([...inputShape], 7)
        .abs()
        .mul(100),
    );
    const before = model.predict(input) as tf.Tensor;
    const applied = hidden.map((name) => effective(weights, name));
    const others = Object.keys(weights).filter((name) => !hidden.includes(name));
    const kept = others.map((name) => values(weights[name]));
    projection.project();
    const after = model.predict(input) as tf.Tensor;
    // Through three convolutions the rounding of w adds up, and by 3.2e-6 where it was measured most.
    expectClose(after, before, 5e-6);
    for (const [i, name] of hidden.entries()) {
      const [now, w] = [lengths(weights[name]), effective(weights, name)];
      expectClose(now, first[i], 1e-6);
      expectClose(w, applied[i], 3e-7);
      tf.dispose([now, w, applied[i]]);
    }
    expect(others.map((name) => values(weights[name]))).toEqual(kept);
    projection.dispose();
    tf.dispose([input, before, after]);
    model.dispose();
  });

  test('refuses kernels without weight normalization, and models without kernels', () => {
    for (const [normalization, message] of [
      [
        'none',
        `has no weight normalization, so 'direction' cannot project it: give it 'weight', or project with 'gain'`,
      ],
      [
        'centered-weight',
        "has the normalization 'centered-weight', so 'direction' cannot project it: give it 'weight'",
      ],
    ] as const) {
      const model = mlp(normalization);
      expect(() => createWeightProjection(model, { kind: 'direction' })).toThrow(message);
      model.dispose();
    }
    const lone = tf.sequential({
      layers: [plain({ kind: 'dense', args: { units: 2 }, inputShape: [3] }, { inputShape: [3] })],
    });
    expect(() => createWeightProjection(lone, { kind: 'gain' })).toThrow(
      'has no dense or convolution kernels but those that give its output',
    );
    lone.dispose();
  });
});

describe('gain', () => {
  test.each(['none', 'weight', 'mean-only-batch'] as const)(
    'keeps the length of each unit of w, normalization %s',
    (normalization) => {
      const model = mlp(normalization);
      const weights = weightsOf(model);
      const firstKernels = ['dense1', 'dense2'].map((layer) =>
        tf.tidy(() => values(lengths(weights[`${layer}/kernel`]))),
      );
      const [firstOutput, outputBias] = [values(weights['q/kernel']), weights['q/bias']];
      const projection = createWeightProjection(model, { kind: 'gain' });
      const hasGain = normalization === 'weight';
      const firstGain = hasGain ? values(weights['dense1/gain']) : [];
      disturb(model);
      const directions = tf.tidy(() => values(weights['dense2/kernel'].div(lengths(weights['dense2/kernel']))));
      const bias = values(outputBias);
      projection.project();
      tf.tidy(() => {
        for (const [i, layer] of ['dense1', 'dense2'].entries()) {
          expectClose(lengths(weights[`${layer}/kernel`]), firstKernels[i], 1e-6);
        }
        expectClose(weights['dense2/kernel'].div(lengths(weights['dense2/kernel'])).flatten(), directions, 1e-6);
      });
      if (hasGain) expect(values(weights['dense1/gain'])).toEqual(firstGain);
      expect(values(weights['q/kernel'])).not.toEqual(firstOutput); // the output layer is left alone
      expect(values(outputBias)).toEqual(bias);
      projection.dispose();
      model.dispose();
    },
  );

  test('takes the output layer too where told, both heads of a model with two', () => {
    const input = tf.input({ shape: [6, 6, 2] });
    const hidden = tf.layers.conv2d({ filters: 3, kernelSize: 3, name: 'hidden' }).apply(input) as tf.SymbolicTensor;
    const flat = tf.layers.flatten().apply(hidden) as tf.SymbolicTensor;
    const heads = ['value', 'advantage'].map(
      (name) => tf.layers.dense({ units: 2, name }).apply(flat) as tf.SymbolicTensor,
    );
    const model = tf.model({ inputs: input, outputs: tf.layers.add().apply(heads) as tf.SymbolicTensor });
    const names = (excludeOutput: boolean) => {
      const projection = createWeightProjection(model, { kind: 'gain', excludeOutput });
      const slots = Object.keys(projection.slots);
      projection.dispose();
      return slots;
    };
    expect(names(true)).toEqual(['hidden/kernel/firstNorm']);
    expect(names(false)).toEqual(['hidden', 'value', 'advantage'].map((name) => `${name}/kernel/firstNorm`));
    model.dispose();
  });

  test('changes nothing where it is not due, and leaves units of length 0 alone', () => {
    const model = mlp('weight');
    const weights = weightsOf(model);
    const projection = createWeightProjection(model, { kind: 'gain' });
    disturb(model);
    const disturbed = values(weights['dense1/kernel']);
    tf.tidy(() => projection.project({ isDue: tf.scalar(false, 'bool') as unknown as tf.Scalar }));
    expect(values(weights['dense1/kernel'])).toEqual(disturbed);
    tf.tidy(() => weights['dense1/kernel'].assign(tf.zerosLike(weights['dense1/kernel'])));
    projection.project();
    expect(new Set(values(weights['dense1/kernel']))).toEqual(new Set([0]));

    disturb(model);
    projection.restart();
    const restarted = values(weights['dense1/kernel']);
    projection.project();
    tf.tidy(() => expectClose(weights['dense1/kernel'].flatten(), restarted, 1e-6));
    projection.dispose();
    model.dispose();
  });
});

test('who rescales a v is told by how much, and of plain kernels nothing', () => {
  for (const normalization of ['weight', 'none'] as const) {
    const model = mlp(normalization);
    const weights = weightsOf(model);
    const projection = createWeightProjection(model, { kind: 'gain' });
    tf.tidy(() => {
      weights['dense1/kernel'].assign(weights['dense1/kernel'].mul(2));
      weights['dense2/kernel'].assign(weights['dense2/kernel'].mul(3));
    });
    const told: [string, number[]][] = [];
    projection.project({ onRescaled: (variable, factor) => told.push([variable.name, values(factor)]) });
    if (normalization === 'none') expect(told).toEqual([]);
    else {
      expect(told.map(([name]) => name)).toEqual(['dense1', 'dense2'].map((layer) => weights[`${layer}/kernel`].name));
      for (const [i, expected] of [2, 3].entries()) {
        for (const factor of told[i][1]) expect(factor).toBeCloseTo(expected, 5);
      }
    }
    projection.dispose();
    model.dispose();
  }
});
