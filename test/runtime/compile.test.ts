import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { createOptimizer, type OptimizerConfig } from '../../src/optimizers/index.ts';
import { compile, type TypedArray } from '../../src/runtime/compile/index.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { type Learner, mlpLearner, natureLearner, relativeError, wave } from './learning-steps.ts';

loadTensorFlow();

const OPTIMIZERS: OptimizerConfig[] = [
  { name: 'adam', learningRate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1.5e-4 },
  { name: 'adamax', learningRate: 1e-2, beta1: 0.5, beta2: 0.999, epsilon: 1e-7 },
  { name: 'centered-rmsprop', learningRate: 1e-3, decay: 0.95, momentum: 0.9, epsilon: 0.01 / 32 ** 2 },
  { name: 'sgd', learningRate: 0.1, momentum: 0.9 },
];
const RMSPROP = { ...OPTIMIZERS[2], learningRate: 2.5e-4, momentum: 0 } as OptimizerConfig;
const UPDATES = 10;

function stateOf({ variables, optimizer }: Learner): Record<string, TypedArray> {
  const named = { ...Object.fromEntries(variables.map(({ name, variable }) => [name, variable])), ...optimizer.slots };
  return Object.fromEntries(Object.entries(named).map(([name, variable]) => [name, variable.dataSync() as TypedArray]));
}

/** Ten updates compiled and op by op from the same start; every output and the whole state must agree. */
function expectAgreement(makeLearner: () => Learner): void {
  const [compiledLearner, eagerLearner] = [makeLearner(), makeLearner()];
  const compiled = compile({ learn: compiledLearner.learn });
  const eager = compile({ learn: eagerLearner.learn }, { eager: true });
  expect(compiled.compiled).toBe(true);
  expect(eager.compiled).toBe(false);
  const start = stateOf(eagerLearner);
  for (let update = 0; update < UPDATES; update++) {
    const actual = compiled.steps.learn.values(compiledLearner.batch(update)) as Record<string, TypedArray>;
    const expected = eager.steps.learn.values(eagerLearner.batch(update)) as Record<string, TypedArray>;
    for (const output of Object.keys(expected)) {
      expect(relativeError(actual[output], expected[output]), `${output} at update ${update}`).toBeLessThan(1e-5);
    }
  }
  compiled.pull();
  const [actual, expected] = [stateOf(compiledLearner), stateOf(eagerLearner)];
  for (const [name, values] of Object.entries(expected)) {
    const moved = relativeError(start[name], values);
    expect(moved, `${name} moved`).toBeGreaterThan(1e-4);
    // What rounding has become after ten updates, of which one is a tenth of the movement.
    expect(relativeError(actual[name], values), name).toBeLessThan(Math.max(1e-5, 0.01 * moved));
  }
  compiled.dispose();
  compiledLearner.dispose();
  eagerLearner.dispose();
}

describe('a compiled update and the same update op by op', () => {
  test.each(OPTIMIZERS)('agree over ten updates of a perceptron with $name', (config) => {
    expectAgreement(() => mlpLearner(config));
  });

  test('agree over ten updates of the Nature network: bytes in, Huber loss, target network, centred RMSProp', () => {
    expectAgreement(() => natureLearner(RMSPROP, 4));
  });
});

describe('a program', () => {
  test('gives bit-equal losses and parameters when run twice from the same start', () => {
    const runs = [0, 1].map(() => {
      const learner = natureLearner(RMSPROP, 4);
      const program = compile({ learn: learner.learn });
      const losses = [0, 1, 2, 3, 4].map((step) => program.steps.learn.values(learner.batch(step)).loss[0]);
      program.pull();
      const state = stateOf(learner);
      program.dispose();
      learner.dispose();
      return { losses, state };
    });
    expect(runs[1].losses).toEqual(runs[0].losses);
    for (const [name, values] of Object.entries(runs[0].state))
      expect(Buffer.compare(Buffer.from(values.buffer), Buffer.from(runs[1].state[name].buffer)), name).toBe(0);
  });

  test('shares variables between its steps: learning changes what act sees, and the target only at sync', () => {
    const learner = natureLearner(RMSPROP, 2);
    const { act, actWithTarget, learn, sync } = learner;
    const program = compile({ act, actWithTarget, learn, sync });
    const { frames } = learner.batch(0) as { frames: Uint8Array };
    const q = (step: 'act' | 'actWithTarget') => Array.from(program.steps[step].values({ frames }).qValues);
    const before = q('act');
    expect(q('actWithTarget')).toEqual(before);
    program.steps.learn.values(learner.batch(0));
    const after = q('act');
    expect(after).not.toEqual(before);
    expect(q('actWithTarget')).toEqual(before);
    program.steps.sync.values({});
    expect(q('actWithTarget')).toEqual(after);
    program.steps.learn.values(learner.batch(1));
    expect(q('act')).not.toEqual(after);
    expect(q('actWithTarget')).toEqual(after);
    program.dispose();
    learner.dispose();
  });

  test('keeps values in the graph until pull, and takes changed ones by push, all or those named', () => {
    const a = tf.variable(tf.scalar(1));
    const b = tf.variable(tf.scalar(10));
    const program = compile({
      add: {
        inputs: { x: { shape: [], dtype: 'float32' } },
        fn: ({ x }) => {
          a.assign(tf.add(a, x));
          b.assign(tf.add(b, x));
          return { sum: tf.add(a, b) };
        },
      },
    });
    const read = () => [a.dataSync()[0], b.dataSync()[0]];
    expect(program.variables).toEqual([a, b]);
    expect(program.steps.add.values({ x: 1 }).sum[0]).toBe(13);
    expect(read()).toEqual([1, 10]);
    program.pull([b]);
    expect(read()).toEqual([1, 11]);
    program.pull();
    expect(read()).toEqual([2, 11]);
    tf.tidy(() => {
      a.assign(tf.scalar(100));
      b.assign(tf.scalar(1000));
    });
    program.push([a]);
    expect(program.steps.add.values({ x: 0 }).sum[0]).toBe(111);
    program.push();
    expect(program.steps.add.values({ x: 0 }).sum[0]).toBe(1100);
    program.dispose();
    tf.dispose([a, b]);
  });

  test('can be compiled again for another batch size, going on from the pulled values', () => {
    const [whole, reference] = [mlpLearner(OPTIMIZERS[0], 16), mlpLearner(OPTIMIZERS[0], 16)];
    const first = compile({ learn: whole.learn });
    for (let step = 0; step < 3; step++) first.steps.learn.values(whole.batch(step));
    first.pull();
    first.dispose();
    const learnOf = (batchSize: number) => ({
      inputs: {
        ...whole.learn.inputs,
        x: { shape: [batchSize, 6], dtype: 'float32' },
        y: { shape: [batchSize, 3], dtype: 'float32' },
      },
    });
    const batch = mlpLearner(OPTIMIZERS[0], 5).batch(3);
    const second = compile({ learn: { fn: whole.learn.fn, ...learnOf(5) } } as { learn: Learner['learn'] });
    const { loss } = second.steps.learn.values(batch) as Record<string, TypedArray>;

    const eager = compile(
      { learn: reference.learn, small: { fn: reference.learn.fn, ...learnOf(5) } } as {
        learn: Learner['learn'];
        small: Learner['learn'];
      },
      { eager: true },
    );
    for (let step = 0; step < 3; step++) eager.steps.learn.values(reference.batch(step));
    expect(relativeError(loss, (eager.steps.small.values(batch) as Record<string, TypedArray>).loss)).toBeLessThan(
      1e-5,
    );
    second.dispose();
    whole.dispose();
    reference.dispose();
  });

  test('takes tensors as well as arrays, and gives tensors that a tidy frees', () => {
    const step = {
      inputs: { x: { shape: [2], dtype: 'float32' }, y: { shape: [2], dtype: 'int32' } },
      fn: ({ x, y }: Record<string, tf.Tensor>) => ({ sum: tf.add(x, y), flag: tf.greater(x, 1) }),
    } as const;
    const program = compile({ step });
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const { sum, flag } = program.steps.step.run({ x: tf.tensor1d([1, 2]), y: tf.tensor1d([3, 4], 'int32') });
      expect([sum.shape, sum.dtype, flag.dtype]).toEqual([[2], 'float32', 'bool']);
      expect(Array.from(sum.dataSync())).toEqual([4, 6]);
      expect(Array.from(flag.dataSync())).toEqual([0, 1]);
      expect(Array.from(tf.mul(sum, 2).dataSync())).toEqual([8, 12]);
    });
    expect(tf.memory().numTensors).toBe(before);
    program.dispose();
  });
});

test.each([{ eager: false }, { eager: true }])(
  'results kept in a gradient’s closure, variables and inputs are handed out as the caller’s own (eager: $eager)',
  ({ eager }) => {
    const w = tf.tidy(() => tf.variable(tf.ones([3])));
    const outside = tf.tensor1d([4, 5, 6]);
    const program = compile(
      {
        step: {
          inputs: { x: { shape: [3], dtype: 'float32' } },
          fn: ({ x }) => {
            let errors: tf.Tensor = x;
            const { value, grads } = tf.variableGrads(() => {
              errors = tf.keep(tf.sub(tf.mul(w, x), 1));
              return tf.sum(tf.square(errors)) as tf.Scalar;
            }, [w]);
            return { errors, same: errors, loss: value, gradient: grads[w.name], w, x, outside };
          },
        },
      },
      { eager },
    );
    const before = tf.memory().numTensors;
    for (let call = 0; call < 2; call++) {
      const results = program.steps.step.run({ x: Float32Array.of(1, 2, 3) });
      const values = Object.fromEntries(
        Object.entries(results).map(([name, tensor]) => [name, Array.from(tensor.dataSync())]),
      );
      expect(values).toEqual({
        errors: [0, 1, 2],
        same: [0, 1, 2],
        loss: [5],
        gradient: [0, 4, 12],
        w: [1, 1, 1],
        x: [1, 2, 3],
        outside: [4, 5, 6],
      });
      tf.dispose(results);
      expect(Array.from(program.steps.step.values({ x: Float32Array.of(1, 2, 3) }).errors)).toEqual([0, 1, 2]);
    }
    expect(tf.memory().numTensors).toBe(before);
    expect(Array.from(tf.concat([w, outside]).dataSync())).toEqual([1, 1, 1, 4, 5, 6]);
    program.dispose();
    tf.dispose([w, outside]);
  },
);

describe('order inside a step', () => {
  const withVariables = (values: number[], use: (...variables: tf.Variable[]) => void) => {
    const variables = values.map((value) => tf.variable(tf.tensor1d([value, 2 * value])));
    use(...variables);
    tf.dispose(variables);
  };

  test('outputs from before an assignment use the old value and later ones the new, in whatever order they run', () => {
    withVariables([1], (v) => {
      const program = compile({
        step: {
          inputs: {},
          fn: () => {
            const old = v.clone();
            const doubled = tf.mul(v, 2);
            v.assign(tf.add(v, 10));
            const next = tf.mul(v, 2);
            v.assign(tf.neg(v));
            return { next, last: v, doubled, old };
          },
        },
      });
      const { old, doubled, next, last } = program.steps.step.values({});
      expect([old, doubled, next, last].map((values) => values[0])).toEqual([1, 2, 22, -11]);
      expect(program.steps.step.values({}).old[0]).toBe(-11);
      program.dispose();
    });
  });

  test('holds around fused optimizer updates, for values before, after and between', () => {
    const results = [false, true].map((eager) => {
      let outputs: number[][] = [];
      withVariables([1], (v) => {
        const sgd = createOptimizer({ name: 'sgd', learningRate: 0.5, momentum: 0.5 }, [{ name: 'v', variable: v }]);
        const program = compile(
          {
            step: {
              inputs: {},
              fn: () => {
                const old = v.clone();
                v.assign(tf.add(v, 1));
                sgd.applyGradients([old]);
                const between = tf.mul(v, 1);
                sgd.applyGradients([tf.mul(v, 2)]);
                const accum = sgd.slots['v/accum'].clone();
                v.assign(tf.mul(v, 3));
                return { accum, last: v.clone(), between, old };
              },
            },
          },
          { eager },
        );
        outputs = [0, 1, 2].flatMap(() =>
          Object.values(program.steps.step.values({})).map((values) => Array.from(values)),
        );
        program.dispose();
        sgd.dispose();
      });
      return outputs;
    });
    expect(results[0]).toEqual(results[1]);
  });

  test('swaps two variables, and tells variables apart that share one tensor', () => {
    withVariables([1, 5], (a, b) => {
      const twin = tf.variable(a);
      const program = compile({
        swap: {
          inputs: {},
          fn: () => {
            const old = a.clone();
            a.assign(b);
            b.assign(old);
            twin.assign(tf.add(twin, 100));
          },
        },
      });
      program.steps.swap.values({});
      program.pull();
      expect([a, b, twin].map((variable) => variable.dataSync()[0])).toEqual([5, 1, 101]);
      program.dispose();
      twin.dispose();
    });
  });

  test('copies: neither an input array, a result nor a pulled variable shares memory with the graph', () => {
    withVariables([1], (v) => {
      const sgd = createOptimizer({ name: 'sgd', learningRate: 1, momentum: 0 }, [{ name: 'v', variable: v }]);
      const program = compile({
        set: {
          inputs: { x: { shape: [2], dtype: 'float32' } },
          fn: ({ x }) => {
            v.assign(x as tf.Tensor1D);
            return { same: tf.reshape(x, [2]), v: v.clone() };
          },
        },
        decrease: { inputs: {}, fn: () => sgd.applyGradients([tf.ones([2])]) },
      });
      // TensorFlow takes memory as it is at addresses divisible by 64: one of these 16.
      const memory = new ArrayBuffer(128);
      for (let offset = 0; offset < 64; offset += 4) {
        const x = new Float32Array(memory, offset, 2);
        x.set([7, 8]);
        const { same, v: stored } = program.steps.set.run({ x });
        program.pull();
        const pulled = v.clone();
        program.steps.decrease.values({});
        expect(Array.from(x)).toEqual([7, 8]);
        x.fill(-1);
        program.steps.decrease.values({});
        for (const kept of [same, stored, pulled]) expect(Array.from(kept.dataSync())).toEqual([7, 8]);
        program.pull();
        expect(Array.from(v.dataSync())).toEqual([5, 6]);
        tf.dispose([same, stored, pulled]);
      }
      program.dispose();
      sgd.dispose();
    });
  });

  test('writes what layers write: the moving averages of batch normalisation', () => {
    const [compiledModel, eagerModel] = [0, 1].map(() => {
      const model = tf.sequential();
      model.add(tf.layers.batchNormalization({ inputShape: [3], momentum: 0.5 }));
      return model;
    });
    const step = (model: tf.LayersModel) =>
      ({
        forward: {
          inputs: { x: { shape: [4, 3], dtype: 'float32' } },
          fn: ({ x }: Record<string, tf.Tensor>) => ({ y: model.apply(x, { training: true }) as tf.Tensor }),
        },
      }) as const;
    const compiled = compile(step(compiledModel));
    const eager = compile(step(eagerModel), { eager: true });
    for (let call = 0; call < 3; call++) {
      const x = wave(12, call);
      expect(relativeError(compiled.steps.forward.values({ x }).y, eager.steps.forward.values({ x }).y)).toBeLessThan(
        1e-5,
      );
    }
    compiled.pull();
    compiledModel.getWeights().forEach((weight, i) => {
      expect(
        relativeError(weight.dataSync() as TypedArray, eagerModel.getWeights()[i].dataSync() as TypedArray),
      ).toBeLessThan(1e-5);
    });
    compiled.dispose();
    compiledModel.dispose();
    eagerModel.dispose();
  });
});
