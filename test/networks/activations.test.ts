// Dormant units and ranks of features against NumPy.
import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import {
  dormantShare,
  featureRank,
  mlpQNetwork,
  natureQNetwork,
  reluActivations,
  singularValues,
} from '../../src/networks/index.ts';
import { askPython } from '../python-oracle.ts';
import { expectClose, type Nested, normal } from '../weightnorm/support.ts';

/** [rows, columns] of a rank, and a little noise where asked for. */
function matrix(rows: number, columns: number, rank: number, noise = 0): tf.Tensor2D {
  return tf.tidy(() =>
    tf.add(tf.matMul(normal([rows, rank], 1), normal([rank, columns], 2)), normal([rows, columns], 3, noise)),
  );
}

const matrices: (() => tf.Tensor2D)[] = [
  () => matrix(30, 50, 30),
  () => matrix(50, 30, 7),
  () => matrix(64, 64, 5, 1e-3),
  () => matrix(40, 100, 20, 0.05),
  () => tf.eye(9),
  () => tf.zeros([6, 4]),
  () => tf.tensor2d([3, -1], [2, 1]),
  () => tf.tensor2d([5], [1, 1]),
  // Most units are dormant: dead, or tiny, or all alike.
  () => tf.mul(tf.relu(matrix(256, 128, 3)), tf.range(0, 128).mod(16).equal(0)),
  () => tf.mul(tf.relu(matrix(256, 128, 20)), tf.range(0, 128).mod(16).equal(0).add(1e-12)),
  () => tf.add(tf.mul(tf.relu(matrix(256, 128, 3, 0.1)), tf.range(0, 128).less(8)), 0.1),
  () => tf.ones([256, 128]),
  () => tf.mul(matrix(60, 30, 4), 1e-15),
  () => tf.mul(matrix(60, 30, 4), 1e15),
];
const activations: (() => tf.Tensor)[] = [
  () => tf.relu(normal([20, 12], 4)).mul(tf.tensor1d([0, 0.001, 0.2, 0.005, 0, 5, 1, 1, 1, 2, 3, 0.5])),
  () => tf.relu(normal([5, 4, 3, 6], 5)).mul(tf.tensor1d([0, 1, 0.01, 1, 1, 0.005])),
  () => tf.zeros([3, 4]),
];
let expected: { singularValues: number[][]; ranks: number[]; dormant: number[] };
beforeAll(() => {
  expected = tf.tidy(() =>
    askPython(new URL('./activations_oracle.py', import.meta.url), {
      matrices: matrices.map((make) => make().arraySync()),
      activations: activations.map((make) => make().arraySync() as Nested),
    }),
  );
});

test('singular values and effective ranks are those of NumPy', () => {
  for (const [i, make] of matrices.entries()) {
    const { data, columns } = tf.tidy(() => ({ data: make().dataSync(), columns: make().shape[1] }));
    const values = singularValues(data, columns);
    const wanted = expected.singularValues[i];
    expect(values).toHaveLength(wanted.length);
    expect(featureRank(data, columns), String(i)).toBe(expected.ranks[i]);
    for (const [j, value] of values.entries()) {
      expect(Math.abs(value - wanted[j]), `${i}: ${value}, not ${wanted[j]}`).toBeLessThanOrEqual(1e-6 * wanted[0]);
    }
  }
  expect(expected.ranks.slice(1, 3)).toEqual([7, 5]);
});

test('dormant shares are those of NumPy', () => {
  const shares = activations.map((make) => tf.tidy(() => dormantShare(make())));
  for (const [i, share] of shares.entries()) expect(share).toBeCloseTo(expected.dormant[i], 6);
  expect(shares[0]).toBeCloseTo(4 / 12, 6);
  expect(shares[2]).toBe(1);
});

test.each(['none', 'channels'] as const)('activations are those behind each ReLU, layer norm %s', (layerNorm) => {
  const before = tf.memory().numTensors;
  const options = { numActions: 3, normalization: 'weight', layerNorm, seed: 1 } as const;
  const mlp = mlpQNetwork({ ...options, inputSize: 4, hiddenUnits: [8, 6] });
  const nature = natureQNetwork({ ...options, inputShape: [36, 36, 2], padding: 'valid', hiddenUnits: [16] });
  tf.tidy(() => {
    const input = normal([5, 4], 1);
    const [first, second, ...rest] = reluActivations(mlp, input);
    expect([first.layer, second.layer, rest.length]).toEqual(['dense1', 'dense2', 0]);
    expect(tf.min(first.values).dataSync()[0]).toBe(0);
    const output = mlp.layers.at(-1)!.apply(second.values) as tf.Tensor;
    expectClose(output, mlp.predict(input) as tf.Tensor, 1e-6);
    const shapes = reluActivations(nature, tf.ones([2, 36, 36, 2])).map(({ layer, values }) => [layer, values.shape]);
    expect(shapes).toEqual([
      ['conv1', [2, 8, 8, 32]],
      ['conv2', [2, 3, 3, 64]],
      ['conv3', [2, 1, 1, 64]],
      ['dense1', [2, 16]],
    ]);
  });
  mlp.dispose();
  nature.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
