import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import {
  conv2d,
  dataDependentInit,
  dense,
  effectiveBias,
  effectiveKernel,
  embedding,
  isNormalizedLayer,
  NORMALIZATIONS,
  type Normalization,
  type NormalizedLayer,
  separableConv2d,
} from '../../src/weightnorm/index.ts';
import { expectClose, inputOf, LAYERS, type LayerCase, normal, ours, titleOf, variableOf } from './support.ts';

const NORMALIZED = ['weight', 'mean-only-batch', 'weight+mean-only-batch'] as const;

const layersWithPreActivations = LAYERS.filter(({ kind }) => kind !== 'embedding').map((layer) => ({
  title: titleOf(layer),
  layer,
}));

/** A model of one layer, and a batch whose mean is not 0. */
function modelOf(layerCase: LayerCase, args: object): [tf.Sequential, tf.Tensor] {
  const layer = ours(layerCase, { ...args, inputShape: layerCase.inputShape, seed: 1 });
  return [tf.sequential({ layers: [layer] }), inputOf(layerCase, 8, 2).mul(5).add(3)];
}

/** The largest distance of a unit's mean from 0, and of its population std from `std`, over batch and positions. */
function expectStandardized(t: tf.Tensor, std = 1, tolerance = 1e-4): void {
  const { mean, variance } = tf.moments(t, [...t.shape.keys()].slice(0, -1));
  expect(mean.abs().max().dataSync()[0]).toBeLessThan(tolerance * std);
  expect(variance.sqrt().sub(std).abs().max().dataSync()[0]).toBeLessThan(tolerance * std);
}

const layersOf = (model: tf.LayersModel) => model.layers.filter(isNormalizedLayer);

/** Nature DQN's layers, with fewer units. */
function natureNet(normalization: Normalization, seed = 1): tf.Sequential {
  const conv = (filters: number, kernelSize: number, strides: number) =>
    conv2d({ filters, kernelSize, strides, activation: 'relu', normalization, seed: seed + kernelSize });
  return tf.sequential({
    layers: [
      tf.layers.inputLayer({ inputShape: [84, 84, 4] }),
      tf.layers.rescaling({ scale: 1 / 255 }),
      conv(8, 8, 4),
      conv(16, 4, 2),
      conv(16, 3, 1),
      tf.layers.flatten(), // [batch, 784]
      dense({ units: 32, activation: 'relu', normalization, seed }),
      dense({ units: 9, normalization, seed: seed + 1 }),
    ],
  });
}

describe('dataDependentInit gives each pre-activation mean 0 and population std 1', () => {
  test.each(NORMALIZED)('in a stack of the Nature DQN shape (%s), fed with pixels as integers', (normalization) => {
    tf.tidy(() => {
      const model = natureNet(normalization);
      const batch = tf.randomUniform([8, 84, 84, 4], 0, 255, 'int32', 3);
      const { layers, warnings } = dataDependentInit(model, batch);
      expect(layers.map(({ units }) => units)).toEqual([8, 16, 16, 32, 9]);
      expect(layers.map(({ name }) => name)).toEqual(layersOf(model).map(({ name }) => name));
      expect(warnings).toEqual([]);

      // The same net from plain ops and the layers' effective weights.
      let h: tf.Tensor = batch.toFloat().div(255);
      for (const [i, layer] of layersOf(model).entries()) {
        const w = effectiveKernel(layer);
        const t =
          i < 3
            ? tf.conv2d(h as tf.Tensor4D, w as tf.Tensor4D, [4, 2, 1][i], 'valid')
            : tf.matMul(h.reshape([8, -1]), w);
        const preActivation = t.add(effectiveBias(layer));
        expectStandardized(preActivation);
        h = i < 4 ? preActivation.relu() : preActivation;
      }
      expectClose(model.predict(batch) as tf.Tensor, h, 1e-4);
      expectStandardized(h);
    });
  });

  const initScale = 0.5;
  const settings = [
    ...NORMALIZATIONS.slice(1).map((normalization) => ({ normalization })),
    { normalization: 'weight', fixedGain: 3 },
    { normalization: 'centered-weight+mean-only-batch', fixedGain: 3 },
    { normalization: 'scaled-weight-standardization+group', fixedGain: 3, groups: 3 },
    { normalization: 'scaled-weight-standardization', activationGain: 2 },
  ];
  /** Whether nothing in the layer takes a scale. */
  const hasFixedStd = ({ normalization, fixedGain }: { normalization: string; fixedGain?: number }) =>
    (fixedGain !== undefined || normalization.startsWith('weight-standardization')) &&
    !/\+(batch|layer|group)/.test(normalization);

  describe.each(layersWithPreActivations)('in $title', ({ layer }) => {
    test.each(settings.filter((args) => !hasFixedStd(args)))('(%o), with initScale', (args) => {
      tf.tidy(() => {
        const [model, x] = modelOf(layer, args);
        expect(dataDependentInit(model, x, { initScale }).warnings).toEqual([]);
        expectStandardized(model.predict(x) as tf.Tensor, initScale, 5e-4);
      });
    });

    test.each(settings.filter(hasFixedStd))('(%o), where the std stays and the mean goes', (args) => {
      tf.tidy(() => {
        const [model, x] = modelOf(layer, args);
        const before = model.predict(x) as tf.Tensor;
        dataDependentInit(model, x, { initScale });
        const mean = before.mean([...before.shape.keys()].slice(0, -1));
        expectClose(model.predict(x) as tf.Tensor, before.sub(mean), 1e-5);
      });
    });

    test('without a bias, where the mean stays unless a running one takes it', () => {
      tf.tidy(() => {
        for (const normalization of NORMALIZATIONS.slice(1)) {
          const [model, x] = modelOf(layer, { normalization, useBias: false });
          dataDependentInit(model, x);
          const y = model.predict(x) as tf.Tensor;
          const { mean, variance } = tf.moments(y, [...y.shape.keys()].slice(0, -1));
          if (!hasFixedStd({ normalization })) expectClose(variance.sqrt(), tf.onesLike(variance), 5e-4);
          const largest = mean.abs().max().dataSync()[0];
          if (/batch/.test(normalization)) expect(largest, normalization).toBeLessThan(1e-4);
          else expect(largest, normalization).toBeGreaterThan(1e-3);
        }
      });
    });
  });

  test('setting g = 1/std[t] and b = -mean[t]/std[t] with t = v.x/||v||, v untouched', () => {
    tf.tidy(() => {
      const layer = dense({ units: 2, inputShape: [2], seed: 1 });
      const model = tf.sequential({ layers: [layer] });
      layer.setWeights([
        tf.tensor2d([
          [3, 0],
          [4, 2],
        ]),
        tf.zeros([2]),
        tf.ones([2]),
      ]);
      dataDependentInit(
        model,
        tf.tensor2d([
          [1, 0],
          [0, 1],
          [2, 2],
          [5, 1],
        ]),
      );
      // t = [0.6 x0 + 0.8 x1, x1] = [0.6, 0.8, 2.8, 3.8], [0, 1, 2, 1]: means 2 and 1, variances 1.82 and 0.5
      expectClose(layer.gain!.read(), [1 / Math.sqrt(1.82), Math.SQRT2], 1e-6);
      expectClose(layer.bias!.read(), [-2 / Math.sqrt(1.82), -Math.SQRT2], 1e-6);
      expectClose(
        layer.kernel!.read(),
        [
          [3, 0],
          [4, 2],
        ],
        0,
      );
    });
  });

  test('through ordinary layers, branches, a residual sum, a shared layer and a nested model', () => {
    tf.tidy(() => {
      const input = tf.input({ shape: [6, 6, 2] });
      const apply = (layer: tf.layers.Layer, ...x: tf.SymbolicTensor[]) =>
        layer.apply(x.length === 1 ? x[0] : x) as tf.SymbolicTensor;
      const names = ['stem', 'left', 'shared', 'inner', 'out'];
      const make = (name: string) =>
        conv2d({ name, filters: 3, kernelSize: 3, padding: 'same', seed: names.indexOf(name) + 1 });
      const stem = apply(tf.layers.activation({ activation: 'relu' }), apply(make('stem'), input));
      const left = apply(tf.layers.maxPooling2d({ poolSize: 2 }), apply(make('left'), stem));
      const shared = make('shared');
      const residual = apply(tf.layers.add(), apply(shared, left), apply(shared, left));
      const nested = tf.sequential({ layers: [tf.layers.inputLayer({ inputShape: [3, 3, 3] }), make('inner')] });
      const plain = dense({ name: 'plain', units: 2, normalization: 'none', seed: 8 });
      const flat = apply(tf.layers.flatten(), apply(nested, residual));
      const out = apply(
        dense({ name: 'out', units: 4, seed: 9 }),
        apply(plain, apply(tf.layers.dropout({ rate: 0.5 }), flat)),
      );
      const model = tf.model({ inputs: input, outputs: [out, apply(nested, residual), left] });

      const plainBefore = plain.getWeights().map((weight) => weight.clone());
      const x = normal([16, 6, 6, 2], 4);
      const { layers, warnings } = dataDependentInit(model, x);
      expect(layers.map(({ name }) => name).sort()).toEqual([...names].sort());
      expect(warnings).toEqual([]);
      const [y, inner] = model.predict(x) as tf.Tensor[];
      expectStandardized(y);
      expectStandardized(inner);
      plain.getWeights().forEach((weight, i) => {
        expectClose(weight, plainBefore[i], 0);
      });
    });
  });

  test('the same seed and batch give the same weights', () => {
    tf.tidy(() => {
      const x = tf.randomUniform([4, 84, 84, 4], 0, 255, 'float32', 2);
      const [first, second] = [natureNet('weight'), natureNet('weight')];
      dataDependentInit(first, x);
      dataDependentInit(second, x);
      first.getWeights().forEach((weight, i) => {
        expectClose(weight, second.getWeights()[i], 1e-6);
      });
    });
  });
});

describe('units that do not vary over the batch', () => {
  test('are named, and get the scale of std 1 and mean 0', () => {
    tf.tidy(() => {
      const layer = dense({ name: 'first', units: 3, inputShape: [2], seed: 1 });
      const model = tf.sequential({ layers: [layer] });
      // Unit 1 sees only the constant feature, unit 2 nothing.
      layer.setWeights([
        tf.tensor2d([
          [1, 0, 0],
          [1, 0.5, 0],
        ]),
        tf.zeros([3]),
        tf.ones([3]),
      ]);
      const x = tf.concat([normal([8, 1], 1), tf.fill([8, 1], 0.3)], 1);
      const { layers, warnings } = dataDependentInit(model, x, { initScale: 2 });
      expect(layers).toEqual([{ name: 'first', units: 3, zeroVarianceUnits: [1, 2] }]);
      expect(warnings.length).toBe(1);
      expect(warnings[0]).toMatch(/layer "first": 2 of 3 units do not vary over the batch \(1, 2\)/);
      expectClose(layer.gain!.read().slice(1), [2, 2], 0);
      const y = model.predict(x) as tf.Tensor2D;
      expectClose(y.slice([0, 1]), tf.zeros([8, 2]), 1e-6);
      expectStandardized(y.slice([0, 0], [8, 1]), 2);
    });
  });

  test.each(['weight', 'mean-only-batch', 'batch', 'weight+batch'] as const)(
    'are named (%s) where v = 0, and no others, whatever the size of the pre-activations',
    (normalization) => {
      tf.tidy(() => {
        for (const size of [1e-3, 1, 1e6]) {
          const layer = dense({ units: 3, inputShape: [4], normalization, seed: 1 });
          const model = tf.sequential({ layers: [layer] });
          const kernel = variableOf(layer.kernel);
          kernel.assign(kernel.mul([1, 0, 1]));
          const x = normal([16, 4], 1).add(1).mul(size);
          expect(dataDependentInit(model, x).layers[0].zeroVarianceUnits).toEqual([1]);
          const { mean, variance } = tf.moments(model.predict(x) as tf.Tensor, 0);
          expectClose(mean, [0, 0, 0], 1e-4);
          expectClose(variance, [1, 0, 1], 1e-3);
        }
      });
    },
  );

  test.each([
    ['as the processor rounds', 0],
    ['with a rounding of each example', 1e-7],
  ])('are all of them when the batch repeats one example, %s', (_, rounding) => {
    tf.tidy(() => {
      const model = natureNet('weight');
      const same = tf.randomUniform([1, 84, 84, 4], 0, 255, 'float32', 1).tile([5, 1, 1, 1]);
      const x = same.mul(normal([5, 84, 84, 4], 2).mul(rounding).add(1));
      const { layers, warnings } = dataDependentInit(model, x);
      // Convolutions still vary over positions; the dense layers see the same features each time.
      expect(layers.map(({ zeroVarianceUnits }) => zeroVarianceUnits.length)).toEqual([0, 0, 0, 32, 9]);
      expect(warnings[0]).toMatch(/32 of 32 units .*\(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, \.\.\.\)/);
      expect(tf.all(tf.isFinite(model.predict(x) as tf.Tensor)).dataSync()[0]).toBe(1);
    });
  });
});

describe('refusals, which leave the weights alone', () => {
  const model = () =>
    tf.sequential({
      layers: [dense({ name: 'a', units: 3, inputShape: [4], seed: 1 }), dense({ name: 'b', units: 2, seed: 2 })],
    });

  test('a second run, unless forced; forced, it gives what the first gave on that batch', () => {
    tf.tidy(() => {
      const [net, once] = [model(), model()];
      const [x, other] = [normal([8, 4], 1), normal([8, 4], 2)];
      dataDependentInit(net, x);
      const weights = net.getWeights().map((weight) => weight.clone());
      expect(() => dataDependentInit(net, other)).toThrow(/layer "a" was already initialised from data.*force: true/);
      net.getWeights().forEach((weight, i) => {
        expectClose(weight, weights[i], 0);
      });
      dataDependentInit(net, other, { force: true });
      dataDependentInit(once, other);
      net.getWeights().forEach((weight, i) => {
        expectClose(weight, once.getWeights()[i], 1e-6);
      });
    });
  });

  test('a batch that is empty, not finite or of the wrong shape, and an impossible initScale', () => {
    tf.tidy(() => {
      const net = model();
      const weights = net.getWeights().map((weight) => weight.clone());
      const x = normal([8, 4], 1);
      expect(() => dataDependentInit(net, tf.zeros([0, 4]))).toThrow(/batch is empty \(shape \[0,4\]\)/);
      expect(() => dataDependentInit(net, x.div(tf.zeros([8, 4])))).toThrow(/values that are not finite/);
      expect(() => dataDependentInit(net, normal([8, 5], 1))).toThrow(/8,5/);
      for (const initScale of [0, -1, Number.NaN]) {
        expect(() => dataDependentInit(net, x, { initScale })).toThrow(/initScale is/);
      }
      net.predict(x); // no hook is left behind to initialise now
      net.getWeights().forEach((weight, i) => {
        expectClose(weight, weights[i], 0);
      });
      expect((net.getLayer('a') as NormalizedLayer).dataInitialized).toBe(false);
    });
  });

  test('a model without normalised layers has nothing to initialise', () => {
    const net = tf.sequential({ layers: [dense({ units: 2, inputShape: [3], normalization: 'none' })] });
    expect(tf.tidy(() => dataDependentInit(net, tf.ones([2, 3])))).toEqual({ layers: [], warnings: [] });
    net.dispose();
  });
});

describe("initialization 'data-dependent'", () => {
  test('refuses training before dataDependentInit, by name, and allows inference', async () => {
    const model = tf.sequential({
      layers: [dense({ name: 'first', units: 2, inputShape: [3], initialization: 'data-dependent', seed: 1 })],
    });
    const [x, y] = [normal([8, 3], 1), normal([8, 2], 2)];
    const before = tf.memory().numTensors;
    const message =
      /layer "first" has initialization 'data-dependent' and is trained before .* dataDependentInit\(model, batch\)/;
    expect(() => model.apply(x, { training: true })).toThrow(message);
    tf.dispose(model.predict(x));
    expect(tf.memory().numTensors).toBe(before);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    await expect(model.fit(x, y, { epochs: 1, verbose: 0 })).rejects.toThrow(message);
    dataDependentInit(model, x);
    const { history } = await model.fit(x, y, { epochs: 1, verbose: 0 });
    expect(history.loss[0]).toBeGreaterThan(0);
  });

  test('means nothing to a plain layer', () => {
    tf.tidy(() => {
      const layer = dense({ units: 2, normalization: 'none', initialization: 'data-dependent' });
      expect((layer.apply(tf.ones([1, 3]), { training: true }) as tf.Tensor).shape).toEqual([1, 2]);
    });
  });
});

test('embeddings, data-free and plain layers are left alone, and what follows them is set', () => {
  tf.tidy(() => {
    const layers = {
      table: embedding({ inputDim: 9, outputDim: 4, inputLength: 3, normalization: 'weight+mean-only-batch', seed: 1 }),
      free: dense({ units: 4, initialization: 'data-free', seed: 2 }),
      none: dense({ units: 4, normalization: 'none', seed: 3 }),
      last: dense({ name: 'last', units: 5, seed: 4 }),
    };
    const model = tf.sequential({ layers: Object.values(layers) });
    const before = model.getWeights().map((weight) => weight.clone());
    const tokens = tf.randomUniform([16, 3], 0, 9, 'int32', 5);
    expect(dataDependentInit(model, tokens).layers.map(({ name }) => name)).toEqual(['last']);
    const untouched = model.weights.length - layers.last.weights.length;
    model
      .getWeights()
      .slice(0, untouched)
      .forEach((weight, i) => {
        expectClose(weight, before[i], 0);
      });
    expectStandardized(model.predict(tokens) as tf.Tensor);
  });
});

describe("initialization 'data-free'", () => {
  test.each(layersWithPreActivations)(
    'in $title gives orthogonal directions and g = sqrt(factor fanIn / fanOut)',
    ({ layer }) => {
      tf.tidy(() => {
        const [model] = modelOf(layer, { initialization: 'data-free', dataFreeFactor: 3 });
        const { kernels, bias } = model.layers[0] as NormalizedLayer;
        expectClose(bias!.read(), tf.zeros([6]), 0);
        for (const [i, { variable, unitAxes, gain, name }] of kernels.entries()) {
          const shape = variable.shape as number[];
          const reduced = shape.map((_, axis) => axis).filter((axis) => !unitAxes.includes(axis));
          const size = (axes: readonly number[]) => axes.reduce((product, axis) => product * shape[axis], 1);
          const [units, fanIn] = [size(unitAxes), size(reduced)];
          const rows = tf.transpose(variable.read(), [...unitAxes, ...reduced]).reshape([units, fanIn]);
          for (let start = 0; start < units; start += fanIn) {
            const block = rows.slice([start, 0], [Math.min(fanIn, units - start), fanIn]);
            expectClose(block.matMul(block, false, true), tf.eye(block.shape[0]), 1e-6);
          }
          // Each input channel feeds the whole kernel but for its own axis.
          const channels = { dense: 0, conv1d: 1, conv2d: 2, conv3d: 3, conv2dTranspose: 3 }[layer.kind as string] ?? 2;
          const fanOut = (units * fanIn) / shape[channels];
          const factor = i === kernels.length - 1 ? 3 : 1; // no activation between a separable convolution's kernels
          const g = (gain as tf.LayerVariable).read();
          expectClose(g, tf.fill([units], Math.sqrt((factor * fanIn) / fanOut)), 1e-6);
          expect(name).toMatch(/kernel/);
        }
      });
    },
  );

  test('gives the same weights for the same seed, and refuses directions that are the same', () => {
    tf.tidy(() => {
      const kernel = (args: object) => {
        const layer = dense({ units: 4, initialization: 'data-free', ...args });
        layer.apply(tf.ones([1, 6]));
        return layer.kernel!.read();
      };
      expectClose(kernel({ seed: 1 }), kernel({ seed: 1 }), 0);
      expect(
        kernel({ seed: 1 })
          .sub(kernel({ seed: 2 }))
          .abs()
          .max()
          .dataSync()[0],
      ).toBeGreaterThan(0.1);
      expect(() => kernel({ kernelInitializer: 'ones' })).toThrow(
        /data-free initialisation: units start in the same direction; use a random kernel initializer/,
      );
    });
  });

  /**
   * Least and largest mean square after any of 10 layers. Convolutions lose some at the padded edges, separable ones
   * twice.
   */
  const deep: [string, number[], [number, number], (args: object) => tf.layers.Layer][] = [
    ['dense layers of 64 units', [64], [0.5, 2], (args) => dense({ units: 64, ...args })],
    [
      'convolutions of 16 channels',
      [16, 16, 16],
      [0.3, 2],
      (args) => conv2d({ filters: 16, kernelSize: 3, padding: 'same', ...args }),
    ],
    [
      'separable convolutions of 16 channels',
      [16, 16, 16],
      [0.1, 2],
      (args) => separableConv2d({ filters: 16, kernelSize: 3, padding: 'same', ...args }),
    ],
  ];
  test.each(deep)('keeps the mean square of activations through 10 %s', (_, inputShape, [least, largest], make) => {
    tf.tidy(() => {
      const meanSquares = (dataFreeFactor: number) => {
        let h: tf.Tensor = normal([32, ...inputShape], 1);
        return Array.from({ length: 10 }, (_, i) => {
          h = make({ activation: 'relu', initialization: 'data-free', dataFreeFactor, seed: i + 1 }).apply(
            h,
          ) as tf.Tensor;
          return h.square().mean().dataSync()[0];
        });
      };
      const kept = meanSquares(2);
      expect(Math.min(...kept)).toBeGreaterThan(least);
      expect(Math.max(...kept)).toBeLessThan(largest);
      // Without the factor for ReLU, half is lost in each.
      expect(meanSquares(1).at(-1)! / kept.at(-1)!).toBeCloseTo(2 ** -10, 6);
    });
  });
});

test('dataDependentInit keeps no tensor', () => {
  const net = natureNet('weight+mean-only-batch');
  const x = tf.ones([2, 84, 84, 4]);
  const before = tf.memory().numTensors;
  dataDependentInit(net, x);
  expect(() => dataDependentInit(net, x)).toThrow();
  expect(tf.memory().numTensors).toBe(before);
  const gain = variableOf(layersOf(net)[0].gain);
  expect(gain.shape).toEqual([8]);
  net.dispose();
  x.dispose();
});
