import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compile } from '../../src/runtime/compile/index.ts';
import { loadTensorFlow } from '../../src/runtime/tensorflow.ts';
import { mlpLearner } from './learning-steps.ts';

loadTensorFlow();

const ADAM = { name: 'adam', learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;
const MB = 2 ** 20;
let folder: string;
const { TMPDIR } = process.env;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'compile-memory-test-'));
  process.env.TMPDIR = folder;
});

afterAll(() => {
  if (TMPDIR === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = TMPDIR;
  rmSync(folder, { recursive: true });
});

/** The addon's own counts: tensors, and loaded graphs. */
function nativeCounts(): [number, number] {
  const backend = tf.backend() as unknown as { getNumOfTFTensors(): number; getNumOfSavedModels(): number };
  return [backend.getNumOfTFTensors(), backend.getNumOfSavedModels()];
}

test('2,000 updates keep no tensor and no memory', () => {
  const learner = mlpLearner(ADAM, 64);
  const program = compile({ learn: learner.learn });
  const batch = learner.batch(0);
  const runs = (count: number) => {
    for (let i = 0; i < count; i++) {
      program.steps.learn.values(batch);
      if (i % 2 === 0) tf.dispose(program.steps.learn.run(batch));
      if (i % 50 === 0) program.pull();
      if (i % 50 === 25) program.push();
    }
  };
  runs(300);
  const tensors = tf.memory().numTensors;
  const native = nativeCounts();
  const rss = process.memoryUsage.rss();
  runs(2000);
  expect(tf.memory().numTensors).toBe(tensors);
  expect(nativeCounts()).toEqual(native);
  expect(process.memoryUsage.rss() - rss).toBeLessThan(30 * MB);
  program.dispose();
  learner.dispose();
});

test('dispose frees the graph with its variables', () => {
  const size = 2 * MB;
  const weights = tf.tidy(() => tf.variable(tf.ones([size])));
  const compileAndDispose = () => {
    const program = compile({ add: { inputs: {}, fn: () => void weights.assign(tf.add(weights, 1)) } });
    program.steps.add.values({});
    program.dispose();
  };
  for (let i = 0; i < 10; i++) compileAndDispose();
  const tensors = tf.memory().numTensors;
  const native = nativeCounts();
  const growths = [1, 2, 3, 4].map(() => {
    const rss = process.memoryUsage.rss();
    for (let i = 0; i < 20; i++) compileAndDispose();
    return process.memoryUsage.rss() - rss;
  });
  expect(tf.memory().numTensors).toBe(tensors);
  expect(nativeCounts()).toEqual(native);
  // One program holds 8 MB of variables: kept, every round's 20 would be 160 MB. The allocator's reserve and arrays
  // that wait to be collected grow now and then, but not in every round.
  expect(Math.min(...growths)).toBeLessThan(60 * MB);
  weights.dispose();
});

test('a failed call frees what it was given', () => {
  const program = compile({
    pick: {
      inputs: { x: { shape: [3], dtype: 'float32' }, index: { shape: [1], dtype: 'int32' } },
      fn: ({ x, index }) => ({ y: tf.gather(x, index as tf.Tensor1D) }),
    },
  });
  const x = Float32Array.of(1, 2, 3);
  expect(program.steps.pick.values({ x, index: Int32Array.of(2) }).y[0]).toBe(3);
  const native = nativeCounts();
  expect(() => program.steps.pick.values({ x, index: Int32Array.of(3) })).toThrow(
    /indices\[0\] = 3 is not in \[0, 3\)/,
  );
  expect(nativeCounts()).toEqual(native);
  program.dispose();
});

// No file while a program lives: then a crash, even kill -9, leaves none either.
test('leaves no file: while the program lives, after a refused graph, from a process killed while loading', () => {
  const abandoned = join(folder, 'weightnorm-rl-graph-999999999-abandoned');
  mkdirSync(abandoned);
  const anHourAgo = new Date(Date.now() - 3_600_000);
  utimesSync(abandoned, anHourAgo, anHourAgo);
  const recent = join(folder, 'weightnorm-rl-graph-999999998-recent');
  mkdirSync(recent);
  const program = compile({
    add: { inputs: { x: { shape: [], dtype: 'float32' } }, fn: ({ x }) => ({ y: tf.add(x, 1) }) },
  });
  expect(readdirSync(folder)).toEqual(['weightnorm-rl-graph-999999998-recent']);
  expect(program.steps.add.values({ x: 1 }).y[0]).toBe(2);
  program.dispose();
  rmSync(recent, { recursive: true });

  const squeeze = () =>
    (
      tf.backend() as unknown as {
        executeSingleOutput(op: string, attributes: object[], inputs: tf.Tensor[]): tf.Tensor;
      }
    ).executeSingleOutput('Squeeze', [], [tf.ones([1, 2])]);
  expect(() => compile({ refused: { inputs: {}, fn: () => ({ y: squeeze() }) } })).toThrow('TensorFlow refuses');
  expect(readdirSync(folder)).toEqual([]);
});
