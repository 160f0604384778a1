import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  conv1d,
  conv2d,
  conv2dTranspose,
  conv3d,
  DEFAULT_EPSILON,
  dataDependentInit,
  dense,
  depthwiseConv2d,
  type NormalizationArgs,
  type NormalizedLayer,
  separableConv2d,
} from '../../src/weightnorm/index.ts';
import { expectClose, normal, outputAndGradients, variableOf } from './support.ts';

/** A layer's sizes and one input's, batch included. */
interface Sample {
  args: object;
  shape: number[];
  seed: number;
  epsilon: number;
  /** What v is multiplied with. */
  factor: number;
}
type Make = (args: NormalizationArgs) => NormalizedLayer;
/**
 * `least` is that of units and of a kernel's spatial axes; of inputs there are at least 2 least - 1. With 2 nothing
 * that is centred has one element, which is refused, or two, whose difference may be small by chance.
 */
type Arbitrary = (least: number) => fc.Arbitrary<Pick<Sample, 'args' | 'shape'>>;

const upTo = (max: number, min = 1) => fc.integer({ min, max });

function convolution(rank: number, units: (least: number) => Record<string, fc.Arbitrary<unknown>>): Arbitrary {
  return (least) => {
    const each = (size: fc.Arbitrary<number>) => fc.array(size, { minLength: rank, maxLength: rank });
    return fc
      .record({
        args: fc.record({
          kernelSize: each(upTo(3, least)),
          strides: upTo(2),
          padding: fc.constantFrom('valid', 'same'),
          ...units(least),
        }),
        batch: upTo(3),
        size: each(upTo(5, 3)),
        channels: upTo(4, 2 * least - 1),
      })
      .map(({ args, batch, size, channels }) => ({ args, shape: [batch, ...size, channels] }));
  };
}

const filters = (least: number) => ({ filters: upTo(4, least) });
const depthMultiplier = () => ({ depthMultiplier: upTo(2) });
const KINDS: [string, (args: never) => NormalizedLayer, Arbitrary][] = [
  [
    'dense', // at times with positions; large batches scale v, small ones the output
    dense,
    (least) =>
      fc
        .record({
          units: upTo(4, least),
          leading: fc.array(upTo(6), { minLength: 1, maxLength: 2 }),
          inSize: upTo(6, 2 * least - 1),
        })
        .map(({ units, leading, inSize }) => ({ args: { units }, shape: [...leading, inSize] })),
  ],
  ['conv1d', conv1d, convolution(1, filters)],
  ['conv2d', conv2d, convolution(2, filters)],
  ['conv3d', conv3d, convolution(3, filters)],
  ['conv2dTranspose', conv2dTranspose, convolution(2, filters)],
  ['depthwiseConv2d', depthwiseConv2d, convolution(2, depthMultiplier)],
  ['separableConv2d', separableConv2d, convolution(2, (least) => ({ ...filters(least), ...depthMultiplier() }))],
];

/** Runs a property on random layers of one kind, and counts tensors. */
function check(
  [, factory, arbitrary]: (typeof KINDS)[number],
  property: (make: Make, sample: Sample) => void,
  { numRuns = 10, least = 1 } = {},
): void {
  const samples = arbitrary(least).chain((sizes) =>
    fc.record({
      args: fc.constant(sizes.args),
      shape: fc.constant(sizes.shape),
      seed: fc.integer({ min: 1, max: 1e6 }),
      epsilon: fc.constantFrom(DEFAULT_EPSILON, 1e-6, 1e-2),
      factor: fc.double({ min: 0.01, max: 100, noNaN: true }),
    }),
  );
  const before = tf.memory().numTensors;
  fc.assert(
    fc.property(samples, (sample) => {
      const layers: NormalizedLayer[] = [];
      const make: Make = (args) => {
        const layer = factory({ ...sample.args, ...args } as never);
        // Built, with weights of any size, so that g is not ||v||, but away from 0, where directions are not defined.
        layer.apply(tf.zeros(sample.shape));
        layers.push(layer);
        for (const [i, weight] of layer.trainableWeights.entries()) {
          const values = normal(weight.shape as number[], sample.seed + i);
          variableOf(weight).assign(values.add(values.sign().mul(0.5)));
        }
        return layer;
      };
      try {
        tf.tidy(() => property(make, sample));
      } finally {
        for (const layer of layers) layer.dispose();
      }
    }),
    { numRuns, seed: 20260101 },
  );
  expect(tf.memory().numTensors).toBe(before);
}

/** Output and gradients of a layer on a random input, the same for the same sample. */
function run(layer: NormalizedLayer, { shape, seed }: Sample, training = false) {
  const dy = normal(layer.computeOutputShape(shape) as number[], seed + 11);
  const { y, gradients } = outputAndGradients(layer, normal(shape, seed + 10), dy, training);
  const output = y.clone();
  y.dispose(); // the caller's tidy does not free what is kept
  return { y: output, gradients };
}

/** Each kernel of a layer: v, dL/dv and sums over a unit. */
function kernelsOf(layer: NormalizedLayer, gradients: Record<string, tf.Tensor>) {
  return layer.kernels.map(({ name, variable, unitAxes, gain }) => {
    const v = variable.read();
    const sum = (t: tf.Tensor) =>
      tf.sum(
        t,
        v.shape.map((_, axis) => axis).filter((axis) => !unitAxes.includes(axis)),
        true,
      );
    const perUnit = sum(v).shape;
    const gainGradient = () => {
      const variable = gain as tf.LayerVariable;
      return tf.mul(variable.read(), gradients[variable.originalName.split('/').at(-1)!]).reshape(perUnit);
    };
    return { v, dv: gradients[name], sum, gainGradient };
  });
}

/** |actual| <= tolerance x scale everywhere. */
function expectSmall(actual: tf.Tensor, scale: tf.Tensor, tolerance: number): void {
  const worst = tf.div(tf.abs(actual), tf.add(scale, 1e-30)).max().dataSync()[0];
  expect(worst).toBeLessThan(tolerance);
}

/** The epsilon of a layer whose v is `factor` times as long; the default one is too small to matter. */
const scaledEpsilon = ({ epsilon, factor }: Sample, power: number) =>
  epsilon === DEFAULT_EPSILON ? epsilon : epsilon * factor ** power;

/** Makes v `factor` times as long. */
function scaleKernels(layer: NormalizedLayer, factor: number, kernels = layer.kernels): void {
  for (const { variable } of kernels) variableOf(variable).assign(variable.read().mul(factor));
}

function expectSameGradients(
  layer: NormalizedLayer,
  actual: Record<string, tf.Tensor>,
  expected: Record<string, tf.Tensor>,
  scaled: Record<string, number>,
  tolerance: number,
): void {
  expect(Object.keys(actual).length).toBe(layer.trainableWeights.length + 1);
  for (const [name, gradient] of Object.entries(actual))
    expectClose(gradient.mul(scaled[name] ?? 1), expected[name], tolerance);
}

describe.each(KINDS)('%s', (...kind) => {
  describe("with 'weight'", () => {
    test('dL/dv is orthogonal to v, but for epsilon', () => {
      check(kind, (make, sample) => {
        const { epsilon } = sample;
        const layer = make({ normalization: 'weight', epsilon });
        const { gradients } = run(layer, sample);
        for (const { v, dv, sum, gainGradient } of kernelsOf(layer, gradients)) {
          const squaredNorm = sum(v.square()).add(epsilon);
          // From equation 3, with ||v||^2 = sum(v^2) + epsilon: v . dL/dv = epsilon / ||v||^2 g dL/dg.
          const expected = gainGradient().mul(epsilon).div(squaredNorm);
          // The two terms that cancel are as large as g dL/dg, or as the parts of v . dL/dv.
          const scale = gainGradient()
            .abs()
            .add(sum(v.mul(dv).abs()));
          expectSmall(sum(v.mul(dv)).sub(expected), scale.max(), 2e-5);
        }
      });
    });

    test('under plain SGD the squared length grows by the squared step', () => {
      check(kind, (make, sample) => {
        const layer = make({ normalization: 'weight' });
        const x = normal(sample.shape, sample.seed + 10);
        const old = layer.kernels.map(({ variable }) => variable.read().clone());
        const optimizer = tf.train.sgd(0.3);
        const variables = layer.trainableWeights.map(variableOf);
        optimizer.minimize(() => (layer.apply(x) as tf.Tensor).sub(1).square().mean(), false, variables);
        optimizer.dispose();
        for (const [i, { v, sum }] of kernelsOf(layer, {}).entries()) {
          const [before, step] = [sum(old[i].square()), sum(v.sub(old[i]).square())];
          expectSmall(sum(v.square()).sub(before.add(step)), before.add(step).max(), 1e-5);
        }
      });
    });

    test('the output does not depend on the length of v, and dL/dv is as much shorter as v is longer', () => {
      check(kind, (make, sample) => {
        const [layer, longer] = [sample.epsilon, scaledEpsilon(sample, 2)].map((epsilon) =>
          make({ normalization: 'weight', epsilon }),
        );
        scaleKernels(longer, sample.factor);
        const [{ y, gradients }, actual] = [layer, longer].map((each) => run(each, sample));
        expectClose(actual.y, y);
        const scaled = Object.fromEntries(layer.kernels.map(({ name }) => [name, sample.factor]));
        expectSameGradients(layer, actual.gradients, gradients, scaled, 3e-5);
      });
    });
  });

  describe.each([
    ['centered-weight', 2],
    ['weight-standardization', 1],
    ['scaled-weight-standardization', 2],
  ] as const)("with '%s'", (normalization, power) => {
    test('a constant added to a unit of v changes neither output nor dL/dv, whose sum is 0 in each unit', () => {
      check(
        kind,
        (make, sample) => {
          const [layer, shifted] = [0, 1].map(() => make({ normalization, epsilon: sample.epsilon }));
          for (const { v, sum } of kernelsOf(shifted, {}))
            (v as tf.Variable).assign(v.add(normal(sum(v).shape, sample.seed + 20)));
          const [{ y, gradients }, actual] = [layer, shifted].map((each) => run(each, sample));
          expectClose(actual.y, y, 3e-5);
          expectSameGradients(layer, actual.gradients, gradients, {}, 1e-4);
          // Units of two elements have the gradient 0: what is left is the rounding of numbers about 1.
          for (const { dv, sum } of kernelsOf(layer, gradients)) expectSmall(sum(dv), sum(dv.abs()).max().add(1), 1e-5);
        },
        { least: 2, numRuns: 6 },
      );
    });

    test('dL/dv is orthogonal to v', () => {
      check(
        kind,
        (make, sample) => {
          const layer = make({ normalization, epsilon: DEFAULT_EPSILON });
          const { gradients } = run(layer, sample);
          for (const { v, dv, sum } of kernelsOf(layer, gradients))
            expectSmall(sum(v.mul(dv)), sum(v.mul(dv).abs()).max().add(1), 2e-5);
        },
        { least: 2, numRuns: 4 },
      );
    });

    test('the output does not depend on the length of v, and dL/dv is as much shorter as v is longer', () => {
      check(
        kind,
        (make, sample) => {
          const [layer, longer] = [sample.epsilon, scaledEpsilon(sample, power)].map((epsilon) =>
            make({ normalization, epsilon }),
          );
          scaleKernels(longer, sample.factor);
          const [{ y, gradients }, actual] = [layer, longer].map((each) => run(each, sample));
          expectClose(actual.y, y, 3e-5);
          const scaled = Object.fromEntries(layer.kernels.map(({ name }) => [name, sample.factor]));
          expectSameGradients(layer, actual.gradients, gradients, scaled, 1e-4);
        },
        { least: 2, numRuns: 6 },
      );
    });
  });

  test.each(['batch', 'layer', 'group'] as const)(
    "with '%s' the output does not depend on the length of the whole kernel, and dL/dw is as much shorter",
    (normalization) => {
      check(
        kind,
        (make, sample) => {
          const { factor } = sample;
          const varianceEpsilon = 1e-3;
          const [layer, longer] = [varianceEpsilon, varianceEpsilon * factor ** 2].map((epsilon) =>
            make({ normalization, varianceEpsilon: epsilon }),
          );
          const last = layer.kernels.at(-1)!.name;
          scaleKernels(longer, factor, longer.kernels.slice(-1));
          const [{ y, gradients }, actual] = [layer, longer].map((each) => run(each, sample, true));
          expectClose(actual.y, y, 3e-5);
          expectSameGradients(layer, actual.gradients, gradients, { [last]: factor }, 1e-3);
        },
        { least: 2, numRuns: 6 },
      );
    },
  );

  test.each([
    'weight',
    'centered-weight',
    'scaled-weight-standardization',
    'batch',
    'weight+mean-only-batch',
    'weight+batch',
  ] as const)("dataDependentInit gives each unit mean 0 and std 1 with '%s'", (normalization) => {
    check(
      kind,
      (make, sample) => {
        const shape = [sample.shape[0] + 4, ...sample.shape.slice(1)];
        const layer = make({ normalization });
        const model = tf.sequential({ layers: [tf.layers.inputLayer({ inputShape: shape.slice(1) }), layer] });
        const x = normal(shape, sample.seed + 10)
          .mul(3)
          .add(1);
        expect(dataDependentInit(model, x).warnings).toEqual([]);
        const y = model.apply(x) as tf.Tensor;
        const { mean, variance } = tf.moments(y, y.shape.map((_, axis) => axis).slice(0, -1));
        expectClose(mean, tf.zerosLike(mean), 1e-4);
        expectClose(variance.sqrt(), tf.onesLike(variance), 1e-4);
        model.dispose();
      },
      { least: 2, numRuns: 3 },
    );
  });
});
