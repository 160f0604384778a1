import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { createOptimizer, type OptimizerConfig } from '../../src/optimizers/index.ts';
import { compile } from '../../src/runtime/compile/index.ts';
import { conv2d, dense } from '../../src/weightnorm/index.ts';
import { askPython } from '../python-oracle.ts';
import { type Nested, normal, variableOf } from './support.ts';

const STEPS = 10;
const BATCH = 6;
/**
 * Largest error, relative to the largest element of a weight. Each of ten steps rounds some tens of sums and products
 * to 6e-8 of the largest, which gives up to 1e-6; the largest error seen is 9e-7, and ten times that is left to other
 * processors. Every weight moves by 2.5 % or more, so an update that is wrong by 1 % shows.
 */
const BOUND = 1e-5;
/** Rounds a number as float32 holds it: the oracle computes in float64 from the same numbers. */
const f = Math.fround;

/** What one step does with gradients, in the order of the variables. */
interface Stepper {
  step(gradients: tf.Tensor[]): void;
  dispose(): void;
}
interface Case {
  name: string;
  make(variables: tf.Variable[]): Stepper;
  /** The oracle's rule and its settings. */
  rule: string;
  settings: Record<string, number | boolean>;
}

function ofTfjs(name: string, make: () => tf.Optimizer, rule: string, settings: Case['settings']): Case {
  return {
    name: `tf.train.${name}`,
    rule,
    settings,
    make(variables) {
      const optimizer = make();
      return {
        step: (gradients) =>
          optimizer.applyGradients(variables.map(({ name }, i) => ({ name, tensor: gradients[i] })) as never),
        dispose: () => optimizer.dispose(),
      };
    },
  };
}

function ofOurs(config: OptimizerConfig, rule: string): Case {
  const { name, learningRate: lr, ...settings } = config;
  const centered = rule === 'rmsprop' && { centered: true };
  return {
    name: `createOptimizer's ${name}`,
    rule,
    settings: { lr, ...settings, ...centered } as Case['settings'],
    make(variables) {
      const optimizer = createOptimizer(
        config,
        variables.map((variable) => ({ name: variable.name, variable })),
      );
      return { step: (gradients) => optimizer.applyGradients(gradients), dispose: () => optimizer.dispose() };
    },
  };
}

const lr = f(0.02);
const betas = { beta1: f(0.9), beta2: f(0.999) };
const epsilon = f(1e-4);
const momentum = f(0.9);
const decay = f(0.9);
const CASES: Case[] = [
  ofTfjs('sgd', () => tf.train.sgd(f(0.1)), 'sgd', { lr: f(0.1) }),
  ofTfjs('adam', () => tf.train.adam(lr, betas.beta1, betas.beta2, epsilon), 'adam', { lr, ...betas, epsilon }),
  ofTfjs('rmsprop', () => tf.train.rmsprop(lr, decay, momentum, epsilon), 'rmsprop', {
    ...{ lr, decay, momentum, epsilon },
    centered: false,
  }),
  ofOurs({ name: 'sgd', learningRate: f(0.1), momentum }, 'sgd'),
  ofOurs({ name: 'adam', learningRate: lr, ...betas, epsilon }, 'adam_epsilon_hat'),
  ofOurs({ name: 'adamax', learningRate: lr, ...betas, epsilon }, 'adamax'),
  ofOurs({ name: 'centered-rmsprop', learningRate: lr, decay, momentum, epsilon: f(0.01) }, 'rmsprop'),
];

/**
 * Each is a layer, ReLU and a dense layer. With these sizes the dense layer that comes first and the one after the
 * convolution scale their outputs, the others their kernels.
 */
const NETS = {
  dense: { conv: null, shape: [8], first: () => dense({ units: 4, activation: 'relu', inputShape: [8] }) },
  conv2d: {
    conv: { size: 3, stride: 2 },
    shape: [7, 7, 2],
    first: () => conv2d({ filters: 4, kernelSize: 3, strides: 2, activation: 'relu', inputShape: [7, 7, 2] }),
  },
} as const;
type NetName = keyof typeof NETS;
const NAMES = Object.keys(NETS) as NetName[];

/** A net with random v, b and g, and its batch. */
function makeNet(name: NetName) {
  const { conv, shape, first } = NETS[name];
  const flatten = conv ? [tf.layers.flatten()] : [];
  const model = tf.sequential({ layers: [first(), ...flatten, dense({ units: 2 })] });
  tf.tidy(() => model.setWeights(model.weights.map((weight, i) => normal(weight.shape as number[], SEED + i))));
  const variables = model.trainableWeights.map(variableOf);
  const x = normal([BATCH, ...shape], SEED + 20);
  const target = normal([BATCH, 2], SEED + 21);
  return {
    model,
    variables,
    x,
    target,
    dispose() {
      model.dispose();
      tf.dispose([x, target]);
    },
  };
}
/** With this seed no pre-activation comes near 0 in ten steps, see `kink`. */
const SEED = 400;

/** The weights before and after the steps. */
function train(netName: NetName, { make }: Case, compiled: boolean): { before: Float32Array[]; after: Float32Array[] } {
  const { model, variables, x, target, dispose } = makeNet(netName);
  const values = () => variables.map((variable) => variable.dataSync().slice() as Float32Array);
  const before = values();
  const stepper = make(variables);
  const learn = (x: tf.Tensor, target: tf.Tensor) =>
    tf.tidy(() => {
      const loss = () => (model.apply(x) as tf.Tensor).sub(target).square().mean() as tf.Scalar;
      const { grads } = tf.variableGrads(loss, variables);
      stepper.step(variables.map(({ name }) => grads[name]));
    });
  // tfjs's optimizers make their slots in the first step, and a compiled step makes no variables.
  learn(x, target);
  const program = compile(
    {
      learn: {
        inputs: {
          x: { shape: x.shape, dtype: 'float32' },
          target: { shape: target.shape, dtype: 'float32' },
        },
        fn: ({ x, target }) => learn(x, target),
      },
    },
    { eager: !compiled },
  );
  expect(program.compiled).toBe(compiled);
  for (let i = 1; i < STEPS; i++) program.steps.learn.values({ x, target });
  program.pull();
  const after = values();
  program.dispose();
  stepper.dispose();
  dispose();
  return { before, after };
}

interface Expected {
  weights: Nested[];
  kink: number;
}
let expected: Record<NetName, Expected[]>;

beforeAll(() => {
  const cases = NAMES.flatMap((name) => {
    const { variables, x, target, dispose } = makeNet(name);
    const data = {
      conv: NETS[name].conv,
      x: x.arraySync(),
      target: target.arraySync(),
      weights: variables.map((variable) => variable.arraySync()),
      steps: STEPS,
    };
    dispose();
    return CASES.map(({ rule, settings }) => ({ ...data, rule, settings }));
  });
  const results = askPython<Expected[]>(new URL('./optimizer_steps_oracle.py', import.meta.url), cases);
  expected = Object.fromEntries(
    NAMES.map((name, i) => [name, results.slice(i * CASES.length, (i + 1) * CASES.length)]),
  ) as typeof expected;
});

describe.each(NAMES)('ten steps of a net that starts with %s', (netName) => {
  describe.each(CASES)('$name', (optimizer) => {
    test.each(['op by op', 'compiled'])('equal the updates derived by hand (%s)', (way) => {
      const tensors = tf.memory().numTensors;
      const { before, after } = train(netName, optimizer, way === 'compiled');
      expect(tf.memory().numTensors).toBe(tensors);

      const { weights, kink } = expected[netName][CASES.indexOf(optimizer)];
      // Else float32 and float64 could disagree on which side of 0 a ReLU is.
      expect(kink).toBeGreaterThan(1e-4);
      expect(after.length).toBe(6); // v, b, g of two layers
      after.forEach((values, i) => {
        const exact = tf.util.flatten(weights[i] as number[]) as number[];
        const largest = (differences: (value: number, element: number) => number) =>
          Math.max(...exact.map((value, element) => Math.abs(differences(value, element))));
        const size = largest((value) => value);
        const moved = exact.map((value, element) => Math.abs(value - before[i][element]));
        const error = largest((value, element) => value - values[element]);
        expect(Math.max(...moved) / size, 'movement').toBeGreaterThan(0.02);
        expect(Math.min(...moved) / size, 'movement of every element').toBeGreaterThan(BOUND);
        expect(error / size, 'error').toBeLessThan(BOUND);
      });
    });
  });
});
