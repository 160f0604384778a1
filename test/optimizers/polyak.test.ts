import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { createPolyakAverage, type PolyakAverage } from '../../src/optimizers/index.ts';
import { compile } from '../../src/runtime/compile/index.ts';

const UPDATES = 12;
const SIZE = 3;

/** What the variable is at each update, from 1 up; as float32 holds it. */
function valuesAt(update: number): number[] {
  return Array.from({ length: SIZE }, (_, i) => Math.fround(Math.sin(3 * i + 1.7 * update) * 10 ** (1 - i)));
}

/**
 * The weights of the definition, unrolled: update t has max(1 - decay, 1/t), and all later ones leave it 1 less theirs.
 */
function averageInFloat64(decay: number): number[] {
  const rates = Array.from({ length: UPDATES }, (_, i) => Math.max(1 - decay, 1 / (i + 1)));
  const weights = rates.map((rate, i) => rates.slice(i + 1).reduce((left, later) => left * (1 - later), rate));
  expect(weights.reduce((sum, weight) => sum + weight)).toBeCloseTo(1, 12);
  return Array.from({ length: SIZE }, (_, j) =>
    weights.reduce((sum, weight, i) => sum + weight * valuesAt(i + 1)[j], 0),
  );
}

function expectClose(actual: tf.Tensor, expected: number[]): void {
  actual.dataSync().forEach((value, i) => {
    expect(Math.abs(value - expected[i])).toBeLessThan(1e-6 * 10 ** (1 - i));
  });
}

function compileProgram(variable: tf.Variable, polyak: PolyakAverage, eager: boolean) {
  return compile(
    {
      learn: {
        inputs: { values: { shape: [SIZE], dtype: 'float32' } },
        fn: ({ values }) => {
          variable.assign(values.clone());
          polyak.update();
        },
      },
      swap: { inputs: {}, fn: () => polyak.swap() },
      read: { inputs: {}, fn: () => ({ values: variable.clone() }) },
    },
    { eager },
  );
}

test.each([true, false])('before the first update a swap leaves the values, eager %s', (eager) => {
  const variable = tf.tidy(() => tf.variable(tf.tensor1d([3, -1, 0.5])));
  const polyak = createPolyakAverage([{ name: 'x', variable }], { decay: 0.9 });
  const program = compileProgram(variable, polyak, eager);
  for (let swaps = 0; swaps < 2; swaps++) {
    program.steps.swap.run({});
    expect(Array.from(program.steps.read.values({}).values)).toEqual([3, -1, 0.5]);
  }
  program.dispose();
  polyak.dispose();
  variable.dispose();
});

test.each([
  ['op by op', true, 0.8],
  ['compiled', false, 0.8],
  ['compiled, averaging longer than there are updates', false, 0.99],
  ['op by op, without a memory', true, 0],
])(
  '%s, averages follow their float64 definition, swap with the values and back, and keep no tensor',
  (_, eager, decay) => {
    const before = tf.memory().numTensors;
    const variable = tf.tidy(() => tf.variable(tf.fill([SIZE], 1e6))); // has no part in the average
    const polyak = createPolyakAverage([{ name: 'x', variable }], { decay });
    const program = compileProgram(variable, polyak, eager);
    const { steps } = program;
    expect(program.compiled).toBe(!eager);
    const during = tf.memory().numTensors;
    for (let update = 1; update <= UPDATES; update++) {
      const values = tf.tensor1d(valuesAt(update));
      tf.dispose(steps.learn.run({ values }));
      values.dispose();
    }
    const last = steps.read.values({}).values;
    expect(Array.from(last)).toEqual(valuesAt(UPDATES));
    steps.swap.values({});
    const average = Array.from(steps.read.values({}).values);
    tf.tidy(() => expectClose(tf.tensor1d(average), averageInFloat64(decay)));
    steps.swap.values({});
    expect(steps.read.values({}).values).toEqual(last);
    expect(tf.memory().numTensors).toBe(during);
    program.pull();
    expect(Object.keys(polyak.slots)).toEqual(['updates', 'x/average']);
    expect(Array.from(polyak.slots['x/average'].dataSync())).toEqual(average);
    expect(polyak.slots.updates.dataSync()[0]).toBe(UPDATES);
    program.dispose();
    polyak.dispose();
    variable.dispose();
    expect(tf.memory().numTensors).toBe(before);
  },
);

test('a decay out of range and a name given twice are refused', () => {
  const variable = tf.tidy(() => tf.variable(tf.ones([2])));
  expect(() => createPolyakAverage([], { decay: 1 })).toThrow(
    'decay of the Polyak average is 1: it must be in [0, 1).',
  );
  const twice = [variable, variable].map((v) => ({ name: 'bias', variable: v }));
  expect(() => createPolyakAverage(twice, { decay: 0.9 })).toThrow(
    'Two variables of the Polyak average are named "bias": give each its own name.',
  );
  variable.dispose();
});
