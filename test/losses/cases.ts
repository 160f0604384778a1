import * as tf from '@tensorflow/tfjs';
import * as losses from '../../src/losses/index.ts';
import type { InputSpec, TypedArray } from '../../src/runtime/compile/index.ts';
import { askPython } from '../python-oracle.ts';
import type { Nested } from '../weightnorm/support.ts';

export interface Input extends InputSpec {
  readonly values: TypedArray;
}

// biome-ignore lint/suspicious/noExplicitAny: tensors of the ranks that each function takes
type Tensors = Record<string, any>;

/** A function of src/losses with settings and inputs: what the oracle solves too. */
export interface LossCase {
  readonly title: string;
  /** The function's name, by which the oracle knows it. */
  readonly kind: string;
  readonly settings: object;
  readonly inputs: Readonly<Record<string, Input>>;
  /** The inputs that have gradients. */
  readonly differentiated: readonly string[];
  /** How far results may be off, as a part of 1 + the largest. */
  readonly tolerance: number;
  readonly forward: (tensors: Tensors) => tf.Tensor;
}

/** Numbers from 0 to 1 that depend on the seed alone: a linear congruential generator, whose high bits are random. */
function uniforms(count: number, seed: number): number[] {
  let state = (seed * 2_654_435_761 + 12_345) >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  });
}

const sizeOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

/** Float32 numbers from `low` to `high`. */
export function numbers(shape: readonly number[], seed: number, low = -2, high = 2): Input {
  const values = Float32Array.from(uniforms(sizeOf(shape), seed), (u) => low + (high - low) * u);
  return { shape, dtype: 'float32', values };
}

export function given(shape: readonly number[], values: readonly number[]): Input {
  return { shape, dtype: 'float32', values: Float32Array.from(values) };
}

function integers(shape: readonly number[], values: readonly number[]): Input {
  return { shape, dtype: 'int32', values: Int32Array.from(values) };
}

/** Rows of probabilities. */
export function probabilities([rows, columns]: readonly [number, number], seed: number): Input {
  const values = uniforms(rows * columns, seed);
  const sums = Array.from({ length: rows }, (_, row) =>
    values.slice(row * columns, (row + 1) * columns).reduce((sum, value) => sum + value, 0),
  );
  return given(
    [rows, columns],
    values.map((value, i) => value / sums[Math.floor(i / columns)]),
  );
}

export function tensorOf({ shape, dtype, values }: Input): tf.Tensor {
  return tf.tensor(values, [...shape], dtype as 'float32' | 'int32' | 'bool');
}

/** The numbers as JSON has them. */
function nested(input: Input): Nested {
  const tensor = tensorOf(input);
  const values = tensor.arraySync() as Nested;
  tensor.dispose();
  return values;
}

export function tensorsOf(inputs: LossCase['inputs']): Tensors {
  return Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, tensorOf(input)]));
}

const C51 = { vMin: -10, vMax: 10, atoms: 51 };
const ACTIONS = integers([4], [2, 0, 1, 2]);
const DISCOUNTS = given([4], [0.99, 0, 0.970299, 0.5]);

const BATCH_VALUES = { actionValues: numbers([4, 3], 1), actions: ACTIONS };
const TARGETS = { returns: numbers([4], 2), discounts: DISCOUNTS, nextValues: numbers([4, 3], 3) };

type CaseOptions = Omit<LossCase, 'title' | 'kind' | 'settings' | 'differentiated' | 'tolerance'> &
  Partial<Pick<LossCase, 'settings' | 'differentiated' | 'tolerance'>>;

const make = (kind: string, what: string, options: CaseOptions): LossCase => ({
  title: what === '' ? kind : `${kind}, ${what}`,
  kind,
  settings: {},
  differentiated: [],
  tolerance: 1e-5,
  ...options,
});

const projections = [
  ['C51', C51, 4],
  ['rewards beyond the support', { vMin: -1, vMax: 1, atoms: 11 }, 3],
  ['a narrow support far from 0', { vMin: 1000, vMax: 1010, atoms: 51 }, 40],
  ['many atoms', { vMin: -500, vMax: 500, atoms: 401 }, 100],
  ['two atoms', { vMin: 0, vMax: 1, atoms: 2 }, 1],
] as const;

const quantiles = [
  ['QR-DQN', 1, { taus: given([4], [0.125, 0.375, 0.625, 0.875]), targets: numbers([3, 5], 12) }],
  ['IQN', 1, { taus: numbers([3, 4], 13, 0, 1), targets: numbers([3, 7], 14) }],
  ['kappa 0.3', 0.3, { taus: numbers([3, 4], 15, 0, 1), targets: numbers([3, 4], 16) }],
  ['kappa 0', 0, { taus: numbers([3, 4], 17, 0, 1), targets: numbers([3, 5], 18) }],
] as const;

const munchausen = [
  ['as on Atari', { alpha: 0.9, temperature: 0.03, clipMin: -1 }, 1],
  ['a warm policy', { alpha: 0.5, temperature: 1.5, clipMin: -2 }, 1],
  ['values that would overflow', { alpha: 0.9, temperature: 0.03, clipMin: -50 }, 100],
] as const;

const ROLLOUT = { rewards: numbers([6, 3], 30), nextValues: numbers([6, 3], 31) };
const CONTINUING = given([6, 3], new Array(18).fill(0.99));
/** Terminations in the first lane (twice in a row) and in the second lane's last step. */
const ENDING = given(
  [6, 3],
  Array.from({ length: 18 }, (_, i) => ([3, 6, 16].includes(i) ? 0 : 0.99)),
);
/** Truncations in the first lane before its terminations and with one, and in the last lane's last step. */
const TRUNCATED: Input = {
  shape: [6, 3],
  dtype: 'bool',
  values: Uint8Array.from({ length: 18 }, (_, i) => Number([0, 6, 5, 17].includes(i))),
};

const lambdaReturns = [
  ['no ends', 0.65, { discounts: CONTINUING }],
  ['terminations', 0.65, { discounts: ENDING }],
  ['truncations too', 0.65, { discounts: ENDING, truncated: TRUNCATED }],
  ['lambda 0', 0, { discounts: ENDING, truncated: TRUNCATED }],
  ['lambda 1', 1, { discounts: ENDING, truncated: TRUNCATED }],
] as const;

export const CASES: readonly LossCase[] = [
  make('greedyActions', '', { inputs: BATCH_VALUES, forward: (t) => losses.greedyActions(t.actionValues) }),
  make('valuesOf', '', {
    inputs: BATCH_VALUES,
    differentiated: ['actionValues'],
    forward: (t) => losses.valuesOf(t.actionValues, t.actions),
  }),
  make('qLearningTargets', '', {
    inputs: TARGETS,
    forward: (t) => losses.qLearningTargets(t.returns, t.discounts, t.nextValues),
  }),
  make('qLearningTargets', 'double', {
    inputs: { ...TARGETS, choosingValues: numbers([4, 3], 4) },
    forward: (t) => losses.qLearningTargets(t.returns, t.discounts, t.nextValues, t.choosingValues),
  }),
  ...[1, 0.4, 2.5].map((threshold) =>
    make('huber', `threshold ${threshold}`, {
      settings: { threshold },
      inputs: { errors: numbers([20], 5, -4, 4) },
      differentiated: ['errors'],
      forward: (t) => losses.huber(t.errors, threshold),
    }),
  ),
  make('huber', 'as a regression loss', {
    settings: { threshold: 1 },
    inputs: { errors: numbers([20], 6, -4, 4) },
    differentiated: ['errors'],
    forward: (t) => losses.regressionLoss('huber', t.errors),
  }),
  make('squared', '', {
    inputs: { errors: numbers([20], 7, -4, 4) },
    differentiated: ['errors'],
    forward: (t) => losses.regressionLoss('squared', t.errors),
  }),
  make('distributionsOf', '', {
    inputs: { distributions: numbers([4, 3, 5], 8), actions: ACTIONS },
    differentiated: ['distributions'],
    forward: (t) => losses.distributionsOf(t.distributions, t.actions),
  }),
  make('supportAtoms', '', { settings: C51, inputs: {}, forward: () => losses.supportAtoms(C51) }),
  make('expectedValues', '', {
    settings: C51,
    inputs: { logits: numbers([2, 3, 51], 9, -4, 4) },
    differentiated: ['logits'],
    forward: (t) => losses.expectedValues(t.logits, C51),
  }),
  ...projections.map(([what, support, size], i) =>
    make('projectDistribution', what, {
      settings: support,
      tolerance: 1e-6 * Math.max(10, support.atoms), // float32 positions among the atoms
      inputs: {
        probabilities: probabilities([4, support.atoms], 20 + i),
        returns: numbers([4], 25 + i, -size, size),
        discounts: DISCOUNTS,
      },
      forward: (t) => losses.projectDistribution(t.probabilities, t.returns, t.discounts, support),
    }),
  ),
  ...[4, 300].map((size) =>
    make('categoricalCrossEntropy', `logits up to ${size}`, {
      inputs: { logits: numbers([4, 11], 10, -size, size), targets: probabilities([4, 11], 11) },
      differentiated: ['logits'],
      forward: (t) => losses.categoricalCrossEntropy(t.logits, t.targets),
    }),
  ),
  make('categoricalEntropy', '', {
    inputs: { probabilities: probabilities([4, 11], 12) },
    forward: (t) => losses.categoricalEntropy(t.probabilities),
  }),
  make('categoricalEntropy', 'certain returns', {
    inputs: { probabilities: given([2, 3], [1, 0, 0, 0, 0.5, 0.5]) },
    forward: (t) => losses.categoricalEntropy(t.probabilities),
  }),
  make('quantileMidpoints', '', {
    settings: { count: 200 },
    inputs: {},
    forward: () => losses.quantileMidpoints(200),
  }),
  make('quantileTargets', '', {
    inputs: { returns: numbers([4], 2), discounts: DISCOUNTS, nextQuantiles: numbers([4, 5], 19) },
    forward: (t) => losses.quantileTargets(t.returns, t.discounts, t.nextQuantiles),
  }),
  ...quantiles.map(([what, kappa, inputs]) =>
    make('quantileHuberLoss', what, {
      settings: { kappa },
      inputs: { estimates: numbers([3, 4], 11), ...inputs },
      differentiated: ['estimates', 'taus', 'targets'],
      forward: (t) => losses.quantileHuberLoss(t.estimates, t.taus, t.targets, kappa),
    }),
  ),
  ...munchausen.flatMap(([what, options, size], i) => {
    const actionValues = numbers([4, 6], 40 + i, -size, size);
    return [
      make('scaledLogPolicy', what, {
        settings: options,
        inputs: { actionValues },
        differentiated: ['actionValues'],
        forward: (t) => losses.scaledLogPolicy(t.actionValues, options.temperature),
      }),
      make('softValues', what, {
        settings: options,
        inputs: { actionValues },
        differentiated: ['actionValues'],
        forward: (t) => losses.softValues(t.actionValues, options.temperature),
      }),
      make('munchausenTargets', what, {
        settings: options,
        inputs: {
          returns: numbers([4], 44),
          discounts: DISCOUNTS,
          nextValues: actionValues,
          values: numbers([4, 6], 45 + i, -size, size),
          actions: ACTIONS,
        },
        forward: (t) => losses.munchausenTargets(t.returns, t.discounts, t.nextValues, t.values, t.actions, options),
      }),
      make('munchausenQuantileTargets', what, {
        settings: options,
        inputs: {
          returns: numbers([4], 44),
          discounts: DISCOUNTS,
          nextQuantiles: numbers([4, 6, 3], 48 + i, -size, size),
          nextValues: actionValues,
          values: numbers([4, 6], 45 + i, -size, size),
          actions: ACTIONS,
        },
        forward: (t) =>
          losses.munchausenQuantileTargets(
            ...([t.returns, t.discounts, t.nextQuantiles, t.nextValues, t.values, t.actions, options] as const),
          ),
      }),
    ];
  }),
  ...lambdaReturns.map(([what, lambda, inputs]) =>
    make('lambdaReturns', what, {
      settings: { lambda },
      inputs: { ...ROLLOUT, ...inputs },
      forward: (t) => losses.lambdaReturns(t.rewards, t.discounts, t.nextValues, lambda, t.truncated),
    }),
  ),
];

/** A case's result, and the gradients of sum(result x weights) with respect to what has gradients. */
export function valueAndGradients({ inputs, differentiated, forward }: LossCase): Record<string, tf.Tensor> {
  return withGradients(tensorsOf(inputs), differentiated, forward);
}

export function withGradients(
  tensors: Tensors,
  differentiated: LossCase['differentiated'],
  forward: LossCase['forward'],
): Record<string, tf.Tensor> {
  const value = forward(tensors);
  if (differentiated.length === 0) return { value };
  const weights = tensorOf(weightsOf(value.shape));
  const gradients = tf.grads((...points: tf.Tensor[]) => {
    const moved = Object.fromEntries(differentiated.map((name, i) => [name, points[i]]));
    return forward({ ...tensors, ...moved })
      .mul(weights)
      .sum();
  })(differentiated.map((name) => tensors[name]));
  return { value, ...Object.fromEntries(differentiated.map((name, i) => [`gradient_${name}`, gradients[i]])) };
}

const weightsOf = (shape: readonly number[]) => numbers(shape, 99, 0.5, 1.5);

/** What the oracle has in place of `valueAndGradients`, one for each case. */
export function solve(cases: readonly LossCase[]): Record<string, Nested>[] {
  const questions = cases.map(({ kind, settings, inputs, differentiated, forward }) => {
    let shape: number[] = [];
    tf.tidy(() => {
      shape = forward(tensorsOf(inputs)).shape;
    });
    return {
      kind,
      settings,
      tensors: Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, nested(input)])),
      differentiated,
      weights: nested(weightsOf(shape)),
    };
  });
  const answers = askPython<{ value: Nested; gradients: Record<string, Nested> }[]>(
    new URL('./oracle.py', import.meta.url),
    questions,
  );
  return answers.map(({ value, gradients }) => ({
    value,
    ...Object.fromEntries(Object.entries(gradients).map(([name, gradient]) => [`gradient_${name}`, gradient])),
  }));
}
