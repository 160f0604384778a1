import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { imageQNetwork, mlpQNetwork, natureQNetwork } from '../../src/networks/index.ts';

const nature = { inputShape: [84, 84, 4] as [number, number, number], hiddenUnits: [512], numActions: 9, seed: 1 };

test.each([
  // Parameters of Nature's network at 9 actions: 8224 + 32832 + 36928 + 1606144 + 4617; weight norm adds one g a unit
  // (32 + 64 + 64 + 512 + 9).
  ['valid', 'none', 3136, 1_688_745],
  ['valid', 'weight', 3136, 1_688_745 + 681],
  ['same', 'none', 7744, 1_688_745 + (7744 - 3136) * 512],
] as const)(
  'the Nature network with padding %s and normalization %s has %i features and %i parameters',
  (padding, normalization, features, parameters) => {
    const network = natureQNetwork({ ...nature, padding, normalization });
    expect(network.getLayer('features').outputShape).toEqual([null, features]);
    expect(network.countParams()).toBe(parameters);
    expect(network.outputs[0].shape).toEqual([null, 9]);
    network.dispose();
  },
);

test('the network of 2013 has 2592 features, and with 256 units 678,457 parameters', () => {
  const network = imageQNetwork('nips', { ...nature, hiddenUnits: [256], padding: 'valid', normalization: 'none' });
  expect(network.getLayer('features').outputShape).toEqual([null, 2592]);
  // 8 x 8 x 4 x 16 + 16, 4 x 4 x 16 x 32 + 32, 2592 x 256 + 256, 256 x 9 + 9.
  expect(network.countParams()).toBe(4112 + 8224 + 663_808 + 2313);
  network.dispose();
});

test('pixels are scaled inside the network', () => {
  const network = natureQNetwork({ ...nature, padding: 'valid', normalization: 'weight' });
  tf.tidy(() => {
    const scaled = network.getLayer('scale').apply(tf.fill([1, 84, 84, 4], 255)) as tf.Tensor;
    expect(scaled.max().dataSync()[0]).toBeCloseTo(1);
  });
  network.dispose();
});

test('the seed decides the initial weights', () => {
  const first = (seed: number) => {
    const network = mlpQNetwork({ inputSize: 4, hiddenUnits: [8, 8], numActions: 2, normalization: 'weight', seed });
    const weights = network.getWeights().map((weight) => weight.arraySync());
    network.dispose();
    return weights;
  };
  expect(first(5)).toEqual(first(5));
  expect(first(5)).not.toEqual(first(6));
});

test('weight norm starts as the plain network with the same kernels', () => {
  const values = (normalization: 'none' | 'weight') => {
    const network = mlpQNetwork({ inputSize: 4, hiddenUnits: [8], numActions: 2, normalization, seed: 3 });
    const plain = mlpQNetwork({ inputSize: 4, hiddenUnits: [8], numActions: 2, normalization: 'weight', seed: 3 });
    for (const layer of network.layers.slice(1)) {
      const kernel = plain.getLayer(layer.name).getWeights()[0];
      layer.setWeights([kernel, ...layer.getWeights().slice(1)]);
    }
    const output = tf.tidy(() => (network.predict(tf.linspace(-1, 1, 8).reshape([2, 4])) as tf.Tensor).arraySync());
    tf.dispose([network, plain].map((model) => model.weights.map((weight) => weight.read())));
    return output as number[][];
  };
  const [plain, weight] = [values('none').flat(), values('weight').flat()];
  plain.forEach((value, i) => {
    expect(weight[i]).toBeCloseTo(value, 5);
  });
});
