import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import {
  bitsPerDimension,
  createVaeStack,
  initializeVaeStack,
  type VaeStack,
  type VaeStackOptions,
  vaeStackBound,
  vaeStackImportanceBound,
  vaeStackNoiseShapes,
  vaeStackReconstruct,
  vaeStackSample,
} from '../../src/networks/index.ts';
import { discretizedLogistic } from '../../src/networks/vae/likelihood.ts';
import { applyMapsFlow, createMapsFlow } from '../../src/networks/vae/stack/flow.ts';
import { expectAgreement, expectClose, type Nested, normal } from '../weightnorm/support.ts';
import { arrays } from './support.ts';
import {
  countOf,
  expectApproach,
  expectSameUpdates,
  expectSeeded,
  expectTrueBound,
  logJacobian,
  parameterOf,
  randomize,
} from './vae-support.ts';

const TINY = { height: 8, width: 4, channels: 1, maps: 2, latentMaps: 2, levels: [1, 1] };

function randomStack(options: Partial<VaeStackOptions>, seed: number): VaeStack {
  const network = createVaeStack({ ...TINY, normalization: 'weight', seed, ...options });
  randomize(network, seed);
  return network;
}

function imagesFor({ sizes: { height, width, channels } }: VaeStack, batch: number, seed: number): tf.Tensor4D {
  return tf.tidy(
    () => normal([batch, height, width, channels], seed, 60).add(128).clipByValue(0, 255).round() as tf.Tensor4D,
  );
}

function noiseFor(network: VaeStack, batch: number, seed: number): Record<string, tf.Tensor4D> {
  const shapes = Object.entries(vaeStackNoiseShapes(network, batch));
  return Object.fromEntries(shapes.map(([name, shape], i) => [name, normal(shape, seed + i) as tf.Tensor4D]));
}

/** Levels as means of the discretised logistic. */
function unitOf(levels: tf.Tensor4D): tf.Tensor4D {
  return levels.add(0.5).div(256).sub(0.5);
}

describe('the bound agrees with its float64 definition, value and gradient of every parameter:', () => {
  test.each<[string, Partial<VaeStackOptions>, number | undefined]>([
    ['weight norm, flow', {}, undefined],
    [
      'no normalization, no flow, two layers in the first level, free bits',
      { normalization: 'none', flow: false, levels: [2, 1], channels: 2 },
      6,
    ],
  ])('%s', (_, options, freeBits) => {
    const network = randomStack(options, 10);
    const { levels, maps, latentMaps } = network.sizes;
    tf.tidy(() => {
      const images = imagesFor(network, 2, 1);
      const noise = noiseFor(network, 2, 60);
      const settings = freeBits === undefined ? {} : { freeBits };
      expectTrueBound(network, () => vaeStackBound(network, { images, noise }, settings), {
        oracle: './vae_stack_oracle.py',
        question: {
          ...{ levels, maps, latentMaps, resamples: ['level1_layer0'], flow: options.flow ?? true, ...settings },
          ...{ images: images.arraySync(), noise: arrays(noise) },
        },
        ...{ tolerance: 3e-5, free: freeBits && latentMaps * network.layers.length * freeBits },
      });
    });
    network.dispose();
  });
});

describe('the flow', () => {
  const options = {
    ...{ name: 'flow', latentMaps: 3, hiddenMaps: 5 },
    ...{ normalization: 'weight' as const, kernelStd: 0.05, seed: 1 },
  };
  const [height, width] = [3, 4];
  const size = height * width * 3;
  /** One row for each element of z: z with this element moved. */
  const moved = (z: tf.Tensor4D, by: number) =>
    z.add<tf.Tensor4D>(tf.eye(size).mul(by).reshape([size, height, width, 3]));
  const contextFor = (batch: number) => normal([1, height, width, 5], 2).tile<tf.Tensor4D>([batch, 1, 1, 1]);

  test('has m and s that depend on elements before in raster order, and on no other', () => {
    const flow = createMapsFlow(options);
    randomize(flow, 50);
    tf.tidy(() => {
      const z = normal([1, height, width, 3], 1) as tf.Tensor4D;
      const places = Array.from({ length: size }, (_, i) => ({
        ...{ row: Math.floor(i / (3 * width)), column: Math.floor(i / 3) % width, map: i % 3 },
      }));
      // Three 3x3 layers: in the row up to three pixels to the left; from each row above one more pixel to the right.
      const sees = places.map((from) =>
        places.map((to) => {
          const [up, left] = [to.row - from.row, to.column - from.column];
          if (up === 0 && left === 0) return from.map < to.map;
          return up >= 0 && (up === 0 ? left > 0 : left >= -up);
        }),
      );
      // Unmoved in a batch of the same size: in another one TensorFlow may sum in another order. Moved to both sides
      // and by more than one width, since an ELU hides moves, so that whatever is seen changes by far more than
      // rounding does.
      const of = (by: number) => flow.network(moved(z, by), contextFor(size));
      const [at, ...others] = [0, -10, -3, 3, 10, 30].map(of);
      for (const name of ['m', 's'] as const) {
        const changes = others
          .map((other) => other[name].sub(at[name]).abs())
          .reduce((a, b) => a.maximum(b))
          .reshape([size, size])
          .arraySync() as number[][];
        const [seen, unseen] = [true, false].map((kind) =>
          changes.flatMap((row, i) => row.filter((_, j) => sees[i][j] === kind)),
        );
        expect(Math.min(...seen), name).toBeGreaterThan(1e-5);
        expect(Math.max(...unseen), name).toBeLessThan(1e-6);
      }
    });
    flow.dispose();
  });

  test('has log |det| of its Jacobian, by finite differences', () => {
    const flow = createMapsFlow(options);
    randomize(flow, 50);
    tf.tidy(() => {
      flow.variables.forEach(({ name, variable }) => {
        if (name === 'flow_output/gain') variable.assign(variable.mul(4));
      });
      const z = normal([1, height, width, 3], 3) as tf.Tensor4D;
      const expected = applyMapsFlow(flow, z, contextFor(1)).logScale.sum().dataSync()[0];
      expect(Math.abs(expected)).toBeGreaterThan(1);
      const logDeterminant = logJacobian((by) => applyMapsFlow(flow, moved(z, by), contextFor(size)).z);
      expect(Math.abs(logDeterminant - expected)).toBeLessThan(0.01);
    });
    flow.dispose();
  });

  test('starts with g as the length of the weights in use, and gives those not in use no gradient', () => {
    const flow = createMapsFlow(options);
    tf.tidy(() => {
      const [v, g] = ['kernel', 'gain'].map((name) => parameterOf(flow, `flow_hidden0/${name}`));
      const [z, context] = [normal([8, height, width, 3], 5) as tf.Tensor4D, contextFor(8)];
      const { grads } = tf.variableGrads(() => applyMapsFlow(flow, z, context).z.square().sum(), [v]);
      const inUse = grads[v.name].notEqual(0).toFloat();
      // Four pixels before; in the middle, hidden maps of degrees 0, 0, 1, 1, 2 see 1, 1, 2, 2, 3 maps of z.
      expectClose(inUse.sum([2, 3]).reshape([9]), [15, 15, 15, 15, 9, 0, 0, 0, 0], 0);
      expectAgreement(g, v.mul(inUse).square().sum([0, 1, 2]).sqrt().arraySync() as Nested, 'g', 1e-6);
    });
    flow.dispose();
  });
});

describe('with two layers of one unit each, where log p(image) is an integral over a plane', () => {
  const SIZES = { height: 2, width: 2, channels: 1, maps: 2, latentMaps: 1, levels: [2] };
  /** Points that smooth functions which vanish at the edges are summed over. */
  const LINE = Array.from({ length: 81 }, (_, i) => -6 + 0.15 * i);
  const PLANE = LINE.flatMap((x) => LINE.map((y) => [x, y]));
  const DENSITY = PLANE.map(([x, y]) => Math.exp(-(x ** 2 + y ** 2) / 2) / (2 * Math.PI));
  const mean = (f: (i: number) => number) => DENSITY.reduce((sum, density, i) => sum + density * f(i) * 0.15 ** 2, 0);
  const IMAGES = [
    [100, 150, 128, 120],
    [170, 90, 60, 140],
    [128, 128, 128, 128],
  ];

  /** The plane as noise: every point for each of `count` images. */
  const planeNoise = (count: number) =>
    Object.fromEntries(
      [0, 1].map((k) => {
        const axis = tf.tensor(PLANE.map((point) => point[k])).reshape([PLANE.length, 1, 1, 1]);
        return [`level0_layer${k}`, axis.tile<tf.Tensor4D>([count, 1, 1, 1])] as const;
      }),
    );
  const planeImages = () =>
    tf.tensor(IMAGES).expandDims(1).tile([1, PLANE.length, 1]).reshape<tf.Tensor4D>([-1, 2, 2, 1]);

  function strongStack(flow: boolean): VaeStack {
    const network = randomStack({ ...SIZES, flow }, 70);
    tf.tidy(() => {
      for (const { name, variable } of network.variables) {
        if (name === 'log_scale') variable.assign(tf.scalar(-2.5));
        if (name.startsWith('output') || name.endsWith('bias')) variable.assign(variable.mul(0.3));
        // Residuals are scaled by 0.1.
        if (name.endsWith('down_output/gain')) variable.assign(variable.mul(12));
        if (name.endsWith('flow_output/gain')) variable.assign(variable.mul(4));
      }
    });
    return network;
  }

  /** log of the integral of p(z) p(image | z), from what the network samples. */
  function logMarginals(network: VaeStack): number[] {
    return tf.tidy(() => {
      const middles = vaeStackSample(network, { noise: planeNoise(1) });
      expect(middles.min().dataSync()[0]).toBeGreaterThan(0); // none is clipped
      expect(middles.max().dataSync()[0]).toBeLessThan(255);
      return IMAGES.map((image) => {
        const images = tf.tensor(image).reshape([1, 2, 2, 1]).tile<tf.Tensor4D>([PLANE.length, 1, 1, 1]);
        const logP = discretizedLogistic(images, unitOf(middles), network.logScale).dataSync();
        return Math.log(mean((i) => Math.exp(logP[i])));
      });
    });
  }

  test.each([false, true])(
    'p(image, z)/q(z | image) has the mean p(image), and the bound the mean of its log, below log p(image) (flow: %s)',
    (flow) => {
      const network = strongStack(flow);
      const marginals = logMarginals(network);
      tf.tidy(() => {
        const [images, noise] = [planeImages(), planeNoise(IMAGES.length)];
        const { bound } = vaeStackBound(network, { images, noise });
        const oneSample = Object.fromEntries(
          Object.entries(noise).map(([name, t]) => [name, t.expandDims(0) as tf.Tensor5D]),
        );
        const logWeights = vaeStackImportanceBound(network, { images, noise: oneSample });
        if (flow) expectClose(bound, logWeights, 1e-5);
        const [bounds, weights] = [bound.dataSync(), logWeights.dataSync()];
        marginals.forEach((marginal, k) => {
          const at = (values: ArrayLike<number>, i: number) => values[k * PLANE.length + i];
          const ratio = mean((i) => Math.exp(at(weights, i) - marginal));
          expect(Math.abs(ratio - 1)).toBeLessThan(2e-4);
          const [meanBound, meanLogWeight] = [bounds, weights].map((v) => mean((i) => at(v, i)));
          expect(Math.abs(meanBound - meanLogWeight)).toBeLessThan(1e-4); // divergences are those of the samples
          expect(marginal - meanBound).toBeGreaterThan(0.01);
        });
      });
      network.dispose();
    },
  );

  test.each([false, true])('the importance-weighted bound approaches log p(image) from below (flow: %s)', (flow) => {
    const network = strongStack(flow);
    const marginals = logMarginals(network);
    tf.tidy(() => {
      const meanGap = (samples: number, repeats: number) => {
        const images = tf.tensor(IMAGES).tile([repeats, 1]).reshape<tf.Tensor4D>([-1, 2, 2, 1]);
        const noise = Object.fromEntries(
          [0, 1].map((k) => [`level0_layer${k}`, normal([samples, 3 * repeats, 1, 1, 1], 5 + k) as tf.Tensor5D]),
        );
        const bounds = vaeStackImportanceBound(network, { images, noise }).reshape([repeats, 3]).mean(0);
        return tf.sub(marginals, bounds).mean().dataSync()[0];
      };
      expectApproach(meanGap, 6000);
    });
    network.dispose();
  });
});

test('ten Adamax updates change the parameters in the same way compiled and op by op, and keep no tensor', () => {
  expectSameUpdates({
    create: () => randomStack({}, 20),
    inputs: (network, update) => ({ images: imagesFor(network, 4, 1), ...noiseFor(network, 4, 30 + 2 * update) }),
    objective(network, inputs) {
      const { images, ...noise } = inputs as Record<string, tf.Tensor4D>;
      return vaeStackBound(network, { images, noise }, { freeBits: 0.25 }).objective;
    },
  });
});

test('the full network has the shapes and the parameters of its table', () => {
  // A kernel, and a bias and a gain for each output.
  const conv = (from: number, to: number, area = 9) => (area * from + 2) * to;
  const [h, z] = [64, 32];
  const flow = conv(z, h) + conv(h, h) + conv(h, 2 * z);
  const up = conv(h, 2 * z + 2 * h) + conv(h, h);
  const down = conv(h, 4 * z + 2 * h) + conv(z + h, h);
  const expected = conv(3, h, 25) + 4 * (up + down + flow) - conv(h, h) + conv(h, 3, 25) + h + 1;
  const network = createVaeStack({ normalization: 'weight', seed: 1 });
  expect(countOf(network)).toBe(expected);
  expect(countOf(network)).toBe(1_748_423);
  expect(new Set(network.variables.map(({ name }) => name)).size).toBe(network.variables.length);

  expect(network.layers.map(({ name, height, width, resamples }) => [name, height, width, resamples])).toEqual([
    ['level0_layer0', 16, 16, false],
    ['level0_layer1', 16, 16, false],
    ['level1_layer0', 8, 8, true],
    ['level1_layer1', 8, 8, false],
  ]);
  const [, , first, topmost] = network.layers;
  expect(first.upInput.outputShape).toEqual([null, 8, 8, 192]);
  expect(first.downOutput.outputShape).toEqual([null, 16, 16, 64]);
  // A gain for each output map.
  expect(first.downOutput.weights.map(({ shape }) => shape)).toEqual([[3, 3, 64, 96], [64], [64]]);
  expect(topmost.upOutput).toBeUndefined();
  tf.tidy(() => {
    const [images, noise] = [imagesFor(network, 2, 1), noiseFor(network, 2, 2)];
    const { bound, reconstruction, kl, objective, layerKl } = vaeStackBound(network, { images, noise });
    const shapes = [bound, reconstruction, kl, objective, layerKl].map(({ shape }) => shape);
    expect(shapes).toEqual([[2], [2], [2], [], [2, 4]]);
    expect(vaeStackSample(network, { noise }).shape).toEqual([2, 32, 32, 3]);
    expectClose(bitsPerDimension(network, tf.scalar(-3072 * Math.LN2)), 1, 1e-6);
  });
  network.dispose();
});

test('reconstructions are what the bound compares images with, and all functions free what they make', () => {
  for (const flow of [false, true]) {
    const start = tf.memory().numTensors;
    const network = randomStack({ flow }, 40);
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      for (const { name, variable } of network.variables)
        if (name.startsWith('output/')) variable.assign(variable.mul(0.1)); // nothing is clipped
      const [images, noise] = [imagesFor(network, 3, 1), noiseFor(network, 3, 2)];
      const two = Object.fromEntries(
        Object.entries(noise).map(([name, t]) => [name, tf.stack([t, t]) as tf.Tensor5D] as const),
      );
      const outside = tf.memory().numTensors;
      const middles = vaeStackReconstruct(network, { images, noise });
      const { reconstruction, bound } = vaeStackBound(network, { images, noise });
      const importance = vaeStackImportanceBound(network, { images, noise: two });
      vaeStackSample(network, { noise });
      expect(tf.memory().numTensors).toBe(outside + 1 + 5 + 1 + 1);
      expectClose(reconstruction, discretizedLogistic(images, unitOf(middles), network.logScale).neg(), 1e-5);
      if (flow) expectClose(importance, bound, 1e-5); // of twice the same sample
    });
    expect(tf.memory().numTensors).toBe(before);
    network.dispose();
    expect(tf.memory().numTensors).toBe(start);
  }
});

test('data-dependent initialisation gives pre-activations mean 0 and standard deviation 0.1 over its batch', () => {
  const network = createVaeStack({ ...TINY, width: 8, maps: 4, channels: 2, normalization: 'weight', seed: 3 });
  const [images, noise] = [imagesFor(network, 64, 1), noiseFor(network, 64, 2)];
  const before = tf.memory().numTensors;
  const { layers, warnings } = initializeVaeStack(network, { images, noise });
  expect(tf.memory().numTensors).toBe(before);
  expect(warnings).toEqual([]);
  const names = network.variables.flatMap(({ name }) =>
    /^(?!.*_flow_).*\/gain$/.test(name) ? [name.split('/')[0]] : [],
  );
  expect(layers.map(({ name }) => name).sort()).toEqual(names.sort());
  tf.tidy(() => {
    const [layer0, layer1] = network.layers;
    const h = network.input.apply(unitOf(images)) as tf.Tensor4D;
    const up = layer0.upInput.apply(tf.elu(h)) as tf.Tensor4D;
    const h1 = tf.elu(up.slice([0, 0, 0, 4], [-1, -1, -1, 4])); // after 2 + 2 maps of the posterior
    const next = h.add<tf.Tensor4D>((layer0.upOutput!.apply(h1) as tf.Tensor4D).mul(0.1));
    const outputs = {
      ...{ h, up, upper: layer1.upInput.apply(tf.elu(next)) as tf.Tensor4D },
      means: unitOf(vaeStackReconstruct(network, { images, noise })), // what comes last, after every z
    };
    for (const [name, output] of Object.entries(outputs)) {
      const { mean, variance } = tf.moments(output, [0, 1, 2]);
      expectAgreement(mean.add(1), Array(mean.size).fill(1), `mean of ${name}`, 1e-5);
      expectAgreement(variance.sqrt(), Array(mean.size).fill(0.1), `standard deviation of ${name}`, 1e-3);
    }
  });
  expect(() => initializeVaeStack(network, { images, noise })).toThrow('was already initialised from data');
  tf.dispose([images, noise]);
  network.dispose();
});

test('the seed decides the first parameters, and weight norm starts as the plain network', () => {
  expectSeeded((normalization, seed) => {
    const network = createVaeStack({ ...TINY, normalization, seed });
    const values = tf.tidy(() => {
      const [images, noise] = [imagesFor(network, 5, 1), noiseFor(network, 5, 2)];
      return vaeStackBound(network, { images, noise }).bound.arraySync();
    });
    network.dispose();
    return values;
  });
});

describe('refused in one line:', () => {
  test.each<[string, object, string]>([
    ['half a map', { latentMaps: 2.5 }, 'latentMaps is 2.5: give a whole number from 1 up'],
    ['no levels', { levels: [] }, 'levels is []: give the stochastic layers of one level or more'],
    ['a level without layers', { levels: [2, 0] }, 'levels[1] is 0: give a whole number from 1 up'],
    ['a height of half levels', { height: 6 }, 'height is 6: with levels [1,1] give a multiple of 4'],
    ['another normalization', { normalization: 'batch' }, "normalization is 'batch': the VAE takes 'none' or 'weight'"],
  ])('%s', (_, wrong, message) => {
    const before = tf.memory().numTensors;
    const options = { ...TINY, normalization: 'weight', seed: 1, ...wrong } as VaeStackOptions;
    expect(() => createVaeStack(options)).toThrow(message);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('images and noise of other shapes, noise that lacks, and negative free bits', () => {
    const network = createVaeStack({ ...TINY, normalization: 'weight', seed: 1 });
    tf.tidy(() => {
      const [images, noise] = [imagesFor(network, 2, 1), noiseFor(network, 2, 2)];
      const { level0_layer0, level1_layer0 } = noise;
      const wrongNoise = { level0_layer0, level1_layer0: level1_layer0.tile<tf.Tensor4D>([1, 1, 2, 1]) };
      const message = 'noise.level1_layer0 has shape [2,2,2,2]: this network takes [2,2,1,2]';
      expect(() => vaeStackBound(network, { images, noise: wrongNoise })).toThrow(message);
      expect(() => vaeStackReconstruct(network, { images, noise: wrongNoise })).toThrow(message);
      expect(() => vaeStackSample(network, { noise: wrongNoise })).toThrow(message);
      expect(() => initializeVaeStack(network, { images, noise: wrongNoise })).toThrow(message);
      expect(() => vaeStackBound(network, { images, noise: { level0_layer0 } })).toThrow(
        'noise.level1_layer0 is missing: this network takes [2,2,1,2]',
      );
      expect(() => vaeStackImportanceBound(network, { images, noise: noise as never })).toThrow(
        'noise.level0_layer0 has shape [2,4,2,2]: this network takes [2,2,4,2,2]',
      );
      expect(() => vaeStackBound(network, { images: tf.zeros([2, 4, 8, 1]), noise })).toThrow(
        'images has shape [2,4,8,1]: this network takes [2,8,4,1]',
      );
      expect(() => vaeStackBound(network, { images, noise }, { freeBits: -1 })).toThrow(
        'freeBits is -1: give a number of nats from 0 up',
      );
    });
    network.dispose();
  });
});
