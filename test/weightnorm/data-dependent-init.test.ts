import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  conv2d,
  dataDependentInit,
  dense,
  effectiveBias,
  effectiveKernel,
  isNormalizedLayer,
  type Normalization,
  type NormalizedLayer,
} from '../../src/weightnorm/index.ts';
import { expectClose, normal, variableOf } from './support.ts';

const NORMALIZED = ['weight', 'mean-only-batch', 'weight+mean-only-batch'] as const;

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

  test('in random dense and convolution layers, with initScale', () => {
    const layers = fc.record({
      kind: fc.constantFrom('dense', 'conv2d'),
      normalization: fc.constantFrom<Normalization>(...NORMALIZED),
      units: fc.integer({ min: 1, max: 5 }),
      batch: fc.integer({ min: 4, max: 9 }),
      channels: fc.integer({ min: 1, max: 4 }),
      initScale: fc.constantFrom(0.1, 1, 3),
      seed: fc.integer({ min: 1, max: 1e6 }),
    });
    fc.assert(
      fc.property(layers, ({ kind, units, batch, channels, initScale, ...args }) =>
        tf.tidy(() => {
          const inputShape = kind === 'dense' ? [channels] : [4, 5, channels];
          const layer =
            kind === 'dense'
              ? dense({ units, inputShape, ...args })
              : conv2d({ filters: units, kernelSize: [2, 3], padding: 'same', inputShape, ...args });
          const model = tf.sequential({ layers: [layer] });
          const x = normal([batch, ...inputShape], args.seed)
            .mul(5)
            .add(3);
          dataDependentInit(model, x, { initScale });
          // A batch of 4 tells the population std from the unbiased one: sqrt(3/4) apart.
          expectStandardized(model.predict(x) as tf.Tensor, initScale, 5e-4);
        }),
      ),
      { numRuns: 25, seed: 20260101 },
    );
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

  test('a layer without a bias keeps the mean of its data', () => {
    tf.tidy(() => {
      const model = tf.sequential({ layers: [dense({ units: 3, inputShape: [4], useBias: false, seed: 1 })] });
      const x = normal([32, 4], 1).add(2);
      dataDependentInit(model, x);
      const y = model.predict(x) as tf.Tensor;
      expectStandardized(y.sub(y.mean(0)));
      expect(y.mean(0).abs().max().dataSync()[0]).toBeGreaterThan(0.1);
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

  test('are all of them when the batch repeats one example, whatever the rounding', () => {
    tf.tidy(() => {
      const model = natureNet('weight');
      const x = tf.randomUniform([1, 84, 84, 4], 0, 255, 'float32', 1).tile([5, 1, 1, 1]);
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
