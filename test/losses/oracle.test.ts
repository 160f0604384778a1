import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { compile, type StepDefinition } from '../../src/runtime/compile/index.ts';
import { expectClose, type Nested } from '../weightnorm/support.ts';
import { CASES, solve, valueAndGradients, withGradients } from './cases.ts';

let answers: Map<string, Record<string, Nested>>;

beforeAll(() => {
  const solved = solve(CASES);
  answers = new Map(CASES.map(({ title }, i) => [title, solved[i]]));
  expect(answers.size).toBe(CASES.length);
});

test.each(CASES)('$title: values and gradients are those of the papers', (lossCase) => {
  const before = tf.memory().numTensors;
  tf.tidy(() => {
    const results = valueAndGradients(lossCase);
    const expected = answers.get(lossCase.title)!;
    expect(Object.keys(results)).toEqual(Object.keys(expected));
    for (const [name, result] of Object.entries(results)) expectClose(result, expected[name], lossCase.tolerance);
  });
  expect(tf.memory().numTensors).toBe(before);
});

test.each(CASES)('$title: the same in a compiled step as op by op, with no tensor left', (lossCase) => {
  const { inputs, differentiated, forward } = lossCase;
  const step: StepDefinition = {
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, { shape, dtype }]) => [name, { shape, dtype }])),
    fn: (tensors) => withGradients(tensors, differentiated, forward),
  };
  const values = Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.values]));
  const before = tf.memory().numTensors;
  for (const eager of [false, true]) {
    const program = compile({ step }, { eager });
    expect(program.compiled).toBe(!eager);
    tf.tidy(() => {
      const results = program.steps.step.run(values);
      const expected = valueAndGradients(lossCase);
      expect(Object.keys(results)).toEqual(Object.keys(expected));
      for (const [name, result] of Object.entries(results))
        expectClose(result as tf.Tensor, expected[name], lossCase.tolerance);
    });
    program.dispose();
    expect(tf.memory().numTensors).toBe(before);
  }
});
