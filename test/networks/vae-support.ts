// What the tests of both VAEs share: the one with a vector z, and the one with several stochastic layers.
import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import type { VaeBound } from '../../src/networks/vae/model.ts';
import { createOptimizer, type NamedVariable } from '../../src/optimizers/index.ts';
import { compile } from '../../src/runtime/compile/index.ts';
import { askPython } from '../python-oracle.ts';
import { expectAgreement, expectClose, type Nested, normal } from '../weightnorm/support.ts';
import { arrays } from './support.ts';

/** A network, or a flow of it. */
interface Parameters {
  readonly variables: readonly NamedVariable[];
}

/** Gives every parameter normal values, so that g is not ||v|| and no gradient is near 0. */
export function randomize({ variables }: Parameters, seed: number): void {
  tf.tidy(() => {
    variables.forEach(({ name, variable }, i) => {
      const values = normal(variable.shape, seed + i, 0.4);
      variable.assign(name.endsWith('/gain') ? values.add(1) : values);
    });
  });
}

export function parameterOf({ variables }: Parameters, name: string): tf.Variable {
  return variables.find((parameter) => parameter.name === name)!.variable;
}

export function valuesOf({ variables }: Parameters): Record<string, Nested> {
  return arrays(Object.fromEntries(variables.map(({ name, variable }) => [name, variable])));
}

/** How many numbers the parameters are. */
export function countOf({ variables }: Parameters): number {
  return variables.reduce((sum, { variable }) => sum + variable.size, 0);
}

export interface Answer {
  values: Record<string, Nested>;
  gradients: Record<string, Nested>;
}

interface BoundCase {
  /** Name of the Python program, in this folder. */
  oracle: string;
  /** What it is asked, but for the parameters and the weights of the gradients. */
  question: object;
  /** Largest error of the gradients, relative to the largest element. */
  tolerance: number;
  /** Nats that all groups of z together have for free: some group has less than its share, and not all have. */
  free: number | undefined;
}

/** Compares what `forward` gives, and gradients of a sum of it with respect to every parameter, with the oracle's. */
export function expectTrueBound(network: Parameters, forward: () => VaeBound, boundCase: BoundCase): void {
  const { oracle, question, tolerance, free } = boundCase;
  tf.tidy(() => {
    const values = forward();
    const dy = { bound: normal(values.bound.shape, 90), objective: normal([], 91) };
    const { grads } = tf.variableGrads(
      () => {
        const { bound, objective } = forward();
        return bound.mul(dy.bound).sum<tf.Scalar>().add(objective.mul(dy.objective));
      },
      network.variables.map(({ variable }) => variable),
    );
    const asked = { ...question, tensors: valuesOf(network), dy: arrays(dy) };
    const expected = askPython<Answer>(new URL(oracle, import.meta.url), asked);
    expect(Object.keys(values).sort()).toEqual(Object.keys(expected.values).sort());
    for (const [name, value] of Object.entries(values)) expectAgreement(value, expected.values[name], name, 1e-5);
    expect(Object.keys(expected.gradients)).toHaveLength(network.variables.length);
    for (const { name, variable } of network.variables)
      expectAgreement(grads[variable.name], expected.gradients[name], `gradient of ${name}`, tolerance);
    if (free === undefined) return;
    const [objective, bound, reconstruction] = [values.objective, values.bound.mean(), values.reconstruction.mean()];
    expect(objective.dataSync()[0]).toBeLessThan(bound.dataSync()[0] - 0.01);
    expect(objective.dataSync()[0]).toBeLessThan(-reconstruction.dataSync()[0] - free - 0.01);
  });
}

/** log |det| of a Jacobian by finite differences: row j of `moved(by)` is the output for input j moved by as much. */
export function logJacobian(moved: (by: number) => tf.Tensor): number {
  return tf.tidy(() => {
    const delta = 0.02;
    const slopes = moved(delta)
      .sub(moved(-delta))
      .div(2 * delta);
    return logDeterminant(slopes.reshape([slopes.shape[0], -1]).arraySync() as number[][]);
  });
}

/** log |det| by elimination with pivots. */
function logDeterminant(matrix: number[][]): number {
  const rows = matrix.map((row) => [...row]);
  let sum = 0;
  for (let k = 0; k < rows.length; k++) {
    const pivot = rows
      .slice(k)
      .reduce((best, row, i) => (Math.abs(row[k]) > Math.abs(rows[best][k]) ? k + i : best), k);
    [rows[k], rows[pivot]] = [rows[pivot], rows[k]];
    sum += Math.log(Math.abs(rows[k][k]));
    for (const row of rows.slice(k + 1)) {
      const factor = row[k] / rows[k][k];
      for (let j = k; j < row.length; j++) row[j] -= factor * rows[k][j];
    }
  }
  return sum;
}

/** More samples bring the bound nearer to log p(image): `meanGap` is what it lacks, of `repeats` bounds an image. */
export function expectApproach(meanGap: (samples: number, repeats: number) => number, manySamples: number): void {
  const [one, ten, many] = [meanGap(1, 500), meanGap(10, 50), meanGap(manySamples, 1)];
  expect(one).toBeGreaterThan(2 * ten);
  expect(ten).toBeGreaterThan(0);
  expect(Math.abs(many)).toBeLessThan(0.1 * one);
}

type Inputs = Record<string, tf.Tensor>;

interface Training<N> {
  /** Makes the same network each time. */
  create(): N;
  /** Makes the inputs of one update, counted from 0: float32, made anew. */
  inputs(network: N, update: number): Inputs;
  objective(network: N, inputs: Inputs): tf.Scalar;
}

/** Ten Adamax updates change the parameters in the same way compiled and op by op, lower the loss, keep no tensor. */
export function expectSameUpdates<N extends Parameters & { dispose(): void }>(training: Training<N>): void {
  const before = tf.memory().numTensors;
  const [eager, compiled] = [true, false].map((runEagerly) => {
    const network = training.create();
    const variables = network.variables.map(({ variable }) => variable);
    const settings = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    const optimizer = createOptimizer({ name: 'adamax', ...settings }, network.variables);
    const shapes = tf.tidy(() =>
      Object.entries(training.inputs(network, 0)).map(([name, { shape }]) => ({ name, shape })),
    );
    const program = compile(
      {
        learn: {
          inputs: Object.fromEntries(shapes.map(({ name, shape }) => [name, { shape, dtype: 'float32' as const }])),
          fn: (inputs) => {
            const { value, grads } = tf.variableGrads(() => tf.neg(training.objective(network, inputs)), variables);
            optimizer.applyGradients(variables.map(({ name }) => grads[name]));
            return { loss: value };
          },
        },
      },
      { eager: runEagerly },
    );
    expect(program.compiled).toBe(!runEagerly);
    const during = tf.memory().numTensors;
    const losses = Array.from({ length: 10 }, (_, i) => {
      const inputs = training.inputs(network, i);
      const { loss } = program.steps.learn.values(inputs);
      tf.dispose(inputs);
      return loss[0];
    });
    expect(tf.memory().numTensors).toBe(during);
    program.pull();
    const values = valuesOf(network);
    program.dispose();
    optimizer.dispose();
    network.dispose();
    return { losses, values };
  });
  expect(tf.memory().numTensors).toBe(before);

  expect(eager.losses.at(-1)!).toBeLessThan(eager.losses[0]);
  compiled.losses.forEach((loss, i) => {
    expect(Math.abs(loss / eager.losses[i] - 1)).toBeLessThan(1e-5);
  });
  tf.tidy(() => {
    for (const [name, value] of Object.entries(compiled.values))
      expectAgreement(tf.tensor(value as number[]), eager.values[name], name, 1e-5);
  });
}

/** The seed decides the first bounds, and weight norm starts as the plain network. */
export function expectSeeded(boundsOf: (normalization: 'none' | 'weight', seed: number) => number[]): void {
  const first = boundsOf('weight', 1);
  expect(boundsOf('weight', 1)).toEqual(first);
  expect(boundsOf('weight', 2)).not.toEqual(first);
  tf.tidy(() => expectClose(tf.tensor1d(boundsOf('none', 1)), first, 1e-6));
}
