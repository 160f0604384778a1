// What extreme numbers do: these tests compute the tables of docs/weight-normalization/extreme-values.md and compare.
import '../node-backend.ts';
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { compile } from '../../src/runtime/compile/index.ts';
import {
  batchNormalize,
  centeredWeightNormalize,
  conv2d,
  conv2dTranspose,
  dataDependentInit,
  dense,
  depthwiseConv2d,
  groupNormalize,
  KERNEL_NORMALIZATIONS,
  type KernelNormalization,
  layerNormalize,
  meanOnlyBatchNormalize,
  type Normalization,
  type NormalizationArgs,
  type NormalizedLayer,
  OUTPUT_NORMALIZATIONS,
  type OutputNormalization,
  scaledStandardizeWeights,
  standardizeWeights,
  VARIANCE_EPSILON,
  weightNormalize,
} from '../../src/weightnorm/index.ts';
import { expectClose, normal, outputAndGradients, variableOf } from './support.ts';

const page = readFileSync(new URL('../../docs/weight-normalization/extreme-values.md', import.meta.url), 'utf8');

/** The rows of the table under a heading of the page, without its head. */
function documented(heading: string): string[] {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  const lines = section?.split('\n').filter((line) => line.startsWith('|')) ?? [];
  return lines.slice(2);
}
const row = (...cells: string[]) => `| ${cells.join(' | ')} |`;

beforeAll(() => tf.enableProdMode()); // no banner about the node backend on the cpu backend
let tensors = 0;
beforeAll(() => {
  tensors = tf.memory().numTensors;
});
afterEach(() => {
  expect(tf.memory().numTensors).toBe(tensors);
});

type Arrays = Record<string, number[]>;
type Run = (
  inputs: Record<string, [values: number[], shape: number[]]>,
  fn: (tensors: Record<string, tf.Tensor>) => Record<string, tf.Tensor>,
) => Arrays;

const opByOp: Run = (inputs, fn) =>
  tf.tidy(() => {
    const outputs = fn(
      Object.fromEntries(Object.entries(inputs).map(([name, [values, shape]]) => [name, tf.tensor(values, shape)])),
    );
    return Object.fromEntries(
      Object.entries(outputs).map(([name, tensor]) => [name, Array.from(tensor.dataSync())]),
    ) as unknown as tf.TensorContainer;
  }) as unknown as Arrays;

const compiled: Run = (inputs, fn) => {
  const specs = Object.entries(inputs).map(([name, [, shape]]) => [name, { shape, dtype: 'float32' as const }]);
  const program = compile({ step: { inputs: Object.fromEntries(specs), fn } });
  expect(program.compiled).toBe(true);
  const values = Object.entries(inputs).map(([name, [numbers]]) => [name, Float32Array.from(numbers)]);
  const outputs = program.steps.step.values(Object.fromEntries(values));
  program.dispose();
  return Object.fromEntries(Object.entries(outputs).map(([name, numbers]) => [name, Array.from(numbers)]));
};

/** How a result stands to what float64 gives. */
function word(actual: number[], expected: number[]): string {
  const nans = actual.filter(Number.isNaN).length;
  if (nans > 0) return nans === actual.length ? 'NaN' : 'partly NaN';
  if (!actual.every(Number.isFinite)) return 'infinite';
  const size = Math.max(...expected.map(Math.abs));
  if (actual.every((value, i) => Math.abs(value - expected[i]) <= 1e-5 * size)) return 'exact';
  return actual.every((value) => value === 0) ? 'lost' : 'off';
}

/** "exact" where all are, else "w exact, dv off". */
function summary(words: Record<string, string>): string {
  const [first, ...others] = Object.values(words);
  if (others.every((other) => other === first)) return first;
  return Object.entries(words)
    .map(([name, text]) => `${name} ${text}`)
    .join(', ');
}

// Kernels: two units of eight elements, whose mean is exact where they are equal; the first one is extreme.
const UNIT = [1, 0.5, -1.5, 0.75, -0.25, 2, -1, 1.25];
const ORDINARY = [-2, 1, 3, -0.5, 0.25, 1.5, -1, 0.75];
const DW = [1, -0.5, 0.25, 2, -1, 0.5, 1.5, -0.75].map((value) => [value, 1 - value]);
const G = [2, 3];

const times = (factor: number) => UNIT.map((value) => value * factor);
const with0 = (value: number) => [value, ...UNIT.slice(1)];
/** v of the first unit, and g where that is what is extreme. */
const KERNEL_CASES: [string, number[], number?][] = [
  ['v of 1e12', times(1e12)],
  ['v of 1e18', times(1e18)],
  ['v of 1e30', times(1e30)],
  ['v of 1e30 in one element', with0(1e30)],
  ['v of 1e-30', times(1e-30)],
  ['v of 1e-40, denormal', times(1e-40)],
  ['v of 1e-30 in one element', with0(1e-30)],
  ['v = 0', times(0)],
  ['v of equal elements', UNIT.map(() => 1)],
  ['NaN in one element of v', with0(Number.NaN)],
  ['Infinity in one element of v', with0(Number.POSITIVE_INFINITY)],
  ['g = 0', UNIT, 0],
  ['g of 1e30', UNIT, 1e30],
  ['g NaN', UNIT, Number.NaN],
];

const KERNEL_FUNCTIONS: Record<KernelNormalization, (v: tf.Tensor, g: tf.Tensor) => tf.Tensor> = {
  weight: weightNormalize,
  'centered-weight': centeredWeightNormalize,
  'weight-standardization': (v) => standardizeWeights(v),
  'scaled-weight-standardization': scaledStandardizeWeights,
};

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const minus = (values: number[], number: number) => values.map((value) => value - number);

/** w = g c / D of one unit, c being v or v - mean(v); dD/dc = c / E. In float64, which holds all squares of float32. */
function exactKernel(normalization: KernelNormalization, unit: number[], gain: number, dw: number[]) {
  const v = unit.map(Math.fround);
  const centred = normalization !== 'weight';
  const c = centred ? minus(v, mean(v)) : v;
  const squares = dot(c, c);
  const std = Math.sqrt(squares / v.length);
  const root = Math.sqrt(squares + 1e-12);
  const [d, e, g] = {
    weight: [root, root, gain],
    'centered-weight': [root, root, gain],
    'weight-standardization': [std + 1e-5, v.length * std, 1],
    'scaled-weight-standardization':
      squares > 1e-4 ? [Math.sqrt(squares), Math.sqrt(squares), gain] : [1e-2, Number.POSITIVE_INFINITY, gain],
  }[normalization];
  const along = e === 0 ? 0 : dot(dw, c) / (d * e);
  const dc = dw.map((value, i) => (g / d) * (value - along * c[i]));
  return {
    w: c.map((value) => (g * value) / d),
    dv: centred ? minus(dc, mean(dc)) : dc,
    dg: normalization === 'weight-standardization' ? [] : [dot(dw, c) / d],
  };
}

function runKernel(normalization: KernelNormalization, unit: number[], gain: number, run: Run) {
  const fn = KERNEL_FUNCTIONS[normalization];
  const pairs = (values: number[]) => values.filter((_, i) => i % 2 === 0);
  const shape = [UNIT.length, 2];
  const inputs: Parameters<Run>[0] = {
    v: [unit.flatMap((value, i) => [value, ORDINARY[i]]), shape],
    g: [[gain, G[1]], [2]],
    dw: [DW.flat(), shape],
  };
  const outputs = run(inputs, ({ v, g, dw }): Record<string, tf.Tensor> => {
    const w = fn(v, g);
    if (normalization === 'weight-standardization') return { w, dv: tf.grad((v) => fn(v, g))(v, dw) };
    const [dv, dg] = tf.grads(fn as (...args: tf.Tensor[]) => tf.Tensor)([v, g], dw);
    return { w, dv, dg };
  });
  const of = (unit: 0 | 1) =>
    Object.fromEntries(Object.entries(outputs).map(([name, values]) => [name, pairs(values.slice(unit))]));
  return { extreme: of(0), other: of(1) };
}

function kernelCell(normalization: KernelNormalization, unit: number[], gain: number, run: Run): string {
  const { extreme, other } = runKernel(normalization, unit, gain, run);
  // The other unit has the same bits as beside an ordinary one.
  expect(other).toEqual(runKernel(normalization, UNIT, G[0], run).other);
  const dw = DW.map(([value]) => value);
  const exact: Arrays = exactKernel(normalization, unit, Math.fround(gain), dw);
  return summary(
    Object.fromEntries(Object.entries(extreme).map(([name, values]) => [name, word(values, exact[name])])),
  );
}

// Outputs: pre-activations of eight examples and eight units, in two groups.
const EXAMPLES = 8;
const UNITS = 8;
const T = Array.from({ length: EXAMPLES * UNITS }, (_, i) => Math.fround(Math.sin(3 * i * i + i + 1)));
const DY = Array.from({ length: EXAMPLES * UNITS }, (_, i) => Math.fround(Math.cos(2 * i * i + 1)));
const isUnit0 = (i: number) => i % UNITS === 0;
const isExample0 = (i: number) => i < UNITS;
const changed = (where: (i: number) => boolean, change: (value: number) => number) => ({
  t: T.map((value, i) => (where(i) ? Math.fround(change(value)) : value)),
  where,
});
const OUTPUT_CASES: [string, ReturnType<typeof changed>][] = [
  ['a unit of 1e12', changed(isUnit0, (value) => value * 1e12)],
  ['a unit of 1e18', changed(isUnit0, (value) => value * 1e18)],
  ['a unit of 1e30', changed(isUnit0, (value) => value * 1e30)],
  ['a unit of 1e-30', changed(isUnit0, (value) => value * 1e-30)],
  ['a unit of 0', changed(isUnit0, () => 0)],
  ['a unit of NaN (its v)', changed(isUnit0, () => Number.NaN)],
  ['an example of NaN (its x)', changed(isExample0, () => Number.NaN)],
  ['an example of Infinity', changed(isExample0, () => Number.POSITIVE_INFINITY)],
  [
    'all equal',
    changed(
      () => true,
      () => 1,
    ),
  ],
];

const OUTPUT_FUNCTIONS: Record<OutputNormalization, (t: tf.Tensor) => tf.Tensor> = {
  'mean-only-batch': (t) => meanOnlyBatchNormalize(t),
  batch: (t) => batchNormalize(t),
  layer: (t) => layerNormalize(t),
  group: (t) => groupNormalize(t, { groups: 2 }),
};
/** Which elements are normalised together. */
const SET_OF: Record<OutputNormalization, (i: number) => number> = {
  'mean-only-batch': (i) => i % UNITS,
  batch: (i) => i % UNITS,
  layer: (i) => Math.floor(i / UNITS),
  group: (i) => Math.floor(i / 4),
};

/** y = (t - mean) / d and dL/dt = (dy - mean(dy) - y mean(dy y)) / d of each set, d = sqrt(var + epsilon): float64. */
function exactOutput(normalization: OutputNormalization, t: number[]): Arrays {
  const [y, dt] = [Array<number>(t.length), Array<number>(t.length)];
  const setOf = SET_OF[normalization];
  for (const set of new Set(t.map((_, i) => setOf(i)))) {
    const members = [...t.keys()].filter((i) => setOf(i) === set);
    const values = members.map((i) => t[i]);
    const dy = members.map((i) => DY[i]);
    const centred = minus(values, mean(values));
    const isCentringOnly = normalization === 'mean-only-batch';
    const deviation = isCentringOnly ? 1 : Math.sqrt(dot(centred, centred) / values.length + VARIANCE_EPSILON);
    const outputs = centred.map((value) => value / deviation);
    const along = isCentringOnly ? [] : [dot(dy, outputs) / values.length];
    members.forEach((i, k) => {
      y[i] = outputs[k];
      dt[i] = along.reduce((rest, part) => rest - outputs[k] * part, dy[k] - mean(dy)) / deviation;
    });
  }
  return { y, dt };
}

function outputCell(normalization: OutputNormalization, { t, where }: ReturnType<typeof changed>, run: Run): string {
  const fn = OUTPUT_FUNCTIONS[normalization];
  const shape = [EXAMPLES, UNITS];
  const outputs = run({ t: [t, shape], dy: [DY, shape] }, ({ t, dy }) => ({ y: fn(t), dt: tf.grad(fn)(t, dy) }));
  const exact = exactOutput(normalization, t);
  const setOf = SET_OF[normalization];
  const touched = new Set([...t.keys()].filter(where).map(setOf));
  const isTouched = (i: number) => touched.has(setOf(i));
  const isRest = (i: number) => !isTouched(i);
  const words = Object.entries(outputs).map(([name, values]) => {
    const parts = [isTouched, isRest].map((part) => {
      const members = [...t.keys()].filter(part);
      const sets = [...new Set(members.map(setOf))].map((set) => members.filter((i) => setOf(i) === set));
      const pick = (numbers: number[], set: number[]) => set.map((i) => numbers[i]);
      return [...new Set(sets.map((set) => word(pick(values, set), pick(exact[name], set))))].join(' or ');
    });
    return [name, [...new Set(parts.filter(Boolean))].join(' / ')];
  });
  return summary(Object.fromEntries(words));
}

type Table = [
  heading: string,
  name: string,
  columns: readonly string[],
  cells: [string, (column: string, run: Run) => string][],
];
const TABLES: Table[] = [
  [
    'Kernels',
    'kernel',
    KERNEL_NORMALIZATIONS,
    KERNEL_CASES.map(([name, v, g = G[0]]) => [
      name,
      (column, run) => kernelCell(column as KernelNormalization, v, g, run),
    ]),
  ],
  [
    'Outputs',
    'output',
    OUTPUT_NORMALIZATIONS,
    OUTPUT_CASES.map(([name, extreme]) => [
      name,
      (column, run) => outputCell(column as OutputNormalization, extreme, run),
    ]),
  ],
];

describe.each(TABLES)('the table "%s"', (heading, _, columns, cases) => {
  const rowsOf = (run: Run) => cases.map(([name, cell]) => row(name, ...columns.map((column) => cell(column, run))));

  test('holds on the node backend', () => {
    expect(documented(heading)).toEqual(rowsOf(opByOp));
  });

  test('holds for compiled steps', () => {
    expect(rowsOf(compiled)).toEqual(documented(heading));
  });
});

test('the table "Differences of the cpu backend" holds', async () => {
  const cellsOf = () =>
    TABLES.flatMap(([, , columns, cases]) =>
      cases.flatMap(([name, cell]) => columns.map((column) => ({ name, column, text: cell(column, opByOp) }))),
    );
  const node = cellsOf();
  const backend = tf.getBackend();
  await tf.setBackend('cpu');
  try {
    const rows = cellsOf().flatMap(({ name, column, text }, i) =>
      text === node[i].text ? [] : [row(name, column, node[i].text, text)],
    );
    expect(documented('Differences of the cpu backend')).toEqual(rows);
    const equal = UNIT.map(() => 1000.1);
    for (const normalization of ['centered-weight', 'weight-standardization', 'scaled-weight-standardization'] as const)
      expect(Math.max(...runKernel(normalization, equal, 1, opByOp).extreme.w.map(Math.abs))).toBe(0);
  } finally {
    await tf.setBackend(backend);
  }
});

/** A built layer with ordinary weights. */
function built(layer: NormalizedLayer, shape: number[]): NormalizedLayer {
  tf.tidy(() => {
    layer.apply(tf.zeros(shape));
    for (const [i, weight] of layer.trainableWeights.entries())
      variableOf(weight).assign(normal(weight.shape as number[], 10 + i));
  });
  return layer;
}

/** The tensor with one element changed. */
function withElement(tensor: tf.Tensor, index: number, value: number): tf.Tensor {
  const values = tensor.dataSync().slice();
  values[index] = value;
  return tf.tensor(values, tensor.shape);
}

/** Which slices along an axis have numbers that are not finite. */
function slicesNotFinite(tensor: tf.Tensor, axis: number): number[] {
  const flags = tf.tidy(() => {
    const others = tensor.shape.map((_, i) => i).filter((i) => i !== axis);
    return tf.any(tf.logicalNot(tf.isFinite(tensor)), others).dataSync();
  });
  return [...flags.keys()].filter((i) => flags[i]);
}

const DENSE = { make: (args: NormalizationArgs) => dense({ units: 4, ...args }), shape: [3, 5] };
const CONV = { make: (args: NormalizationArgs) => conv2d({ filters: 4, kernelSize: 2, ...args }), shape: [3, 4, 4, 2] };

const NON_FINITE = 'One input that is NaN or infinite';

describe(`the table "${NON_FINITE}"`, () => {
  /** The cells of one normalization: an element of the second example is NaN, or infinite. */
  function cells({ make, shape }: typeof DENSE, normalization: Normalization, training: boolean, value: number) {
    const layer = built(make({ normalization }), shape);
    const clean = normal(shape, 1);
    const size = clean.size / shape[0];
    const x = withElement(clean, size + 1, value);
    const dy = normal(layer.computeOutputShape(shape) as number[], 2);
    const { y, gradients } = outputAndGradients(layer, x, dy, training);
    const { x: dx, ...ofWeights } = gradients;
    const examples = (tensor: tf.Tensor) => {
      const bad = slicesNotFinite(tensor, 0);
      return bad.length === 0 ? 'none' : bad.length === shape[0] ? 'all' : `${bad.join() === '1' ? 'its own' : bad}`;
    };
    const list = (names: string[]) => names.join(', ') || 'none';
    const bad = ([, tensor]: [string, tf.Tensor]) => slicesNotFinite(tensor, tensor.rank - 1).length > 0;
    const weights = Object.entries(ofWeights).filter(bad);
    const averages = Object.entries({ movingMean: layer.movingMean, movingVariance: layer.movingVariance })
      .filter(([, average]) => average && bad(['', average.read()]))
      .map(([name]) => name);
    const later = layer.apply(clean) as tf.Tensor;
    const result = [examples(y), examples(dx), list(weights.map(([name]) => name)), list(averages), examples(later)];
    tf.dispose([clean, x, dy, y, later, gradients]);
    layer.dispose();
    return result;
  }

  test.each([
    ['kernel normalizations', KERNEL_NORMALIZATIONS, [true, false], ''],
    ['`mean-only-batch`', ['mean-only-batch'], [true], ' in training'],
    ['`mean-only-batch`', ['mean-only-batch'], [false], ' at inference'],
    ['`batch`', ['batch'], [true], ' in training'],
    ['`batch`', ['batch'], [false], ' at inference'],
    ['`layer`', ['layer'], [true, false], ''],
    ['`group`', ['group'], [true, false], ''],
  ] as const)('holds for %s', (name, normalizations, trainings, when) => {
    for (const kind of [DENSE, CONV])
      for (const normalization of normalizations)
        for (const training of trainings)
          for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
            const found = cells(kind, normalization, training, value)
              .join(' | ')
              // Weight standardization has no gain.
              .replace('| kernel |', normalization === 'weight-standardization' ? '| kernel, gain |' : '| kernel |');
            expect(documented(NON_FINITE)).toContain(row(`${name}${when}`, found));
          }
  });

  test('has no other row', () => {
    expect(documented(NON_FINITE).length).toBe(7);
  });
});

test('where sum(v^2) and dL/dw . v both overflow, the gradients are NaN', () => {
  tf.tidy(() => {
    const [v, g, dw] = [tf.fill([4, 1], 1e30), tf.ones([1]), tf.fill([4, 1], 1e10)];
    for (const gradient of tf.grads(weightNormalize as (...args: tf.Tensor[]) => tf.Tensor)([v, g], dw))
      expect(gradient.dataSync().every(Number.isNaN)).toBe(true);
    expectClose(weightNormalize(v, g), tf.zeros([4, 1]), 0);
  });
});

test.each([
  ['centered-weight', 0.15],
  ['weight-standardization', 0.015],
  ['scaled-weight-standardization', 1.5e-5],
] as const)(
  "equal elements whose mean rounds give '%s' that rounding over epsilon's root",
  (normalization, largest) => {
    // The mean of n equal numbers is off by up to n/2 units in the last place: 1.2e-7 here.
    const ofSize = (value: number) => {
      const { w, dv } = runKernel(
        normalization,
        UNIT.map(() => value),
        1,
        opByOp,
      ).extreme;
      expect(dv.every(Number.isFinite)).toBe(true);
      return Math.max(...w.map(Math.abs));
    };
    expect(ofSize(1)).toBe(0);
    expect(ofSize(0.3)).toBeLessThan(largest);
    expect(ofSize(1000.1)).toBeLessThanOrEqual(1);
  },
);

describe('in a layer', () => {
  const KINDS: [string, typeof DENSE][] = [
    ['dense that scales its output', DENSE],
    ['dense that scales its kernel', { ...DENSE, shape: [30, 5] }],
    ['conv2d', CONV],
    ['conv2dTranspose', { ...CONV, make: (args) => conv2dTranspose({ filters: 4, kernelSize: 2, ...args }) }],
    ['depthwiseConv2d', { ...CONV, make: (args) => depthwiseConv2d({ kernelSize: 2, depthMultiplier: 2, ...args }) }],
  ];
  /** The axis of a kernel whose index 1 is the unit 1 of the output, or of its input channel 0. */
  const unitAxis = (layer: NormalizedLayer) => layer.kernels[0].unitAxes.at(-1)!;

  /** Writes a value into the element of v that comes first in unit 1. */
  function spoil(layer: NormalizedLayer, value: number | ((v: number) => number)): void {
    tf.tidy(() => {
      const v = variableOf(layer.kernels[0].variable);
      const isUnit = tf
        .oneHot(tf.tensor1d([1], 'int32'), v.shape[unitAxis(layer)])
        .reshape(v.shape.map((size, axis) => (axis === unitAxis(layer) ? size : 1)))
        .cast('bool')
        .broadcastTo(v.shape);
      const changed = Array.from(v.dataSync(), (x) => (typeof value === 'number' ? value : value(x)));
      v.assign(tf.where(isUnit, tf.tensor(changed, v.shape), v));
    });
  }

  test.each(KINDS)(
    '(%s) NaN in one unit of v makes the outputs and gradients of that unit NaN, and of no other',
    (_, { make, shape }) => {
      for (const normalization of KERNEL_NORMALIZATIONS) {
        const layer = built(make({ normalization }), shape);
        spoil(layer, Number.NaN);
        const [x, dy] = [normal(shape, 1), normal(layer.computeOutputShape(shape) as number[], 2)];
        const { y, gradients } = outputAndGradients(layer, x, dy);
        // A depthwise kernel has two units there, one for each of the two input channels.
        const isDepthwise = layer.kernels[0].unitAxes.length > 1;
        const units = isDepthwise ? [1, 3] : [1];
        expect(slicesNotFinite(y, y.rank - 1)).toEqual(units);
        const { x: dx, bias, gain, ...kernels } = gradients;
        expect(slicesNotFinite(Object.values(kernels)[0], unitAxis(layer))).toEqual([1]);
        if (gain) expect(slicesNotFinite(gain, 0)).toEqual(units);
        expect(slicesNotFinite(bias, 0)).toEqual([]);
        // It passes on to what is before the layer.
        expect(slicesNotFinite(dx, 0)).toEqual([...Array(shape[0]).keys()]);
        tf.dispose([x, dy, y, gradients]);
        layer.dispose();
      }
    },
  );

  test.each([
    ['weight+mean-only-batch', [1]],
    ['weight+batch', [1]],
    ['weight+layer', [0, 1, 2, 3]],
    ['weight+group', [0, 1]], // two groups of two
  ] as const)("NaN in one unit of v reaches the units it is normalised with ('%s')", (normalization, units) => {
    for (const { make, shape } of [DENSE, CONV])
      for (const training of [true, false]) {
        const layer = built(make({ normalization, groups: 2 }), shape);
        spoil(layer, Number.NaN);
        tf.tidy(() => {
          const y = layer.apply(normal(shape, 1), { training }) as tf.Tensor;
          expect(slicesNotFinite(y, y.rank - 1)).toEqual(units);
        });
        layer.dispose();
      }
  });

  test.each(KINDS.slice(0, 4))('(%s) a unit whose v overflows, or has g = 0, gives b', (_, { make, shape }) => {
    for (const extreme of ['v', 'g']) {
      const layer = built(make({ normalization: 'weight' }), shape);
      tf.tidy(() => {
        if (extreme === 'v') spoil(layer, (v) => v * 1e30);
        else variableOf(layer.gain).assign(withElement(layer.gain!.read(), 1, 0));
        const y = layer.apply(normal(shape, 1)) as tf.Tensor;
        const [, unit] = tf.unstack(y, y.rank - 1);
        expectClose(unit, tf.fill(unit.shape, layer.bias!.read().dataSync()[1]), 0);
      });
      layer.dispose();
    }
  });

  test.each([1e-30, 0, 1e30])(
    'scaling the output of dense is the same as scaling its kernel, with v times %f',
    (factor) => {
      const layer = built(DENSE.make({ normalization: 'weight' }), DENSE.shape);
      spoil(layer, (v) => v * factor);
      const [x, dy] = [normal(DENSE.shape, 1), normal([DENSE.shape[0], 4], 2)];
      const { y, gradients } = outputAndGradients(layer, x, dy);
      tf.tidy(() => {
        const weights = [layer.kernel, layer.bias, layer.gain].map((weight) => weight!.read());
        const asDefined = (x: tf.Tensor, v: tf.Tensor, b: tf.Tensor, g: tf.Tensor) =>
          tf.matMul(x, weightNormalize(v, g)).add(b);
        expectClose(y, asDefined(x, weights[0], weights[1], weights[2]));
        const expected = tf.grads(asDefined as (...args: tf.Tensor[]) => tf.Tensor)([x, ...weights], dy);
        // Unit by unit: those of the extreme one have another size.
        for (const [i, name] of ['x', 'kernel', 'bias', 'gain'].entries())
          tf.unstack(gradients[name], -1).forEach((unit, k) => {
            expectClose(unit, tf.unstack(expected[i], -1)[k]);
          });
      });
      tf.dispose([x, dy, y, gradients]);
      layer.dispose();
    },
  );

  test('where the output is scaled, x * v itself overflows first: NaN', () => {
    const badUnits = [DENSE.shape, [30, 5]].map((shape) => {
      const layer = built(DENSE.make({ normalization: 'weight' }), shape);
      spoil(layer, () => 1e38);
      const units = tf.tidy(() => slicesNotFinite(layer.apply(tf.fill(shape, 10)) as tf.Tensor, 1));
      layer.dispose();
      return units;
    });
    expect(badUnits).toEqual([[1], []]);
  });

  test('dataDependentInit reports a unit whose v overflows as one that does not vary', () => {
    const layer = built(DENSE.make({ normalization: 'weight' }), DENSE.shape);
    const model = tf.sequential({ layers: [tf.layers.inputLayer({ inputShape: [5] }), layer] });
    spoil(layer, (v) => v * 1e30);
    const x = normal([20, 5], 1);
    expect(dataDependentInit(model, x).layers[0].zeroVarianceUnits).toEqual([1]);
    x.dispose();
    model.dispose();
    layer.dispose();
  });
});
