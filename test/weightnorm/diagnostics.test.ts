// On the pure JavaScript backend: no native addon is loaded in this file.
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import * as weightnorm from '../../src/weightnorm/index.ts';
import {
  conv2d,
  conv2dTranspose,
  createDiagnostics,
  dense,
  diagnosticScalars,
  formatDiagnostics,
} from '../../src/weightnorm/index.ts';
import { normal, variableOf } from './support.ts';

beforeAll(async () => {
  tf.enableProdMode(); // no banner about the node backend
  await tf.setBackend('cpu');
  expect(tf.getBackend()).toBe('cpu');
});

/** The columns of a kernel in float64: one array of numbers a unit. */
function unitsOf(kernel: tf.Tensor, unitAxis: number): number[][] {
  const order = [...kernel.shape.keys()].filter((axis) => axis !== unitAxis);
  const matrix = tf.tidy(() =>
    kernel
      .transpose([...order, unitAxis])
      .reshape([-1, kernel.shape[unitAxis]])
      .arraySync(),
  );
  const rows = matrix as number[][];
  return rows[0].map((_, unit) => rows.map((row) => row[unit]));
}

const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const length = (a: number[]) => Math.sqrt(dot(a, a));
/**
 * The angle between two vectors in radians, by atan2 of the sine and the cosine and so in another way than the code.
 */
function angle(a: number[], b: number[]): number {
  const across = b.map((value, i) => value - (a[i] * dot(a, b)) / dot(a, a));
  return Math.atan2(length(across) * length(a), dot(a, b));
}

function expectValues(actual: tf.Tensor | undefined, expected: number[], tolerance = 1e-5): void {
  const values = Array.from(actual!.dataSync());
  expect(values).toHaveLength(expected.length);
  values.forEach((value, i) => {
    expect(Math.abs(value - expected[i])).toBeLessThanOrEqual(tolerance * (1 + Math.abs(expected[i])));
  });
}

/** A model with kernels of three layouts and a plain layer, and the gradients of a loss. */
function makeModel() {
  const model = tf.sequential({
    layers: [
      conv2d({ name: 'conv', inputShape: [4, 4, 2], filters: 3, kernelSize: 2, activation: 'relu', seed: 1 }),
      conv2dTranspose({ name: 'up', filters: 4, kernelSize: 2, activation: 'tanh', seed: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({ name: 'plain', units: 5, kernelInitializer: tf.initializers.glorotNormal({ seed: 3 }) }),
      dense({ name: 'out', units: 2, seed: 4 }),
    ],
  });
  const x = normal([8, 4, 4, 2], 5);
  const gradients = () => {
    const { value, grads } = tf.variableGrads(() => (model.apply(x) as tf.Tensor).sub(1).square().mean<tf.Scalar>());
    value.dispose();
    return grads;
  };
  return { model, gradients, dispose: () => tf.dispose([model.dispose() as never, x]) };
}

const LAYOUTS = [
  { layer: 'conv', unitAxis: 3, gain: true },
  { layer: 'up', unitAxis: 2, gain: true },
  { layer: 'plain', unitAxis: 1, gain: false },
  { layer: 'out', unitAxis: 1, gain: true },
];

test('every quantity of every unit agrees with float64, in all layouts and in plain layers', () => {
  const { model, gradients, dispose } = makeModel();
  const diagnostics = createDiagnostics(model);
  const optimizer = tf.train.sgd(0.3);
  const kernelOf = (layer: string) => variableOf(model.getLayer(layer).trainableWeights[0]);
  let before: Record<string, number[][]> = {};
  for (let step = 0; step < 3; step++) {
    const grads = gradients();
    const rows = diagnostics.measure({ learningRate: 0.3, gradients: grads });
    expect(rows.map(({ layer, kernel }) => `${layer}/${kernel}`)).toEqual(
      LAYOUTS.map(({ layer }) => `${layer}/kernel`),
    );
    const now: Record<string, number[][]> = {};
    rows.forEach((row, i) => {
      const { layer, unitAxis, gain: hasGain } = LAYOUTS[i];
      const units = unitsOf(kernelOf(layer), unitAxis);
      const gradientUnits = unitsOf(grads[kernelOf(layer).name], unitAxis);
      now[layer] = units;
      const norms = units.map(length);
      const { gain } = model.getLayer(layer) as { gain?: tf.LayerVariable };
      const gains = hasGain ? Array.from(gain!.read().dataSync()) : norms;
      expectValues(row.norm, norms);
      expectValues(row.gain, gains);
      expectValues(
        row.effectiveLearningRate,
        gains.map((g, unit) => 0.3 * (g / norms[unit]) ** 2),
      );
      const alongs = gradientUnits.map((gradient, unit) => dot(gradient, units[unit]) / norms[unit]);
      expectValues(row.gradientAlong, alongs.map(Math.abs), 1e-6);
      const acrosses = gradientUnits.map((gradient, unit) =>
        Math.sqrt(Math.max(0, dot(gradient, gradient) - alongs[unit] ** 2)),
      );
      expectValues(row.gradientAcross, acrosses);
      // Orthogonality: the gradient of a weight-normalised v has no part along v; that of a plain kernel has.
      const share = Math.max(...alongs.map((along, unit) => Math.abs(along) / acrosses[unit]));
      if (hasGain) expect(share).toBeLessThan(1e-5);
      else expect(share).toBeGreaterThan(0.01);
      if (step === 0) expect(row).not.toHaveProperty('angle');
      else
        expectValues(
          row.angle,
          units.map((unit, j) => angle(before[layer][j], unit)),
          1e-6,
        );
    });
    before = now;
    tf.dispose(rows);
    // g other than ||v||, as after any training.
    optimizer.applyGradients(grads);
    tf.dispose(grads);
  }
  diagnostics.dispose();
  dispose();
});

describe('angles', () => {
  /** The angle measured after the one unit of a layer has gone from v to w. */
  function measuredAngle(v: number[], w: number[]): number {
    const model = tf.sequential({ layers: [dense({ name: 'one', inputShape: [v.length], units: 1 })] });
    const diagnostics = createDiagnostics(model);
    const kernel = variableOf(model.layers[0].trainableWeights[0]);
    const measure = (values: number[]) => {
      tf.tidy(() => kernel.assign(tf.tensor2d(values, [values.length, 1])));
      return tf.tidy(() => diagnostics.measure({ learningRate: 1 })[0].angle?.dataSync()[0]);
    };
    expect(measure(v)).toBeUndefined();
    const result = measure(w)!;
    diagnostics.dispose();
    model.dispose();
    return result;
  }

  test.each([1e-5, 1e-3, 0.5, Math.PI / 2, 3, Math.PI])('of %f radians are measured', (radians) => {
    const turned = [Math.cos(radians), Math.sin(radians), 0];
    // Close to pi the chord hardly changes with the angle, as the cosine does close to 0.
    expect(Math.abs(measuredAngle([1, 0, 0], turned) / radians - 1)).toBeLessThan(radians > 2 ? 1e-3 : 1e-6);
  });

  test('do not depend on lengths, and are 0 where v has no direction', () => {
    expect(measuredAngle([0.001, 0.001], [0, 500])).toBeCloseTo(Math.PI / 4, 6);
    expect(measuredAngle([1, 2], [3, 6])).toBeLessThan(1e-6);
    expect(measuredAngle([1, 2], [1, 2])).toBe(0);
    expect(measuredAngle([0, 0], [1, 0])).toBe(0);
    expect(measuredAngle([1, 0], [0, 0])).toBe(0);
  });
});

test.each([
  ['centered-weight', 1e-5],
  ['weight-standardization', 1e-4], // the epsilon beside its std, 1e-5, leaves a part along v
  ['scaled-weight-standardization', 1e-5],
] as const)('with %s the effective rate is that of w by v less its mean', (normalization, tolerance) => {
  tf.tidy(() => {
    const model = tf.sequential({
      layers: [dense({ name: 'one', inputShape: [6], units: 3, normalization, seed: 1 })],
    });
    const layer = model.layers[0] as unknown as weightnorm.NormalizedLayer;
    const kernel = variableOf(layer.kernel);
    kernel.assign(normal([6, 3], 7).add(0.5));
    const diagnostics = createDiagnostics(model);
    const x = normal([16, 6], 8);
    const { grads } = tf.variableGrads(() => (model.apply(x) as tf.Tensor).sub(1).square().mean<tf.Scalar>());
    const [row] = diagnostics.measure({ learningRate: 0.1, gradients: grads });
    const centred = unitsOf(kernel.sub(kernel.mean(0)), 1).map(length);
    const effective = unitsOf(weightnorm.effectiveKernel(layer), 1).map(length);
    expectValues(row.norm, centred);
    expectValues(row.gain, effective);
    expectValues(
      row.effectiveLearningRate,
      effective.map((w, unit) => 0.1 * (w / centred[unit]) ** 2),
    );
    row.gradientAlong!.dataSync().forEach((along, unit) => {
      expect(along).toBeLessThan(tolerance * row.gradientAcross!.dataSync()[unit]);
    });
    diagnostics.dispose();
    model.dispose();
  });
});

test('keeps one direction a kernel and no more, and frees it', () => {
  const start = tf.memory().numTensors;
  const { model, gradients, dispose } = makeModel();
  const built = tf.memory().numTensors;
  const diagnostics = createDiagnostics(model);
  expect(tf.memory().numTensors).toBe(built);
  for (let i = 0; i < 4; i++) {
    const grads = gradients();
    const rows = diagnostics.measure({ learningRate: 0.1, gradients: grads });
    expect(diagnosticScalars(rows)['conv/kernel/norm']).toBeGreaterThan(0);
    formatDiagnostics(rows);
    tf.dispose([rows, grads]);
    expect(tf.memory().numTensors).toBe(built + LAYOUTS.length);
  }
  tf.tidy(() => {
    diagnostics.measure({ learningRate: 0.1 }); // the directions outlive the caller's tidy, the rows do not
  });
  expect(tf.memory().numTensors).toBe(built + LAYOUTS.length);
  diagnostics.dispose();
  diagnostics.dispose();
  expect(tf.memory().numTensors).toBe(built);
  dispose();
  expect(tf.memory().numTensors).toBe(start);
});

test('scalars and the table show the means, with nested models in the names', () => {
  const inner = tf.sequential({
    name: 'encoder',
    layers: [dense({ name: 'first', inputShape: [3], units: 4, seed: 1 })],
  });
  const model = tf.sequential({ layers: [inner, dense({ name: 'last', units: 2, seed: 2 })] });
  const diagnostics = createDiagnostics(model);
  const rows = diagnostics.measure({ learningRate: 0.5 });
  const scalars = diagnosticScalars(rows);
  const quantities = ['norm', 'gain', 'effectiveLearningRate'];
  expect(Object.keys(scalars)).toEqual(
    ['encoder/first', 'last'].flatMap((layer) => quantities.map((quantity) => `${layer}/kernel/${quantity}`)),
  );
  const norms = rows[0].norm.dataSync();
  expect(scalars['encoder/first/kernel/norm']).toBeCloseTo((norms[0] + norms[1] + norms[2] + norms[3]) / 4, 6);
  expect(scalars['last/kernel/effectiveLearningRate']).toBeCloseTo(0.5, 6); // g = ||v|| at the start
  const lines = formatDiagnostics(rows).split('\n');
  expect(lines).toHaveLength(3);
  expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  expect(lines[1]).toMatch(/^encoder\/first\/kernel +4 +0\.\d+ +0\.\d+ +0\.500 +- +- +-$/);
  tf.dispose(rows);
  diagnostics.dispose();
  model.dispose();
});

test('refuses what it cannot measure, and forgets nothing then', () => {
  expect(() =>
    createDiagnostics(tf.sequential({ name: 'bare', layers: [tf.layers.reLU({ inputShape: [2] })] })),
  ).toThrow(/model "bare" has no kernel to measure/);
  const model = tf.sequential({ layers: [dense({ name: 'one', inputShape: [3], units: 2, seed: 1 })] });
  const diagnostics = createDiagnostics(model);
  const kernel = variableOf(model.layers[0].trainableWeights[0]);
  tf.tidy(() => {
    diagnostics.measure({ learningRate: 0 });
    expect(() => diagnostics.measure({ learningRate: Number.NaN })).toThrow(/learningRate is NaN: give a number >= 0/);
    const gradients = { other: tf.zeros([3, 2]) };
    expect(() => diagnostics.measure({ learningRate: 1, gradients })).toThrow(
      /none of the model's kernels .*give the grads of tf.variableGrads/,
    );
    expect(() => diagnostics.measure({ learningRate: 1, gradients: { [kernel.name]: tf.zeros([2, 3]) } })).toThrow(
      /has shape \[2,3\] and the variable \[3,2\]/,
    );
    expect(diagnostics.measure({ learningRate: 1 })[0].angle!.dataSync()[0]).toBe(0);
  });
  diagnostics.dispose();
  model.dispose();
});

test("the documentation's example runs, and shows ||v|| grow and the effective rate fall with it", async () => {
  const page = readFileSync(new URL('../../docs/weight-normalization/diagnostics.md', import.meta.url), 'utf8');
  const code = /```js\n([\s\S]*?)```/.exec(page)![1];
  const imports = [...code.matchAll(/^import (?:\* as (\w+)|\{([^}]*)\}) from '([^']+)';$/gm)];
  expect(imports.map(([, , , module]) => module)).toEqual(['@tensorflow/tfjs', 'weightnorm-rl/weightnorm']);
  const names = imports[1][2].split(',').map((name) => name.trim());
  const exported: Record<string, unknown> = { ...weightnorm };
  for (const name of names) expect(Object.keys(exported)).toContain(name);
  const printed: unknown[] = [];
  const body = imports.reduce((text, [line]) => text.replace(line, ''), code);
  new Function('tf', 'console', ...names, body)(
    tf,
    { log: (line: unknown) => printed.push(line) },
    ...names.map((name) => exported[name]),
  );
  const scalars = printed.filter((line) => typeof line === 'object') as Record<string, number>[];
  expect(scalars).toHaveLength(5);
  for (const [i, now] of scalars.entries()) {
    expect(now['hidden/kernel/gradientAlong']).toBeLessThan(1e-5 * now['hidden/kernel/gradientAcross']);
    if (i === 0) continue;
    expect(now['hidden/kernel/norm']).toBeGreaterThan(scalars[i - 1]['hidden/kernel/norm']);
    expect(now['hidden/kernel/angle']).toBeGreaterThan(0);
  }
  expect(printed[0]).toMatch(/^kernel +units +\|\|v\|\|/);
});
