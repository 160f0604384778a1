import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { refusedGraph } from '../../src/runtime/compile/errors.ts';
import { CompileError, compile, type InputSpec, type StepDefinition } from '../../src/runtime/compile/index.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';

loadTensorFlow();

const x: InputSpec = { shape: [2, 3], dtype: 'float32' };
let before: number;
const reluGradient = tf.getGradient('Relu');

beforeEach(() => {
  before = tf.memory().numTensors;
});

afterEach(() => {
  expect(tf.memory().numTensors).toBe(before);
  expect(tf.getGradient('Relu')).toBe(reluGradient);
  // The engine is as it was: ops run, values are read, noise is drawn.
  expect(tf.tidy(() => tf.add(tf.randomUniform([2], 1, 1), Math.floor(Math.random())).dataSync()[0])).toBe(1);
});

test('TensorFlow names a node in several ways: the op is found in each', () => {
  const ops = new Map([['learn/Mean_2', 'Mean']]);
  for (const message of [
    'Input 0 of node learn/Mean_2 was passed float from learn/Cast_0:0 incompatible with expected int32.',
    'Shapes must match {{node learn/Mean_2}}',
    "In op: node 'learn/Mean_2' is wrong",
  ]) {
    expect(refusedGraph(message, ops).message).toContain('TensorFlow refuses op Mean of "learn": ');
  }
  expect(refusedGraph('something else', ops).message).toContain('TensorFlow refuses the graph: ');
});

function compileError(fn: StepDefinition['fn']): string {
  try {
    compile({ learn: { inputs: { x }, fn } }).dispose();
  } catch (error) {
    expect(error).toBeInstanceOf(CompileError);
    return (error as Error).message;
  }
  throw new Error('The step compiled.');
}

describe('a step that a graph cannot hold is refused with the op and the mend', () => {
  test('reading a value', () => {
    expect(compileError(({ x }) => ({ y: tf.mul(x, tf.exp(x).dataSync()[0]) }))).toBe(
      '"learn" reads a value inside the step (the output of Exp): a compiled step has no values while it is ' +
        'recorded. Return the tensor as an output and read it from the result, or choose with tf.where instead of ' +
        'an if.',
    );
    expect(compileError(({ x }) => ({ y: tf.mul(x, x.arraySync() as number[][]) }))).toContain('(the input "x")');
  });

  test('reading a value asynchronously', () => {
    const fn = (async ({ x }: Record<string, tf.Tensor>) => ({
      y: tf.scalar((await x.data())[0]),
    })) as unknown as StepDefinition['fn'];
    expect(compileError(fn)).toContain('"learn" is asynchronous: a compiled step is a plain function');
  });

  test('noise that JavaScript draws, seeded or not, by the name of the op', () => {
    expect(compileError(({ x }) => ({ y: tf.add(x, tf.randomNormal([2, 3])) }))).toBe(
      '"learn" draws JavaScript noise (tf.randomNormal): a compiled step would repeat the same numbers for ever. ' +
        'Pass the noise as an input, and build layers before compiling.',
    );
    expect(compileError(({ x }) => ({ y: tf.add(x, tf.randomUniform([2, 3], 0, 1, 'float32', 7)) }))).toContain(
      '(tf.randomUniform)',
    );
    expect(compileError(({ x }) => ({ y: tf.add(x, tf.truncatedNormal([2, 3])) }))).toContain('(tf.truncatedNormal)');
    expect(compileError(({ x }) => ({ y: tf.dropout(x, 0.5) }))).toContain('(tf.randomUniform in tf.dropout)');
    expect(compileError(({ x }) => ({ y: tf.mul(x, Math.random()) }))).toContain('(Math.random)');
    expect(compileError(({ x }) => ({ y: tf.multinomial(x as tf.Tensor2D, 4) }))).toContain('(Math.random)');
  });

  test('an op whose output shape depends on values', () => {
    expect(compileError(({ x }) => ({ y: tf.unique(tf.reshape(x, [6])).values }))).toContain(
      '"learn" uses UniqueV2, whose output shape depends on values: shapes of a compiled step are fixed. Keep the ' +
        'full shape and mask',
    );
  });

  test('an attribute that has no form in a graph', () => {
    const backend = tf.backend() as unknown as {
      executeSingleOutput(op: string, attributes: object[], inputs: tf.Tensor[]): tf.Tensor;
    };
    const shrink = (x: tf.Tensor) =>
      backend.executeSingleOutput('Squeeze', [{ name: 'T', type: 99, value: { not: 'a type' } }], [x]);
    expect(compileError(({ x }) => ({ y: shrink(x) }))).toBe(
      '"learn" uses Squeeze, whose attribute T cannot be recorded (its value is [object Object]): write this part ' +
        'of the step with other ops.',
    );
  });

  test('an attribute that tfjs leaves out, which only the graph needs', () => {
    const backend = tf.backend() as unknown as {
      executeSingleOutput(op: string, attributes: object[], inputs: tf.Tensor[]): tf.Tensor;
    };
    const message = compileError(({ x }) => ({ y: backend.executeSingleOutput('Squeeze', [], [x]) }));
    expect(message).toContain('TensorFlow refuses op Squeeze of "learn"');
    expect(message).toContain('Write this part of the step with other ops.');
  });

  test('a tensor type that a step cannot hold', () => {
    expect(compileError(() => ({ y: tf.reshape(tf.tensor1d(['a', 'b']), [2, 1]) }))).toContain(
      '"learn" uses a constant with a tensor of type',
    );
  });

  test('a variable made or disposed inside', () => {
    const adam = tf.train.adam(0.1);
    const w = tf.tidy(() => tf.variable(tf.ones([2, 3]), true, 'w'));
    expect(
      compileError(({ x }) => {
        adam.minimize(() => tf.sum(tf.mul(w, x)), false, [w]);
      }),
    ).toMatch(/^"learn" creates the variable "\d+": create variables, layers and optimizers before compiling/);
    expect(compileError(() => w.dispose())).toBe(
      '"learn" disposes the variable "w": dispose variables outside the step.',
    );
    adam.dispose();
  });

  test('a result that is not an object of tensors', () => {
    expect(compileError((({ x }: Record<string, tf.Tensor>) => tf.add(x, 1)) as never)).toContain(
      'The result of "learn" is a Tensor: return an object of named tensors, or nothing.',
    );
    expect(compileError((() => ({ loss: 3 })) as never)).toContain(
      'Output "loss" of "learn" is 3: return an object of named tensors',
    );
  });

  test('a compiled step inside a step', () => {
    const inner = compile({ act: { inputs: { x }, fn: ({ x }) => ({ y: tf.add(x, 1) }) } });
    expect(compileError(({ x }) => inner.steps.act.run({ x }))).toContain(
      '"act" is compiled or run inside another compiled step',
    );
    expect(
      compileError(({ x }) => compile({ deep: { inputs: {}, fn: () => ({ y: tf.add(x, 1) }) } }).steps.deep.run({})),
    ).toContain('"deep" is compiled');
    inner.dispose();
  });

  test('whatever the step itself throws', () => {
    const w = tf.tidy(() => tf.variable(tf.ones([2])));
    expect(() =>
      compile({
        learn: {
          inputs: {},
          fn: () => {
            w.assign(tf.zeros([2]));
            throw new Error('the step’s own');
          },
        },
      }),
    ).toThrow('the step’s own');
    expect(Array.from(w.dataSync())).toEqual([1, 1]);
    w.dispose();
  });
});

describe.each([{ eager: false }, { eager: true }])('a call with wrong inputs (eager: $eager)', ({ eager }) => {
  const inputs = {
    frames: { shape: [2, 4], dtype: 'uint8' },
    rate: { shape: [], dtype: 'float32' },
    action: { shape: [2], dtype: 'int32' },
  } as const;
  const definition = {
    inputs,
    fn: ({ frames, rate, action }: Record<string, tf.Tensor>) => ({
      y: tf.add(tf.mul(tf.sum(tf.cast(frames, 'float32')), rate), tf.sum(action)),
    }),
  };
  const good = { frames: new Uint8Array(8).fill(1), rate: 0.5, action: Int32Array.of(1, 2) };

  test('names the input, what came, what is wanted and the mend', () => {
    const program = compile({ learn: definition }, { eager });
    const { learn } = program.steps;
    expect(learn.values(good).y[0]).toBe(7);
    expect(() => learn.values({ ...good, frames: new Uint8Array(12) })).toThrow(
      'Input "frames" of "learn" is 12 elements, not uint8 [2,4]: give 8, or compile a step for the other shape.',
    );
    expect(() => learn.values({ ...good, frames: new Float32Array(8) })).toThrow(
      'Input "frames" of "learn" is a Float32Array, not uint8 [2,4]: give a Uint8Array or a tensor.',
    );
    expect(() => learn.values({ ...good, action: 3 })).toThrow(
      'Input "action" of "learn" is the number 3, not int32 [2]: numbers fill float32 scalars only.',
    );
    expect(() => learn.values({ frames: good.frames, rate: 1 } as never)).toThrow(
      'Input "action" of "learn" is missing, not int32 [2]: give it by name.',
    );
    expect(() => learn.values({ ...good, reward: 1 } as never)).toThrow(
      '"learn" has no input "reward": its inputs are frames, rate, action.',
    );
    tf.tidy(() => {
      expect(() => learn.values({ ...good, action: tf.tensor1d([1, 2, 3], 'int32') })).toThrow(
        'Input "action" of "learn" is int32 [3], not int32 [2]: compile a step for this shape, or reshape the input.',
      );
      expect(() => learn.values({ ...good, action: tf.tensor1d([1, 2]) })).toThrow(
        'Input "action" of "learn" is float32 [2], not int32 [2]: cast it to int32.',
      );
      expect(() => learn.values({ ...good, frames: tf.zeros([2, 4], 'int32') })).toThrow(
        'Input "frames" of "learn" is a tensor (tfjs has no uint8 tensors), not uint8 [2,4]: give a Uint8Array.',
      );
    });
    expect(learn.values(good).y[0]).toBe(7);
    program.dispose();
  });
});

test('a program used after dispose, and a variable that is not its own, say so', () => {
  const w = tf.tidy(() => tf.variable(tf.ones([2]), true, 'mine'));
  const other = tf.tidy(() => tf.variable(tf.ones([2]), true, 'other'));
  const program = compile({ act: { inputs: {}, fn: () => ({ y: tf.mul(w, 2) }) } });
  expect(() => program.pull([other])).toThrow(
    'No step of this program uses the variable "other": its value is not in the graph.',
  );
  program.dispose();
  program.dispose();
  expect(() => program.steps.act.values({})).toThrow('"act" is used after dispose(): compile it again.');
  expect(() => program.pull()).toThrow('The program is used after dispose(): compile it again.');
  tf.dispose([w, other]);
});

test('a name that a graph cannot hold says so', () => {
  expect(() => compile({ 'learn fast': { inputs: {}, fn: () => {} } })).toThrow(
    'Step name "learn fast": use letters, digits, "_", "-" and ".", a letter or digit first.',
  );
  expect(() => compile({ learn: { inputs: { 'x:0': x }, fn: () => {} } })).toThrow('Input name "x:0"');
  expect(compileError(({ x }) => ({ 'a,b': x }))).toContain('Output name "a,b"');
});
