import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import {
  applyFlow,
  bitsPerDimension,
  createFlow,
  createVae,
  initializeVae,
  type VaeNetwork,
  type VaeOptions,
  vaeBound,
  vaeImportanceBound,
  vaeReconstruct,
  vaeSample,
} from '../../src/networks/index.ts';
import { discretizedLogistic } from '../../src/networks/vae/likelihood.ts';
import { gaussianUnitKl } from '../../src/networks/vae/model.ts';
import { askPython } from '../python-oracle.ts';
import { expectAgreement, expectClose, type Nested, normal } from '../weightnorm/support.ts';
import { arrays } from './support.ts';
import {
  type Answer,
  countOf,
  expectApproach,
  expectSameUpdates,
  expectSeeded,
  expectTrueBound,
  logJacobian,
  parameterOf,
  randomize,
} from './vae-support.ts';

const TINY = {
  ...{ height: 4, width: 2, channels: 1, maps: [2, 3], blocks: 1 },
  ...{ denseUnits: 3, latentUnits: 3, flowSteps: 2, flowUnits: 5 },
};
/** All images of 2 x 2 pixels of 0 or 1, and one unit of z: what can be summed and integrated is known. */
const FOUR_PIXELS = {
  ...{ height: 2, width: 2, channels: 1, maps: [2], blocks: 1 },
  ...{ denseUnits: 3, latentUnits: 1, flowSteps: 2, flowUnits: 3 },
};

function randomVae(options: Partial<VaeOptions>, seed: number): VaeNetwork {
  const network = createVae({ ...TINY, normalization: 'weight', seed, ...options });
  randomize(network, seed);
  return network;
}

function imagesFor({ sizes, likelihood }: VaeNetwork, batch: number, seed: number): tf.Tensor4D {
  const shape: [number, number, number, number] = [batch, sizes.height, sizes.width, sizes.channels];
  if (likelihood === 'bernoulli') return tf.tidy(() => normal(shape, seed).greater(0).toFloat() as tf.Tensor4D);
  return tf.tidy(() => normal(shape, seed, 100).add(128).clipByValue(0, 255).round() as tf.Tensor4D);
}

/** Sets parameters of a network to one number each. */
function fill(network: VaeNetwork, values: Record<string, number>): void {
  for (const [name, value] of Object.entries(values)) {
    const variable = parameterOf(network, name);
    tf.tidy(() => variable.assign(tf.fill(variable.shape, value)));
  }
}

describe('the bound agrees with its float64 definition, value and gradient of every parameter:', () => {
  test.each<[string, Partial<VaeOptions>, number | undefined]>([
    ['Bernoulli, weight norm, flow', {}, undefined],
    ['discretised logistic, weight norm, flow, free bits', { likelihood: 'discretized-logistic', channels: 2 }, 0.8],
    ['Bernoulli, no normalization, no flow, free bits', { normalization: 'none', flowSteps: 0 }, 0.1],
  ])('%s', (_, options, freeBits) => {
    const network = randomVae(options, 10);
    const { height, width, maps, blocks, flowSteps, latentUnits } = network.sizes;
    tf.tidy(() => {
      const images = imagesFor(network, 2, 1);
      const noise = normal([2, latentUnits], 2) as tf.Tensor2D;
      const settings = freeBits === undefined ? {} : { freeBits };
      expectTrueBound(network, () => vaeBound(network, { images, noise }, settings), {
        oracle: './vae_oracle.py',
        question: {
          ...{ kind: 'bound', size: [height, width], maps, blocks, flowSteps, likelihood: network.likelihood },
          ...{ ...settings, images: images.arraySync(), noise: noise.arraySync() },
        },
        ...{ tolerance: 2e-5, free: freeBits && latentUnits * freeBits },
      });
    });
    network.dispose();
  });
});

describe('the flow', () => {
  const options = {
    ...{ latentUnits: 4, contextUnits: 2, hiddenUnits: 9, steps: 3 },
    ...{ normalization: 'weight' as const, kernelStd: 0.05, seed: 1 },
  };

  test('has networks whose outputs depend on the units before, all of them and no other, and on the context', () => {
    const flow = createFlow(options);
    randomize(flow, 50);
    expect(flow.networks).toHaveLength(3);
    tf.tidy(() => {
      const z = normal([1, 4], 1) as tf.Tensor2D;
      const context = normal([1, 2], 2) as tf.Tensor2D;
      flow.networks.forEach((network, step) => {
        const at = network(z, context);
        /** Which outputs change by far more than rounding does: all others change by far less than these. */
        const changes = (other: ReturnType<typeof network>) =>
          [other.m.sub(at.m), other.s.sub(at.s)].map((change) =>
            Array.from(change.abs().dataSync(), (value) => {
              expect(value < 1e-7 || value > 1e-4, `a change of ${value}`).toBe(true);
              return value > 1e-4;
            }),
          );
        for (let j = 0; j < 4; j++) {
          const moved = z.add<tf.Tensor2D>(tf.oneHot(tf.tensor1d([j], 'int32'), 4));
          const isAfter = [0, 1, 2, 3].map((i) => (step % 2 === 0 ? i > j : i < j));
          expect(changes(network(moved, context)), `step ${step}, unit ${j}`).toEqual([isAfter, isAfter]);
        }
        const all = Array(4).fill(true);
        expect(changes(network(z, context.add(1)))).toEqual([all, all]);
      });
    });
    flow.dispose();
  });

  test('has log |det| of its Jacobian, by finite differences', () => {
    const flow = createFlow(options);
    randomize(flow, 50);
    tf.tidy(() => {
      const z = normal([1, 4], 3) as tf.Tensor2D;
      const context = normal([1, 2], 4) as tf.Tensor2D;
      const { logScale } = applyFlow(flow, z, context);
      const expected = logScale.sum().dataSync()[0];
      expect(expected).toBeLessThan(-0.5);
      const moved = (by: number) => applyFlow(flow, z.add(tf.eye(4).mul(by)), context.tile([4, 1])).z; // row j: unit j
      expect(logJacobian(moved)).toBeCloseTo(expected, 3);
    });
    flow.dispose();
  });

  test('starts with g as the length of the weights in use, and gives those not in use no gradient', () => {
    const flow = createFlow(options);
    tf.tidy(() => {
      const [v, g] = ['kernel', 'gain'].map((name) => parameterOf(flow, `flow0_hidden/${name}`));
      // Hidden units 0 to 8 see 0, 1, 2, 3, 0, 1, 2, 3, 0 units of z, and the context.
      const inUse = tf.tensor2d([
        [0, 1, 1, 1, 0, 1, 1, 1, 0],
        [0, 0, 1, 1, 0, 0, 1, 1, 0],
        [0, 0, 0, 1, 0, 0, 0, 1, 0],
        ...[[0, 0, 0, 0, 0, 0, 0, 0, 0], Array(9).fill(1), Array(9).fill(1)],
      ]);
      expectAgreement(g, v.mul(inUse).square().sum(0).sqrt().arraySync() as Nested, 'g', 1e-6);
      const [z, context] = [normal([8, 4], 5), normal([8, 2], 6)] as tf.Tensor2D[];
      const { grads } = tf.variableGrads(() => applyFlow(flow, z, context).z.square().sum(), [v]);
      expectClose(grads[v.name].notEqual(0).toFloat(), inUse, 0);
    });
    flow.dispose();
  });
});

test('the divergence of a Gaussian is the integral of q log(q/p)', () => {
  const parameters = [
    [0, 0],
    [1.5, 0.3],
    [-0.4, -1.2],
    [2, 0.8],
  ];
  const integrals = parameters.map(([mean, logSigma]) =>
    integrate((noise) => {
      const z = mean + Math.exp(logSigma) * noise;
      return density(noise) * (-(noise ** 2) / 2 - logSigma + z ** 2 / 2);
    }),
  );
  tf.tidy(() => {
    const [means, logSigmas] = tf.split<tf.Tensor2D>(tf.tensor2d(parameters), 2, 1);
    expectClose(gaussianUnitKl(means, logSigmas).reshape([4]), integrals, 1e-6);
  });
});

function density(z: number): number {
  return Math.exp(-(z ** 2) / 2) / Math.sqrt(2 * Math.PI);
}

/** Points that a smooth function which vanishes at both ends is summed over: the error of the sum is below 1e-10. */
const GRID = Array.from({ length: 801 }, (_, i) => -12 + 0.03 * i);

function integrate(f: (z: number, i: number) => number): number {
  return GRID.reduce((sum, z, i) => sum + f(z, i) * 0.03, 0);
}

describe('the discretised logistic', () => {
  test('sums to 1 over all levels, wherever it lies and however wide it is', () => {
    tf.tidy(() => {
      const levels = tf.range(0, 256).reshape<tf.Tensor4D>([256, 1, 1, 1]);
      for (const mean of [-3, -0.5, -0.1, 0.4999, 1])
        for (const logScale of [-7, -4, -1, 0, 3]) {
          const logP = discretizedLogistic(levels, tf.fill([256, 1, 1, 1], mean), tf.scalar(logScale));
          expect(logP.isFinite().all().dataSync()[0]).toBe(1);
          const sum = logP.exp().sum().dataSync()[0];
          expect(Math.abs(sum - 1), `mean ${mean}, log scale ${logScale}`).toBeLessThan(1e-4);
        }
    });
  });

  test('agrees with its float64 definition, both edges included, values and gradients', () => {
    tf.tidy(() => {
      const levels = tf.tensor4d([0, 0, 255, 255, 1, 254, 100, 140], [8, 1, 1, 1]);
      const means = tf.tensor4d([-0.6, 0.1, 0.55, -0.1, -0.5, 0.3, -0.1, 0.2], [8, 1, 1, 1]);
      const logScale = tf.scalar(-2.5);
      const dy = normal([8], 1);
      const [dMeans, dLogScale] = tf.grads((...[m, s]: tf.Tensor[]) =>
        discretizedLogistic(levels, m as tf.Tensor4D, s as tf.Scalar)
          .mul(dy)
          .sum(),
      )([means, logScale]);
      const question = {
        kind: 'logistic',
        tensors: arrays({ levels, means, logScale }),
        dy: arrays({ logLikelihood: dy }),
      };
      const { values, gradients } = askPython<Answer>(new URL('./vae_oracle.py', import.meta.url), question);
      expectAgreement(discretizedLogistic(levels, means, logScale), values.logLikelihood, 'log p', 1e-6);
      expectAgreement(dMeans, gradients.means, 'gradient of the means', 1e-5);
      expectAgreement(dLogScale, gradients.logScale, 'gradient of the log scale', 1e-5);
    });
  });
});

describe('with four pixels and one unit of z, where log p(image) is an integral', () => {
  const allImages = () =>
    tf.tensor4d(
      Array.from({ length: 16 }, (_, i) => [8, 4, 2, 1].map((bit) => Number((i & bit) > 0))).flat(),
      [16, 2, 2, 1],
    );
  /** log of the integral of p(z) p(image | z), from what the network samples. */
  function logMarginals(network: VaeNetwork): number[] {
    return tf.tidy(() => {
      const probabilities = vaeSample(network, { noise: tf.tensor2d(GRID, [GRID.length, 1]) });
      const pixels = probabilities.reshape([GRID.length, 4]).arraySync() as number[][];
      const images = allImages().reshape([16, 4]).arraySync() as number[][];
      return images.map((image) =>
        Math.log(integrate((z, i) => image.reduce((p, x, k) => p * (x ? pixels[i][k] : 1 - pixels[i][k]), density(z)))),
      );
    });
  }
  /** A network whose posterior and decoder care. */
  function strongVae(options: Partial<VaeOptions> = {}): VaeNetwork {
    const network = randomVae({ ...FOUR_PIXELS, ...options }, 70);
    fill(network, { 'decoder_dense/gain': 2, 'decoder_maps/gain': 3, 'decoder_output/gain': 2, 'posterior/gain': 0.6 });
    return network;
  }
  /** bound[image][point of the grid], noise being the point. */
  function boundsOverGrid(network: VaeNetwork): number[][] {
    return tf.tidy(() => {
      const images = allImages().expandDims(1).tile([1, GRID.length, 1, 1, 1]).reshape<tf.Tensor4D>([-1, 2, 2, 1]);
      const noise = tf.tensor2d(GRID, [GRID.length, 1]).tile<tf.Tensor2D>([16, 1]);
      return vaeBound(network, { images, noise }).bound.reshape([16, GRID.length]).arraySync() as number[][];
    });
  }

  test('the marginals sum to 1', () => {
    const network = strongVae();
    const total = logMarginals(network).reduce((sum, value) => sum + Math.exp(value), 0);
    expect(total).toBeCloseTo(1, 5);
    network.dispose();
  });

  test('the mean bound is below log p(image), and p(image, z)/q(z | image) has the mean p(image)', () => {
    for (const flowSteps of [0, 2]) {
      const network = strongVae({ flowSteps });
      const marginals = logMarginals(network);
      const bounds = boundsOverGrid(network);
      const gaps = bounds.map((bound, k) => marginals[k] - integrate((noise, i) => density(noise) * bound[i]));
      for (const gap of gaps) expect(gap).toBeGreaterThan(1e-3);
      if (flowSteps > 0) {
        // With a flow the bound of one sample is the log of its importance weight.
        bounds.forEach((bound, k) => {
          const mean = integrate((noise, i) => density(noise) * Math.exp(bound[i]));
          expect(Math.abs(mean / Math.exp(marginals[k]) - 1)).toBeLessThan(1e-4);
        });
      }
      network.dispose();
    }
  });

  test('the importance-weighted bound approaches log p(image)', () => {
    for (const flowSteps of [0, 2]) {
      const network = strongVae({ flowSteps });
      const marginals = logMarginals(network);
      tf.tidy(() => {
        const images = allImages();
        const meanGap = (samples: number, repeats: number) => {
          const noise = normal([samples, 16 * repeats, 1], 5) as tf.Tensor3D;
          const bounds = vaeImportanceBound(network, { images: images.tile([repeats, 1, 1, 1]), noise });
          return tf
            .sub(marginals, bounds.reshape([repeats, 16]).mean(0))
            .mean()
            .dataSync()[0];
        };
        expectApproach(meanGap, 4000);
      });
      network.dispose();
    }
  });

  test('where the decoder ignores z and the posterior is the prior, every bound is log p(image)', () => {
    for (const flowSteps of [0, 2]) {
      const network = strongVae({ flowSteps });
      fill(network, { 'decoder_dense/gain': 0, 'posterior/gain': 0, 'posterior/bias': 0 });
      const bias = parameterOf(network, 'posterior/bias');
      // Steps with m = s = 0 multiply z by sigmoid(2): the Gaussian before them is wider by as much.
      if (flowSteps > 0) {
        fill(
          network,
          Object.fromEntries(['0', '1'].flatMap((k) => ['gain', 'bias'].map((w) => [`flow${k}_output/${w}`, 0]))),
        );
        tf.tidy(() => bias.assign(tf.tensor1d([0, 2 * Math.log1p(Math.exp(-2))])));
      }
      const marginals = logMarginals(network);
      tf.tidy(() => {
        const images = allImages();
        const { bound, kl } = vaeBound(network, { images, noise: normal([16, 1], 1) as tf.Tensor2D });
        expectClose(bound, marginals, 1e-5);
        expectClose(kl, Array(16).fill(0), 1e-5);
        expectClose(
          vaeImportanceBound(network, { images, noise: normal([3, 16, 1], 2) as tf.Tensor3D }),
          marginals,
          1e-5,
        );
      });
      network.dispose();
    }
  });
});

test.each(['bernoulli', 'discretized-logistic'] as const)(
  'ten Adamax updates (%s) change the parameters in the same way compiled and op by op, and keep no tensor',
  (likelihood) => {
    expectSameUpdates({
      create: () => randomVae({ likelihood }, 20),
      inputs: (network, update) => ({
        images: imagesFor(network, 4, 1),
        noise: normal([4, network.sizes.latentUnits], 30 + update),
      }),
      objective(network, inputs) {
        const { images, noise } = inputs as { images: tf.Tensor4D; noise: tf.Tensor2D };
        return vaeBound(network, { images, noise }, { freeBits: 0.25 }).objective;
      },
    });
  },
);

test('the full network has the shapes and the parameters of its table', () => {
  // Kernels 3 x 3 x in x out, and a bias and a gain for each output.
  const unit = 2;
  const conv = (from: number, to: number) => (9 * from + unit) * to;
  const dense = (from: number, to: number) => (from + unit) * to;
  const sequences = 4 * conv(16, 16) + 8 * conv(32, 32);
  const encoder = conv(1, 16) + conv(16, 32) + conv(32, 32) + sequences + dense(7 * 7 * 32, 450) + dense(450, 64);
  const decoder = dense(32, 450) + dense(450, 7 * 7 * 32) + conv(32, 32) + conv(32, 16) + sequences + conv(16, 1);
  const flow = 2 * (dense(32 + 450, 320) + dense(320, 64));
  const network = createVae({ normalization: 'weight', seed: 1 });
  expect(countOf(network)).toBe(encoder + decoder + flow);
  expect(countOf(network)).toBe(2_005_802);
  const shapes = (model: tf.LayersModel, ...names: string[]) => names.map((name) => model.getLayer(name).outputShape);
  expect(
    shapes(network.encoder, 'encoder_input', 'encoder_down1', 'encoder_down2', 'encoder_dense', 'posterior'),
  ).toEqual([
    ...[
      [null, 28, 28, 16],
      [null, 14, 14, 32],
      [null, 7, 7, 32],
    ],
    ...[
      [null, 450],
      [null, 64],
    ],
  ]);
  expect(shapes(network.decoder, 'decoder_maps', 'decoder_up2', 'decoder_up1', 'decoder_output')).toEqual([
    ...[
      [null, 1568],
      [null, 14, 14, 32],
      [null, 28, 28, 16],
      [null, 28, 28, 1],
    ],
  ]);
  const up = network.decoder.getLayer('decoder_up1');
  expect(up.weights.map(({ shape }) => shape)).toEqual([[3, 3, 16, 32], [16], [16]]); // a gain for each output map
  tf.tidy(() => {
    const images = imagesFor(network, 2, 1);
    const noise = normal([2, 32], 2) as tf.Tensor2D;
    const { bound, reconstruction, kl, objective } = vaeBound(network, { images, noise });
    expect([bound, reconstruction, kl, objective].map(({ shape }) => shape)).toEqual([[2], [2], [2], []]);
    expect(vaeSample(network, { noise }).shape).toEqual([2, 28, 28, 1]);
    expect(vaeReconstruct(network, { images, noise }).shape).toEqual([2, 28, 28, 1]);
    expect(vaeImportanceBound(network, { images, noise: normal([3, 2, 32], 3) as tf.Tensor3D }).shape).toEqual([2]);
  });
  network.dispose();
});

test('reconstructions are what the bound compares images with, and all functions free what they make', () => {
  const network = randomVae({}, 40);
  const before = tf.memory().numTensors;
  tf.tidy(() => {
    const images = imagesFor(network, 3, 1);
    const noise = normal([3, 3], 2) as tf.Tensor2D;
    const outside = tf.memory().numTensors;
    const probabilities = vaeReconstruct(network, { images, noise });
    const { reconstruction, ...others } = vaeBound(network, { images, noise });
    const importance = vaeImportanceBound(network, { images, noise: tf.expandDims(noise) as tf.Tensor3D });
    expect(tf.memory().numTensors).toBe(outside + 6 + 1); // results, and the noise with another dimension
    const likelihoods = images.mul(probabilities.log()).add(tf.sub(1, images).mul(tf.sub(1, probabilities).log()));
    expectClose(reconstruction, likelihoods.sum([1, 2, 3]).neg(), 1e-5);
    expectClose(importance, others.bound, 1e-5); // with a flow and one sample
  });
  expect(tf.memory().numTensors).toBe(before);
  network.dispose();
});

test('levels: samples are from 0 to 255, and bits a dimension are nats / (n ln 2)', () => {
  const network = randomVae({ likelihood: 'discretized-logistic', channels: 3 }, 40);
  fill(network, { 'decoder_output/gain': 0, 'decoder_output/bias': 0.25 });
  tf.tidy(() => {
    const noise = normal([2, 3], 1) as tf.Tensor2D;
    expectClose(vaeSample(network, { noise }), tf.fill([2, 4, 2, 3], 191.5), 1e-6); // (0.25 + 0.5) 256 - 0.5
    fill(network, { 'decoder_output/bias': 2 });
    expectClose(vaeSample(network, { noise }), tf.fill([2, 4, 2, 3], 255), 0);
    expectClose(bitsPerDimension(network, tf.scalar(-24 * Math.LN2)), 1, 1e-6); // 4 x 2 x 3 values of one bit
  });
  network.dispose();
});

test('data-dependent initialisation gives pre-activations mean 0 and standard deviation 0.1 over its batch', () => {
  const network = createVae({ ...TINY, normalization: 'weight', seed: 3 });
  const images = imagesFor(network, 64, 1);
  const noise = normal([64, 3], 2) as tf.Tensor2D;
  const before = tf.memory().numTensors;
  const { layers, warnings } = initializeVae(network, { images, noise });
  expect(tf.memory().numTensors).toBe(before);
  expect(warnings).toEqual([]);
  // Every layer with a gain, but those of the flow.
  const names = network.variables.flatMap(({ name }) => (/^(?!flow).*\/gain$/.test(name) ? [name.split('/')[0]] : []));
  expect(layers.map(({ name }) => name).sort()).toEqual(names.sort());
  tf.tidy(() => {
    const [posterior] = network.encoder.apply(images) as tf.Tensor[];
    const [mean, logSigma] = tf.split(posterior, 2, 1);
    const context = (network.encoder.apply(images) as tf.Tensor2D[])[1];
    const { z } = applyFlow(network.flow, mean.add(logSigma.exp().mul(noise)), context);
    for (const [t, axes] of [
      [posterior, [0]],
      [network.decoder.apply(z) as tf.Tensor, [0, 1, 2]],
    ] as const) {
      const { mean, variance } = tf.moments(t, [...axes]);
      expectClose(mean, tf.zerosLike(mean), 1e-5);
      expectClose(variance.sqrt(), tf.fill(variance.shape, 0.1), 1e-4);
    }
  });
  expect(() => initializeVae(network, { images, noise })).toThrow('was already initialised from data');
  tf.dispose([images, noise]);
  network.dispose();
});

test('the seed decides the first parameters, and weight norm starts as the plain network', () => {
  expectSeeded((normalization, seed) => {
    const network = createVae({ ...TINY, normalization, seed });
    const values = tf.tidy(() => {
      const noise = normal([5, 3], 2) as tf.Tensor2D;
      return vaeBound(network, { images: imagesFor(network, 5, 1), noise }).bound.arraySync();
    });
    network.dispose();
    return values;
  });
});

describe('refused in one line:', () => {
  test.each<[string, object, string]>([
    ['half a unit', { latentUnits: 2.5 }, 'latentUnits is 2.5: give a whole number from 1 up'],
    ['less than no flow', { flowSteps: -1 }, 'flowSteps is -1: give a whole number from 0 up'],
    ['no maps', { maps: [] }, 'maps is []: give the feature maps of one sequence or more'],
    ['a sequence without maps', { maps: [2, 0] }, 'maps[1] is 0: give a whole number from 1 up'],
    ['an odd height', { height: 5 }, 'height is 5: with 2 sequences of maps give a multiple of 2'],
    ['another likelihood', { likelihood: 'normal' }, "likelihood is 'normal': the VAE takes 'bernoulli' or 'discr"],
    ['another normalization', { normalization: 'batch' }, "normalization is 'batch': the VAE takes 'none' or 'weight'"],
  ])('%s', (_, wrong, message) => {
    const before = tf.memory().numTensors;
    expect(() => createVae({ ...TINY, normalization: 'weight', seed: 1, ...wrong } as VaeOptions)).toThrow(message);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('images and noise of other shapes, and negative free bits', () => {
    const network = createVae({ ...TINY, normalization: 'weight', seed: 1 });
    tf.tidy(() => {
      const images = imagesFor(network, 2, 1);
      const noise = tf.zeros<tf.Rank.R2>([2, 3]);
      const wrongNoise = 'noise has shape [2,4]: this network takes [2,3]';
      const wide = tf.zeros<tf.Rank.R2>([2, 4]);
      expect(() => vaeBound(network, { images, noise: wide })).toThrow(wrongNoise);
      expect(() => vaeReconstruct(network, { images, noise: wide })).toThrow(wrongNoise);
      expect(() => vaeSample(network, { noise: wide })).toThrow(wrongNoise);
      expect(() => initializeVae(network, { images, noise: wide })).toThrow(wrongNoise);
      expect(() => vaeImportanceBound(network, { images, noise: tf.zeros([5, 3, 3]) })).toThrow(
        'noise has shape [5,3,3]: this network takes [5,2,3]',
      );
      expect(() => vaeBound(network, { images: tf.zeros([2, 2, 4, 1]), noise })).toThrow(
        'images has shape [2,2,4,1]: this network takes [2,4,2,1]',
      );
      expect(() => vaeBound(network, { images, noise }, { freeBits: -1 })).toThrow(
        'freeBits is -1: give a number of nats from 0 up',
      );
    });
    network.dispose();
  });
});
