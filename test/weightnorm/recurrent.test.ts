import '../node-backend.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  assignEffectiveWeights,
  dataDependentInit,
  dense,
  effectiveWeights,
  gru,
  gruCell,
  isNormalizedLayer,
  isNormalizedRecurrent,
  KERNEL_NORMALIZATIONS,
  lstm,
  lstmCell,
  type Normalization,
  type NormalizedLayer,
  NormalizedLSTM,
  type NormalizedRecurrentLayer,
  OUTPUT_NORMALIZATIONS,
  simpleRNN,
  simpleRNNCell,
} from '../../src/weightnorm/index.ts';
import { askPython } from '../python-oracle.ts';
import { expectClose, type Nested, normal, outputAndGradients, variableOf } from './support.ts';

const OURS = { simpleRNN, lstm, gru };
const OUR_CELLS = { simpleRNN: simpleRNNCell, lstm: lstmCell, gru: gruCell };
const PLAIN = { simpleRNN: tf.layers.simpleRNN, lstm: tf.layers.lstm, gru: tf.layers.gru };
const PLAIN_CELLS = { simpleRNN: tf.layers.simpleRNNCell, lstm: tf.layers.lstmCell, gru: tf.layers.gruCell };
type Kind = keyof typeof OURS;
const KINDS = Object.keys(OURS) as Kind[];
const GATES = { simpleRNN: 1, lstm: 4, gru: 3 };
const NORMALIZATIONS: Normalization[] = ['none', ...KERNEL_NORMALIZATIONS];
type Args = Parameters<typeof simpleRNN>[0];

/** Gives every weight of a built layer or model other values, so that g is not ||v||. */
function randomizeWeights(layer: tf.layers.Layer | tf.LayersModel, seed: number): void {
  tf.tidy(() => {
    layer.weights.forEach((weight, i) => {
      weight.write(normal(weight.shape as number[], seed + i));
    });
  });
}

/** Applies a layer once, which builds it. */
function build(layer: tf.layers.Layer, inputShape: number[]): void {
  tf.tidy(() => {
    layer.apply(tf.zeros(inputShape));
  });
}

/** Each element within 1e-5 of the largest expected value. */
function expectRelativelyClose(actual: tf.Tensor, expected: Nested): void {
  tf.tidy(() => {
    const values = tf.tensor(expected as number[]);
    const largest = tf.max(tf.abs(values));
    expectClose(tf.div(actual, largest), tf.div(values, largest), 5e-6); // that is, 5e-6 (1 + 1)
  });
}

function names({ weights }: { weights: tf.LayerVariable[] }): string[] {
  return weights.map(({ originalName }) => originalName.split('/').at(-1)!);
}

function oracle(cases: object[]): { y: Nested; gradients: Record<string, Nested> }[] {
  return askPython(new URL('./recurrent_oracle.py', import.meta.url), cases);
}

describe.each(['tensorflow', 'cpu'])('on the %s backend', (backend) => {
  let usual: string;
  beforeEach(async () => {
    tf.enableProdMode(); // no banner about the node backend
    usual = tf.getBackend();
    await tf.setBackend(backend);
  });
  afterEach(async () => {
    await tf.setBackend(usual);
  });

  test.each(KINDS)('%s agrees with its float64 definition, values and gradients', (cell) => {
    const before = tf.memory().numTensors;
    const settings: Partial<Args>[] = [
      ...NORMALIZATIONS.map((normalization) => ({ normalization })),
      { normalization: 'weight', useBias: false, fixedGain: 1.5 },
      { normalization: 'scaled-weight-standardization', activationGain: 1.7, epsilon: 1e-3 },
      { normalization: 'weight-standardization', epsilon: 0.1 },
    ];
    const runs = settings.map((args, i) => {
      const layer = OURS[cell]({ units: 3, returnSequences: true, ...args });
      const x = normal([2, 5, 4], 10 * i);
      build(layer, [2, 5, 4]);
      randomizeWeights(layer, 10 * i + 1);
      const dy = normal([2, 5, 3], 10 * i + 9);
      const weights = names(layer).map((name, j) => [name, layer.weights[j].read().arraySync()]);
      const { normalization, epsilon, activationGain } = layer.settings;
      const oracleCase = {
        ...{ cell, normalization, epsilon, activationGain, fixedGain: args.fixedGain },
        tensors: { x: x.arraySync(), ...Object.fromEntries(weights) },
        dy: dy.arraySync(),
      };
      const result = outputAndGradients(layer as unknown as NormalizedLayer, x, dy, true);
      layer.dispose();
      tf.dispose([x, dy]);
      return { oracleCase, result };
    });
    oracle(runs.map(({ oracleCase }) => oracleCase)).forEach((expected, i) => {
      const { y, gradients } = runs[i].result;
      expectRelativelyClose(y, expected.y);
      expect(Object.keys(gradients).sort()).toEqual(Object.keys(expected.gradients).sort());
      for (const [name, gradient] of Object.entries(gradients))
        expectRelativelyClose(gradient, expected.gradients[name]);
      tf.dispose([y, gradients]);
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a model learns in model.fit, without a leak', async () => {
    const before = tf.memory().numTensors;
    const model = tf.sequential({
      layers: [
        lstm({ inputShape: [4, 2], units: 4, seed: 1, returnSequences: true }),
        gru({ units: 4, seed: 3, normalization: 'centered-weight' }),
        tf.layers.dense({ units: 1, kernelInitializer: tf.initializers.glorotNormal({ seed: 5 }) }),
      ],
    });
    const optimizer = tf.train.adam(0.1);
    model.compile({ optimizer, loss: 'meanSquaredError' });
    const x = normal([32, 4, 2], 6);
    const y = tf.tidy(() => x.slice([0, 0, 0], [32, 4, 1]).mean(1)); // [32, 1]
    const train = (epochs: number) => model.fit(x, y, { epochs, batchSize: 32, shuffle: false, verbose: 0 });
    const { history } = await train(1);
    const during = tf.memory().numTensors;
    const later = await train(12);
    expect(tf.memory().numTensors).toBe(during);
    expect(later.history.loss.at(-1)).toBeLessThan((history.loss[0] as number) / 2);
    model.dispose();
    optimizer.dispose();
    tf.dispose([x, y]);
    // model.compile keeps nothing but the optimizer's learning rate and iteration count.
    expect(tf.memory().numTensors - before).toBeLessThanOrEqual(2);
  });
});

describe.each(KINDS)('%s', (kind) => {
  test('starts as the layer of tf.layers with the same kernels, and its initializers are those', () => {
    tf.tidy(() => {
      const x = normal([3, 4, 5], 1);
      const ours = OURS[kind]({ units: 20, seed: 2 });
      const plain = PLAIN[kind]({ units: 20, kernelInitializer: tf.initializers.glorotNormal({ seed: 2 }) });
      ours.apply(x);
      plain.apply(x);
      const [kernel, recurrent] = ours.kernels.map(({ variable }) => variable.read());
      expectClose(kernel, plain.weights[0].read(), 0);
      // [units, gates x units]: orthogonal rows
      expectClose(recurrent.matMul(recurrent, false, true), tf.eye(20), 1e-5);
      plain.setWeights([kernel, recurrent, ours.bias!.read()]);
      expectClose(ours.apply(x) as tf.Tensor, plain.apply(x) as tf.Tensor, 1e-6);
    });
  });

  test('has the same kernels for the same seed, and others for another', () => {
    tf.tidy(() => {
      const kernels = (seed: number) => {
        const layer = OURS[kind]({ units: 6, seed });
        build(layer, [1, 3, 5]);
        return layer.kernels.map(({ variable }) => variable.read());
      };
      const [first, again, other] = [kernels(5), kernels(5), kernels(7)];
      first.forEach((kernel, i) => {
        expectClose(again[i], kernel, 0);
        expect(other[i].sub(kernel).abs().mean().dataSync()[0]).toBeGreaterThan(0.05);
      });
    });
  });

  test('with normalization none is the layer of tf.layers, bit for bit', () => {
    tf.tidy(() => {
      const x = normal([3, 4, 5], 1);
      const ours = OURS[kind]({ units: 4, normalization: 'none', seed: 7 });
      const plain = PLAIN[kind]({
        units: 4,
        kernelInitializer: tf.initializers.glorotNormal({ seed: 7 }),
        recurrentInitializer: tf.initializers.orthogonal({ seed: 8 }),
      });
      expectClose(ours.apply(x) as tf.Tensor, plain.apply(x) as tf.Tensor, 0);
      expect(names(ours)).toEqual(['kernel', 'recurrent_kernel', 'bias']);
    });
  });

  test('names its weights, all of them trainable until told otherwise', () => {
    const layer = OURS[kind]({ units: 3 });
    build(layer, [1, 2, 5]);
    const size = GATES[kind] * 3;
    expect(names(layer)).toEqual(['kernel', 'recurrent_kernel', 'bias', 'gain', 'recurrentGain']);
    expect(layer.weights.map(({ shape }) => shape)).toEqual([[5, size], [3, size], [size], [size], [size]]);
    expect(layer.trainableWeights).toEqual(layer.weights);
    expect(layer.kernels.map(({ name }) => name)).toEqual(['kernel', 'recurrent_kernel']);
    expect([layer.gain, layer.recurrentGain]).toEqual(layer.weights.slice(3));
    expect(isNormalizedRecurrent(layer)).toBe(true);
    expect(isNormalizedRecurrent(layer.cell)).toBe(true);
    expect(isNormalizedRecurrent(PLAIN[kind]({ units: 3 }))).toBe(false);
    expect(isNormalizedLayer(layer)).toBe(false);
    layer.trainable = false;
    expect(layer.trainableWeights).toEqual([]);
    expect(names(layer)).toEqual(['kernel', 'recurrent_kernel', 'bias', 'gain', 'recurrentGain']);
    layer.dispose();
  });

  /** Halves every other element: a dropout that is the same for two layers. */
  const dropoutFunc = (x: tf.Tensor) => x.mul(tf.range(0, x.size).mod(2).add(1).div(2).reshape(x.shape));
  const variants: [string, Partial<Args>][] = [
    ['returnSequences', { returnSequences: true }],
    ['goBackwards', { goBackwards: true, returnSequences: true }],
    ['another activation and no bias', { activation: 'relu', useBias: false }],
    ['dropout', { dropout: 0.5, recurrentDropout: 0.5, dropoutFunc, returnSequences: true }],
    ['a mean', { normalization: 'centered-weight' }],
  ];
  test.each(variants)('with %s computes what tf.layers does with its effective weights', (_, args) => {
    tf.tidy(() => {
      const x = normal([3, 4, 5], 1);
      const ours = OURS[kind]({ units: 4, ...args });
      const { normalization, ...plainArgs } = { units: 4, ...args };
      const plain = PLAIN[kind](plainArgs);
      const outputs = [ours, plain].map((layer) => layer.computeOutputShape(x.shape));
      expect(outputs[0]).toEqual(outputs[1]);
      ours.apply(x);
      plain.apply(x);
      randomizeWeights(ours, 11);
      plain.setWeights(effectiveWeights(ours));
      for (const training of [true, false]) {
        const [y, expected] = [ours, plain].map((layer) => layer.apply(x, { training }) as tf.Tensor);
        expectClose(y, expected, 1e-6);
      }
    });
  });

  test('takes and gives states', () => {
    tf.tidy(() => {
      const x = normal([3, 4, 5], 1);
      const args = { units: 4, returnState: true };
      const [ours, plain] = [OURS[kind](args), PLAIN[kind](args)];
      ours.apply(x);
      plain.apply(x);
      randomizeWeights(ours, 11);
      plain.setWeights(effectiveWeights(ours));
      const initialState = kind === 'lstm' ? [normal([3, 4], 2), normal([3, 4], 3)] : [normal([3, 4], 2)];
      const [outputs, expected] = [ours, plain].map((layer) => layer.apply(x, { initialState }) as tf.Tensor[]);
      expect(outputs.length).toBe(initialState.length + 1);
      // A call that fails leaves the layer as it was.
      expect(() => ours.apply(x, { initialState: [...initialState, initialState[0]] })).toThrow(/initial state/);
      const again = ours.apply(x, { initialState }) as tf.Tensor[];
      outputs.forEach((output, i) => {
        expectClose(output, expected[i], 1e-6);
        expectClose(again[i], output, 0);
      });
    });
  });

  test('keeps its state from call to call where it is stateful, until it is reset', () => {
    tf.tidy(() => {
      const x = normal([2, 6, 5], 1);
      const args = { units: 4, stateful: true, batchInputShape: [2, null, 5] as [number, null, number] };
      const [ours, plain] = [OURS[kind](args), PLAIN[kind]({ units: 4 })];
      plain.apply(x);
      ours.apply(x);
      randomizeWeights(ours, 11);
      plain.setWeights(effectiveWeights(ours));
      const halves = tf.split(x, 2, 1);
      for (const _ of [1, 2]) {
        ours.resetStates();
        const [, second] = halves.map((half) => ours.apply(half) as tf.Tensor);
        expectClose(second, plain.apply(x) as tf.Tensor, 1e-6);
      }
      ours.resetStates();
    });
  });

  test.each(NORMALIZATIONS)(
    'after a masking embedding (%s) skips the masked steps as tf.layers does',
    (normalization) => {
      const model = (recurrent: (args: Args) => tf.layers.Layer) =>
        tf.sequential({
          layers: [
            tf.layers.embedding({ inputDim: 6, outputDim: 3, inputLength: 5, maskZero: true }),
            recurrent({ units: 4 }),
            tf.layers.dense({ units: 2 }),
          ],
        });
      const [source, target] = [model((args) => OURS[kind]({ ...args, normalization })), model(PLAIN[kind])];
      randomizeWeights(source, 3);
      assignEffectiveWeights(target, source);
      tf.tidy(() => {
        const tokens = [
          [1, 2, 3, 0, 0],
          [4, 0, 5, 5, 0],
        ];
        const y = source.predict(tf.tensor2d(tokens)) as tf.Tensor;
        expectClose(y, target.predict(tf.tensor2d(tokens)) as tf.Tensor, 1e-6);
        // Masked steps do nothing: the same sequence with its zeros elsewhere.
        const moved = source.predict(
          tf.tensor2d([
            [0, 1, 0, 2, 3],
            [0, 0, 4, 5, 5],
          ]),
        ) as tf.Tensor;
        expectClose(moved, y, 1e-6);
      });
      source.dispose();
      target.dispose();
    },
  );

  test('works out its kernels once a call; the cell, once a step', async () => {
    const x = normal([2, 8, 3], 1);
    const kernelsRun = async (layer: tf.layers.Layer, steps: number) => {
      layer.apply(x.slice([0, 0, 0], [2, 1, 3])); // builds
      const { kernels } = await tf.profile(() => layer.apply(x.slice([0, 0, 0], [2, steps, 3])) as tf.Tensor);
      return kernels.length;
    };
    const extra = async (make: (normalization: Normalization) => tf.layers.Layer, steps: number) =>
      (await kernelsRun(make('weight'), steps)) - (await kernelsRun(make('none'), steps));
    const whole = (normalization: Normalization) => OURS[kind]({ units: 4, normalization });
    const cells = (normalization: Normalization) =>
      tf.layers.rnn({ cell: OUR_CELLS[kind]({ units: 4, normalization }) });
    const once = await extra(whole, 2);
    expect(once).toBeGreaterThan(0);
    expect(await extra(whole, 8)).toBe(once);
    expect(await extra(cells, 8)).toBe(8 * once);
  });

  test('as a cell in rnn and in stacked cells computes what tf.layers does with its effective weights', () => {
    const model = (cell: (args: { units: number }) => tf.layers.RNNCell) =>
      tf.sequential({
        layers: [
          tf.layers.rnn({ cell: cell({ units: 4 }), inputShape: [5, 3], returnSequences: true }),
          tf.layers.rnn({ cell: [cell({ units: 3 }), cell({ units: 2 })] }),
        ],
      });
    const [source, target] = [model(OUR_CELLS[kind]), model(PLAIN_CELLS[kind])];
    expect(source.trainableWeights.length).toBe(15);
    randomizeWeights(source, 3);
    assignEffectiveWeights(target, source);
    tf.tidy(() => {
      const x = normal([4, 5, 3], 2);
      const [y, expected] = [source, target].map((m) => m.predict(x) as tf.Tensor);
      expectClose(y, expected, 1e-6);
      const { grads } = tf.variableGrads(() => (source.apply(x) as tf.Tensor).square().sum());
      for (const gradient of Object.values(grads)) expect(gradient.abs().max().dataSync()[0]).toBeGreaterThan(0);
      expect(Object.keys(grads).length).toBe(15);
    });
    source.dispose();
    target.dispose();
  });

  test('in bidirectional runs both ways, each with its own weights', () => {
    const model = (layer: tf.layers.RNN) =>
      tf.sequential({ layers: [tf.layers.bidirectional({ layer, inputShape: [5, 3], mergeMode: 'concat' })] });
    const [source, target] = [model(OURS[kind]({ units: 4 })), model(PLAIN[kind]({ units: 4 }))];
    expect(source.trainableWeights.length).toBe(10);
    randomizeWeights(source, 3);
    assignEffectiveWeights(target, source);
    tf.tidy(() => {
      const x = normal([2, 5, 3], 2);
      expectClose(source.predict(x) as tf.Tensor, target.predict(x) as tf.Tensor, 1e-6);
      // The second half is the backward layer: the forward one on the reversed sequence, with its weights.
      source.setWeights([...source.getWeights().slice(5), ...source.getWeights().slice(5)]);
      const [, backward] = tf.split(source.predict(x) as tf.Tensor, 2, 1);
      const [forward] = tf.split(source.predict(x.reverse(1)) as tf.Tensor, 2, 1);
      expectClose(backward, forward, 1e-6);
    });
    source.dispose();
    target.dispose();
  });

  test('puts its regularizers on its gains, and on request on its kernels', () => {
    tf.tidy(() => {
      const penalties = (args: Partial<Args>) => {
        const layer = OURS[kind]({
          units: 3,
          kernelRegularizer: tf.regularizers.l2({ l2: 0.1 }),
          recurrentRegularizer: tf.regularizers.l2({ l2: 0.2 }),
          ...args,
        });
        build(layer, [1, 2, 5]);
        randomizeWeights(layer, 2);
        return { layer, losses: layer.calculateLosses() };
      };
      const gains = penalties({});
      const [w, recurrentW] = effectiveWeights(gains.layer);
      expect(gains.losses.length).toBe(2);
      // For L2 the penalty on w, as sum(w^2) = g^2.
      expectClose(gains.losses[0], w.square().sum().mul(0.1), 1e-6);
      expectClose(gains.losses[1], recurrentW.square().sum().mul(0.2), 1e-6);
      for (const args of [{ regularize: 'kernel' }, { normalization: 'weight-standardization' }] as Partial<Args>[]) {
        const { layer, losses } = penalties(args);
        const [v, recurrentV] = layer.kernels.map(({ variable }) => variable.read());
        expect(losses.length).toBe(2);
        expectClose(losses[0], v.square().sum().mul(0.1), 1e-6);
        expectClose(losses[1], recurrentV.square().sum().mul(0.2), 1e-6);
      }
    });
  });

  test('regularizes w itself where g would not give the same penalty', () => {
    tf.tidy(() => {
      const layer = OURS[kind]({
        units: 3,
        kernelRegularizer: tf.regularizers.l1({ l1: 0.1 }),
        recurrentRegularizer: tf.regularizers.l2({ l2: 0.2 }),
      });
      build(layer, [1, 2, 5]);
      randomizeWeights(layer, 2);
      const [w, recurrentW] = effectiveWeights(layer);
      const penalty = w.abs().sum().mul(0.1).add(recurrentW.square().sum().mul(0.2));
      expectClose(tf.addN(layer.calculateLosses()), penalty, 1e-6);
    });
  });

  test('refuses what tf.layers takes and does not do, and takes starting weights', () => {
    for (const name of ['kernelConstraint', 'recurrentConstraint', 'biasConstraint', 'activityRegularizer']) {
      expect(() => OURS[kind]({ units: 2, [name]: 'someName' })).toThrow(`${name} is someName, and tf.layers `);
      expect(() => OURS[kind]({ units: 2, [name]: null })).not.toThrow();
    }
    tf.tidy(() => {
      const first = OURS[kind]({ units: 3 });
      build(first, [1, 2, 5]);
      randomizeWeights(first, 2);
      const copy = OURS[kind]({ units: 3, weights: first.getWeights() });
      const x = normal([2, 3, 5], 1);
      expectClose(copy.apply(x) as tf.Tensor, first.apply(x) as tf.Tensor, 0);
      copy.dispose();
    });
  });

  test('keeps no tensor, forward or backward, with dropout and a state too', () => {
    const layer = OURS[kind]({ units: 4, stateful: true, batchInputShape: [2, 3, 5], dropout: 0.3 });
    const x = normal([2, 3, 5], 1);
    build(layer, [2, 3, 5]);
    const optimizer = tf.train.adam(1e-3);
    const variables = layer.trainableWeights.map((weight) => variableOf(weight));
    const step = () => {
      optimizer.minimize(() => tf.sum(layer.apply(x, { training: true }) as tf.Tensor), false, variables);
      layer.resetStates();
      tf.dispose(layer.apply(x) as tf.Tensor);
    };
    step(); // makes the optimizer's slots and the dropout masks
    const before = tf.memory();
    for (let i = 0; i < 5; i++) step();
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numBytes).toBe(before.numBytes);
    layer.dispose();
    optimizer.dispose();
    x.dispose();
  });

  test.each(OUTPUT_NORMALIZATIONS)('refuses %s, alone and with weight', (output) => {
    for (const normalization of [output, `weight+${output}`] as const) {
      for (const make of [OURS[kind], OUR_CELLS[kind]]) {
        expect(() => make({ units: 2, normalization })).toThrow(
          `normalization is '${normalization}', and in recurrent layers the statistics of '${output}' differ at ` +
            'every time step',
        );
      }
    }
  });

  test('refuses other settings that it cannot honour, naming them', () => {
    const make = OURS[kind];
    expect(() => make({ units: 2, initialization: 'data-dependent' })).toThrow(
      /initialization is 'data-dependent', and recurrent layers start with .*: use 'norm-preserving'/,
    );
    expect(() => make({ units: 2, initialization: 'data-free' })).toThrow(/initialization is 'data-free'/);
    expect(() => make({ units: 2, epsilon: 0 })).toThrow(/epsilon is 0/);
    expect(() => make({ units: 0 })).toThrow(/units/);
    // A unit of one element is 0 when it is centred.
    const narrow = make({ units: 1, normalization: 'centered-weight' });
    expect(() => build(narrow, [1, 2, 3])).toThrow(/use 'weight', or no normalization/);
    expect(() => effectiveWeights(make({ name: 'new', units: 2 }))).toThrow(/layer "new" has no weights yet/);
  });
});

describe('models of recurrent layers', () => {
  const model = () =>
    tf.sequential({
      layers: [
        tf.layers.bidirectional({ layer: lstm({ units: 3, seed: 1, returnSequences: true }), inputShape: [5, 2] }),
        simpleRNN({
          name: 'simple',
          units: 4,
          normalization: 'scaled-weight-standardization',
          activationGain: 1.5,
          fixedGain: 2,
          epsilon: 1e-3,
          returnSequences: true,
        }),
        lstm({ name: 'lstm', units: 3, kernelRegularizer: 'l1l2', regularize: 'kernel', returnSequences: true }),
        tf.layers.rnn({ cell: [gruCell({ units: 3 }), lstmCell({ units: 2, normalization: 'none' })] }),
        dense({ name: 'out', units: 1, seed: 2 }),
      ],
    });

  function expectSameModel(actual: tf.LayersModel, expected: tf.LayersModel): void {
    expect(names(actual)).toEqual(names(expected));
    actual.weights.forEach((weight, i) => {
      expectClose(weight.read(), expected.weights[i].read(), 0);
    });
    tf.tidy(() => {
      const x = normal([4, 5, 2], 9);
      expectClose(actual.predict(x) as tf.Tensor, expected.predict(x) as tf.Tensor, 0);
    });
    const settings = (m: tf.LayersModel) => (m.getLayer('simple') as unknown as NormalizedRecurrentLayer).settings;
    expect(settings(actual)).toEqual(settings(expected));
    // JSON has null for what is undefined.
    const config = (m: tf.LayersModel) => JSON.stringify(m.getLayer('lstm').getConfig(), (_, value) => value ?? null);
    expect(config(actual)).toBe(config(expected));
  }

  test('saved to disk and loaded again have the same weights, outputs and settings, and still train', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weightnorm-'));
    try {
      const original = model();
      randomizeWeights(original, 1);
      await original.save(`file://${folder}`);
      const loaded = await tf.loadLayersModel(`file://${folder}/model.json`);
      expectSameModel(loaded, original);
      expect(loaded.getLayer('lstm')).toBeInstanceOf(NormalizedLSTM);
      loaded.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const [x, y] = [normal([8, 5, 2], 2), normal([8, 1], 3)];
      const before = loaded.getWeights().map((weight) => weight.arraySync());
      await loaded.fit(x, y, { epochs: 1, verbose: 0 });
      loaded.weights.forEach((weight, i) => {
        expect(weight.read().arraySync(), weight.originalName).not.toEqual(before[i]);
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('cloned by JSON and setWeights compute the same', async () => {
    const original = model();
    randomizeWeights(original, 1);
    const clone = await tf.models.modelFromJSON(
      original.toJSON(null, false) as object as Parameters<typeof tf.models.modelFromJSON>[0],
    );
    clone.setWeights(original.getWeights());
    expectSameModel(clone, original);
  });

  test('are summarised with their parameters', () => {
    const lines: string[] = [];
    model().summary(undefined, undefined, (...args) => lines.push(args.join(' ')));
    // kernel 4 x 12, recurrent kernel 3 x 12, bias 12, two gains of 12
    expect(lines.join('\n')).toMatch(/lstm \(NormalizedLSTM\)\s+\S+\s+\S+\s+120\b/);
  });

  test('are left as they are by dataDependentInit, which sets the layers around them', () => {
    const m = model();
    const x = normal([64, 5, 2], 4);
    const recurrent = () => m.weights.slice(0, -3).map((weight) => weight.read().arraySync());
    const before = recurrent();
    expect(dataDependentInit(m, x).layers.map(({ name }) => name)).toEqual(['out']);
    expect(recurrent()).toEqual(before);
    tf.tidy(() => {
      const { mean, variance } = tf.moments(m.predict(x) as tf.Tensor);
      expectClose(mean, 0, 1e-5);
      expectClose(variance, 1, 1e-4);
    });
  });

  test('give their effective weights to the same network of ordinary layers, wrapped ones too', () => {
    const network = (normalization: Normalization) =>
      tf.sequential({
        layers: [
          tf.layers.timeDistributed({ layer: dense({ units: 3, normalization }), inputShape: [5, 2] }),
          tf.layers.bidirectional({ layer: gru({ units: 3, normalization }) }),
        ],
      });
    for (const normalization of KERNEL_NORMALIZATIONS) {
      const [source, target] = [network(normalization), network('none')];
      randomizeWeights(source, 1);
      const before = tf.memory().numTensors;
      assignEffectiveWeights(target, source);
      expect(tf.memory().numTensors).toBe(before);
      tf.tidy(() => {
        const x = normal([4, 5, 2], 9);
        expectClose(target.predict(x) as tf.Tensor, source.predict(x) as tf.Tensor, 1e-5);
      });
      expect(() => assignEffectiveWeights(source, target)).toThrow(/of the target has normalization/);
      source.dispose();
      target.dispose();
    }
  });
});
