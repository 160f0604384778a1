import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { drawRead, drawWrite, filterBank, filtersOf } from '../../src/networks/draw/attention.ts';
import { gaussianKl } from '../../src/networks/draw/model.ts';
import {
  createDraw,
  type DrawNetwork,
  type DrawOptions,
  drawBound,
  drawNoiseShape,
  drawSample,
} from '../../src/networks/index.ts';
import { clipByGlobalNorm, createOptimizer } from '../../src/optimizers/index.ts';
import { compile } from '../../src/runtime/compile/index.ts';
import { askPython } from '../python-oracle.ts';
import { expectAgreement, expectClose, type Nested, normal } from '../weightnorm/support.ts';
import { arrays } from './support.ts';

const TINY = {
  height: 5,
  width: 4,
  steps: 3,
  readSize: 2,
  writeSize: 3,
  encoderUnits: 3,
  decoderUnits: 4,
  latentUnits: 2,
};

type Tensors = Record<string, tf.Tensor>;

/** Gives every parameter normal values, so that g is not ||v|| and no gradient is near 0. */
function randomize({ variables }: DrawNetwork, seed: number): void {
  tf.tidy(() => {
    variables.forEach(({ name, variable }, i) => {
      const values = normal(variable.shape, seed + i, 0.4);
      variable.assign(name.endsWith('/g') ? values.add(1) : values);
    });
  });
}

function tinyDraw(normalization: DrawOptions['normalization'], seed: number): DrawNetwork {
  const network = createDraw({ ...TINY, normalization, seed });
  randomize(network, seed);
  return network;
}

function pixels(shape: number[], seed: number): tf.Tensor3D {
  return tf.tidy(() => normal(shape, seed).greater(0).toFloat() as tf.Tensor3D);
}

function oracle(cases: object[]): { values: Record<string, Nested>; gradients: Record<string, Nested> }[] {
  return askPython(new URL('./draw_oracle.py', import.meta.url), cases);
}

/** Compares values, and the gradients of sum(value x weight) with respect to `tensors`, with the oracle's. */
function expectTrue(kind: string, settings: object, tensors: Tensors, forward: (tensors: Tensors) => Tensors): void {
  tf.tidy(() => {
    const values = forward(tensors);
    const dy = Object.fromEntries(Object.entries(values).map(([name, { shape }], i) => [name, normal(shape, 90 + i)]));
    const names = Object.keys(tensors);
    const gradients = tf.grads((...inputs: tf.Tensor[]) => {
      const outputs = forward(Object.fromEntries(names.map((name, i) => [name, inputs[i]])));
      return tf.addN(Object.entries(dy).map(([name, weight]) => outputs[name].mul(weight).sum()));
    })(Object.values(tensors));
    const [expected] = oracle([{ kind, ...settings, tensors: arrays(tensors), dy: arrays(dy) }]);
    for (const [name, value] of Object.entries(values)) expectAgreement(value, expected.values[name], name, 1e-5);
    names.forEach((name, i) => {
      expectAgreement(gradients[i], expected.gradients[name], `gradient of ${name}`, 1e-5);
    });
  });
}

describe('attention agrees with its float64 definition, values and gradients:', () => {
  test('filter banks', () => {
    const tensors = {
      center: tf.tensor1d([3.5, -1.2, 6.9]),
      delta: tf.tensor1d([1.3, 0.4, 2.5]),
      sigma: tf.tensor1d([0.7, 2.1, 1.1]),
    };
    const settings = { windowSize: 4, imageSize: 7 };
    expectTrue('filterBank', settings, tensors, ({ center, delta, sigma }) => ({
      filters: filterBank({ center, delta, sigma } as never, settings.windowSize, settings.imageSize),
    }));
  });

  test('reading', () => {
    const tensors = { images: normal([2, 6, 5], 1), linear: normal([2, 5], 2, 0.5) };
    expectTrue('read', { windowSize: 3 }, tensors, ({ images, linear }) => ({
      windows: drawRead(
        images as tf.Tensor3D,
        filtersOf(linear as tf.Tensor2D, { height: 6, width: 5, windowSize: 3 }),
      ),
    }));
  });

  test('writing', () => {
    const tensors = { windows: normal([2, 3, 3], 3), linear: normal([2, 5], 4, 0.5) };
    expectTrue('write', { height: 5, width: 6 }, tensors, ({ windows, linear }) => ({
      images: drawWrite(
        windows as tf.Tensor3D,
        filtersOf(linear as tf.Tensor2D, { height: 5, width: 6, windowSize: 3 }),
      ),
    }));
  });
});

test('filters as far apart as pixels, on them and narrow, read the image itself', () => {
  tf.tidy(() => {
    const [center, delta, sigma, gamma] = [2, 1, 0.1, 1].map((value) => tf.tensor1d([value]));
    const bank = filterBank({ center, delta, sigma }, 3, 5); // on pixels 1, 2 and 3 of 0 to 4
    const image = normal([1, 5, 5], 1) as tf.Tensor3D;
    const window = drawRead(image, { rows: bank, columns: bank, gamma });
    expectClose(window, image.slice([0, 1, 1], [1, 3, 3]).div(1.0001 ** 2), 1e-6); // each filter's sum is 1 + 1e-4
  });
});

describe.each(['none', 'weight'] as const)('with normalization %s', (normalization) => {
  test('the bound agrees with its float64 definition, value and gradient of every parameter', () => {
    const network = tinyDraw(normalization, 10);
    tf.tidy(() => {
      const images = pixels([2, 5, 4], 1);
      const noise = normal([3, 2, 2], 2) as tf.Tensor3D;
      const variables = network.variables.map(({ variable }) => variable);
      const values = drawBound(network, { images, noise });
      const dy = { bound: normal([2], 90) };
      const { grads } = tf.variableGrads(
        () => drawBound(network, { images, noise }).bound.mul(dy.bound).sum(),
        variables,
      );
      const [expected] = oracle([
        {
          ...{ kind: 'bound', readSize: 2, writeSize: 3, images: images.arraySync(), noise: noise.arraySync() },
          tensors: arrays(Object.fromEntries(network.variables.map(({ name, variable }) => [name, variable]))),
          dy: arrays(dy),
        },
      ]);
      for (const [name, value] of Object.entries(values)) expectAgreement(value, expected.values[name], name, 1e-5);
      expect(Object.keys(expected.gradients)).toHaveLength(variables.length);
      for (const { name, variable } of network.variables)
        expectAgreement(grads[variable.name], expected.gradients[name], `gradient of ${name}`, 1e-5);
    });
    network.dispose();
  });
});

test('ten updates change the parameters in the same way compiled and op by op, and keep no tensor', () => {
  const before = tf.memory().numTensors;
  const [eager, compiled] = [true, false].map((runEagerly) => {
    const network = tinyDraw('weight', 20);
    const variables = network.variables.map(({ variable }) => variable);
    const settings = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    const optimizer = createOptimizer({ name: 'adam', ...settings }, network.variables);
    const program = compile(
      {
        learn: {
          inputs: {
            images: { shape: [4, 5, 4], dtype: 'float32' },
            noise: { shape: drawNoiseShape(network, 4), dtype: 'float32' },
          },
          fn: (inputs) => {
            const { images, noise } = inputs as { images: tf.Tensor3D; noise: tf.Tensor3D };
            const { value, grads } = tf.variableGrads(
              () => tf.neg(drawBound(network, { images, noise }).bound.sum<tf.Scalar>()),
              variables,
            );
            const { gradients, norm } = clipByGlobalNorm(
              variables.map(({ name }) => grads[name]),
              10,
            );
            optimizer.applyGradients(gradients);
            return { loss: value, norm };
          },
        },
      },
      { eager: runEagerly },
    );
    expect(program.compiled).toBe(!runEagerly);
    const images = pixels([4, 5, 4], 1);
    const during = tf.memory().numTensors;
    const results = Array.from({ length: 10 }, (_, i) => {
      const noise = normal(drawNoiseShape(network, 4), 30 + i);
      const { loss, norm } = program.steps.learn.values({ images, noise });
      noise.dispose();
      return { loss: loss[0], norm: norm[0] };
    });
    expect(tf.memory().numTensors).toBe(during);
    program.pull();
    const values = arrays(Object.fromEntries(network.variables.map(({ name, variable }) => [name, variable])));
    program.dispose();
    optimizer.dispose();
    network.dispose();
    images.dispose();
    return { results, values };
  });
  expect(tf.memory().numTensors).toBe(before);

  expect(eager.results[0].norm).toBeGreaterThan(10); // so that it is clipped
  expect(eager.results.at(-1)!.loss).toBeLessThan(eager.results[0].loss);
  compiled.results.forEach(({ loss, norm }, i) => {
    expect(Math.abs(loss / eager.results[i].loss - 1)).toBeLessThan(1e-5);
    expect(Math.abs(norm / eager.results[i].norm - 1)).toBeLessThan(1e-5);
  });
  tf.tidy(() => {
    for (const [name, value] of Object.entries(compiled.values))
      expectAgreement(tf.tensor(value as number[]), eager.values[name], name, 1e-5);
  });
});

test('the divergence is the integral of q log(q/p), summed over units', () => {
  const parameters = [
    [0, 0],
    [1.5, 0.3],
    [-0.4, -1.2],
    [2, 0.8],
  ];
  const integrals = parameters.map(([mean, logSigma]) => {
    const sigma = Math.exp(logSigma);
    const step = sigma / 500;
    let sum = 0;
    for (let i = -6000; i <= 6000; i++) {
      const z = mean + i * step;
      const logQ = -((z - mean) ** 2) / (2 * sigma ** 2) - logSigma;
      const logP = -(z ** 2) / 2;
      sum += ((Math.exp(logQ) * (logQ - logP)) / Math.sqrt(2 * Math.PI)) * step;
    }
    return sum;
  });
  tf.tidy(() => {
    const [means, logSigmas] = tf.unstack(tf.tensor2d(parameters), 1);
    expectClose(gaussianKl(means.expandDims(1), logSigmas.expandDims(1)), integrals, 1e-6); // four examples of one unit
    const total = integrals.reduce((sum, integral) => sum + integral);
    expectClose(gaussianKl(means.expandDims(0), logSigmas.expandDims(0)), [total], 1e-6); // one of four units
  });
});

test.each([
  ['none', 961_003],
  ['weight', 961_003 + 4_331],
] as const)(
  'the full network with normalization %s has %i parameters, and starts at a bound of 784 bits',
  (normalization, parameters) => {
    const network = createDraw({ normalization, steps: 2, seed: 1 });
    expect(network.variables.reduce((sum, { variable }) => sum + variable.size, 0)).toBe(parameters);
    tf.tidy(() => {
      const images = pixels([3, 28, 28], 1);
      const { bound } = drawBound(network, { images, noise: normal([2, 3, 100], 2) as tf.Tensor3D });
      // Weights of N(0, 0.01) leave the canvas near 0: each pixel is one bit.
      expectAgreement(bound, Array(3).fill(-784 * Math.LN2), 'bound', 1e-3);
    });
    network.dispose();
  },
);

test('the seed decides the first weights, and weight norm starts as the plain network', () => {
  const weights = (normalization: 'none' | 'weight', seed: number) => {
    const network = createDraw({ ...TINY, normalization, seed });
    const { encoder, decoder, ...others } = tf.tidy(() => {
      const { encoder, decoder, ...affine } = network.weights();
      return { encoder: arrays({ ...encoder }), decoder: arrays({ ...decoder }), ...arrays(kernels(affine)) };
    });
    network.dispose();
    return { encoder, decoder, ...others };
  };
  const kernels = (layers: object) =>
    Object.fromEntries(Object.entries(layers).map(([name, { kernel }]) => [name, kernel]));
  const first = weights('weight', 1);
  expect(weights('weight', 1)).toEqual(first);
  expect(weights('weight', 2)).not.toEqual(first);
  tf.tidy(() => {
    const [plain, normalized] = [weights('none', 1), first].map(({ encoder }) => encoder.recurrentKernel as number[][]);
    expectAgreement(tf.tensor2d(normalized), plain, 'w', 1e-5);
  });
});

test('samples are what the generating half of the bound draws', () => {
  const network = tinyDraw('weight', 40);
  // With mean 0 and log sigma 0 the posterior is the prior: z is the noise.
  for (const { name, variable } of network.variables) {
    if (name === 'latent/kernel/g' || name === 'latent/bias') tf.tidy(() => variable.assign(tf.zerosLike(variable)));
  }
  const before = tf.memory().numTensors;
  tf.tidy(() => {
    const noise = normal(drawNoiseShape(network, 6), 1) as tf.Tensor3D;
    const images = pixels([6, 5, 4], 2);
    const samples = drawSample(network, { noise });
    expect(samples.shape).toEqual([3, 6, 5, 4]);
    expect(samples.min().dataSync()[0]).toBeGreaterThan(0);
    expect(samples.max().dataSync()[0]).toBeLessThan(1);
    const [, , probabilities] = tf.unstack(samples);
    const likelihoods = probabilities
      .log()
      .mul(images)
      .add(tf.log(tf.sub(1, probabilities)).mul(tf.sub(1, images)));
    const { reconstruction, kl } = drawBound(network, { images, noise });
    expectClose(reconstruction, likelihoods.sum([1, 2]).neg(), 1e-5);
    expectClose(kl, [0, 0, 0, 0, 0, 0], 0);
  });
  expect(tf.memory().numTensors).toBe(before);
  network.dispose();
});

describe('refused in one line:', () => {
  const options: DrawOptions = { ...TINY, normalization: 'weight', seed: 1 };
  test.each([
    ['a window of one filter', { readSize: 1 }, 'readSize is 1: give a whole number from 2 up'],
    ['half a unit', { latentUnits: 2.5 }, 'latentUnits is 2.5: give a whole number from 1 up'],
    ['a start of 0', { initialStd: 0 }, 'initialStd is 0: give a positive number, such as 0.01'],
    [
      'a normalization of outputs',
      { normalization: 'batch' as 'weight' },
      "normalization is 'batch': DRAW takes 'none' or 'weight'",
    ],
  ])('%s', (_, wrong, message) => {
    const before = tf.memory().numTensors;
    expect(() => createDraw({ ...options, ...wrong })).toThrow(message);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('images and noise of other shapes', () => {
    const network = createDraw(options);
    tf.tidy(() => {
      const images = tf.zeros<tf.Rank.R3>([2, 5, 4]);
      const noise = tf.zeros<tf.Rank.R3>([4, 2, 2]);
      expect(() => drawBound(network, { images, noise })).toThrow(
        'noise has shape [4,2,2]: this network takes [3,2,2]',
      );
      expect(() => drawBound(network, { images: tf.zeros([2, 4, 5]), noise })).toThrow(
        'images has shape [2,4,5]: this network takes [2,5,4]',
      );
      expect(() => drawSample(network, { noise })).toThrow('noise has shape [4,2,2]: this network takes [3,2,2]');
    });
    network.dispose();
  });
});
