// Dueling and noisy Q-networks, and implicit quantile networks, against their equations.
import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  imageQuantileNetwork,
  mlpQNetwork,
  mlpQuantileNetwork,
  natureQNetwork,
  type PassNoise,
} from '../../src/networks/index.ts';
import { allVariables } from '../../src/networks/variables.ts';
import { seededNormal } from '../../src/runtime/seeded-noise.ts';
import { assignEffectiveWeights, dataDependentInit, type Normalization } from '../../src/weightnorm/index.ts';

let tensorsBefore: number;
beforeEach(() => {
  tensorsBefore = tf.memory().numTensors;
});
afterEach(() => {
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

const [ROWS, SIZE, ACTIONS] = [5, 3, 4];
const mlp = { inputSize: SIZE, numActions: ACTIONS, normalization: 'none', seed: 1 } as const;
const input = () => tf.tidy(() => tf.linspace(-1, 1, ROWS * SIZE).reshape<tf.Tensor2D>([ROWS, SIZE]));

/** A network's outputs, with noise from seed [7, `position`] where a pass is given. */
function outputs(network: tf.LayersModel, noise: Partial<PassNoise> & { position?: number } = {}): number[][] {
  return tf.tidy(() => {
    const { pass, position = 1, ownRows = false } = noise;
    const seed = tf.tensor1d([7, position], 'int32');
    return (
      network.apply(input(), pass === undefined ? {} : { noise: { seed, pass, ownRows } }) as tf.Tensor2D
    ).arraySync();
  });
}

/** The largest difference of two tables. */
const difference = (a: number[][], b: number[][]) =>
  Math.max(...a.flat().map((value, i) => Math.abs(value - b.flat()[i])));

/** The values of a layer's weight. */
const weight = (network: tf.LayersModel, layer: string, name: string): tf.Tensor =>
  network
    .getLayer(layer)
    .weights.find(({ originalName }) => originalName.endsWith(`/${name}`))!
    .read();

describe('a dueling network', () => {
  test('gives V + A - mean A, for each number of an action by itself', () => {
    for (const perAction of [1, 3]) {
      const network = mlpQNetwork({ ...mlp, hiddenUnits: [6, 8], dueling: true, outputsPerAction: perAction });
      const expected = tf.tidy(() => {
        const layer = (name: string, x: tf.Tensor) => network.getLayer(name).apply(x) as tf.Tensor;
        const relu = (x: tf.Tensor) => x.relu();
        const shared = relu(layer('dense1', input()));
        const value = layer('value', relu(layer('value_dense2', shared))).arraySync() as number[][];
        const advantage = layer('advantage', relu(layer('advantage_dense2', shared))).arraySync() as number[][];
        return advantage.map((row, b) =>
          row.map((a, i) => {
            const same = row.filter((_, other) => other % perAction === i % perAction);
            return value[b][i % perAction] + a - same.reduce((sum, x) => sum + x, 0) / ACTIONS;
          }),
        );
      });
      expect(difference(outputs(network), expected)).toBeLessThan(1e-5);
      expect(network.outputs[0].shape).toEqual([null, ACTIONS * perAction]);
      network.dispose();
    }
  });

  test('has the streams of Wang et al. behind the convolutions', () => {
    const network = natureQNetwork({
      ...{
        inputShape: [84, 84, 4],
        hiddenUnits: [512],
        numActions: 9,
        padding: 'valid',
        normalization: 'none',
        seed: 1,
      },
      dueling: true,
    });
    // 8224 + 32832 + 36928, two layers of 3136 x 512, 512 + 1 for the value and 512 x 9 + 9 for the advantages.
    expect(network.countParams()).toBe(77_984 + 2 * 1_606_144 + 513 + 4_617);
    network.dispose();
  });
});

describe('a noisy network', () => {
  const noisy = (more: { dueling?: boolean; normalization?: Normalization } = {}) =>
    mlpQNetwork({ ...mlp, hiddenUnits: [6], noiseScale: 0.5, ...more });

  test('without noise is the network of its means; noise is in the last hidden layer and the output', () => {
    const network = mlpQNetwork({ ...mlp, hiddenUnits: [6, 7], noiseScale: 0.5 });
    const plain = mlpQNetwork({ ...mlp, hiddenUnits: [6, 7] });
    const isNoise = ({ name }: { name: string }) => name.endsWith('Kernel') || name.endsWith('Bias');
    const noise = allVariables(network).filter(isNoise);
    expect(noise.map(({ name }) => name)).toEqual([
      ...['dense2_noise/noiseKernel', 'dense2_noise/noiseBias', 'q_noise/noiseKernel', 'q_noise/noiseBias'],
    ]);
    const means = allVariables(network).filter((variable) => !isNoise(variable));
    plain.setWeights(means.map(({ variable }) => variable));
    expect(difference(outputs(network), outputs(plain))).toBeLessThan(1e-6);
    network.dispose();
    plain.dispose();
  });

  test('has small weights at first: uniform within 1/sqrt(inputs), those of the paper', () => {
    const network = mlpQNetwork({ ...mlp, hiddenUnits: [100], noiseScale: 0.5 });
    const largest = (layer: string) =>
      Math.max(...Array.from(weight(network, layer, 'kernel').dataSync(), (value) => Math.abs(value)));
    expect(largest('dense1')).toBeLessThanOrEqual(1 / Math.sqrt(SIZE));
    expect(largest('dense1')).toBeGreaterThan(0.95 / Math.sqrt(SIZE));
    expect(largest('q')).toBeLessThanOrEqual(0.1);
    network.dispose();
  });

  test('adds factorised noise: (mu + sigma f(e_i) f(e_j)) x + mu_b + sigma_b f(e_j)', () => {
    const network = noisy();
    const pass = 3;
    const expected = tf.tidy(() => {
      const seed = tf.tensor1d([7, 1], 'int32');
      const f = (values: number[]) => values.map((value) => Math.sign(value) * Math.sqrt(Math.abs(value)));
      let x = input();
      ['dense1', 'q'].forEach((name, index) => {
        const [mu, sigma] = [weight(network, name, 'kernel'), weight(network, `${name}_noise`, 'noiseKernel')];
        const [inputs, units] = mu.shape;
        const [biasMu, biasSigma] = [weight(network, name, 'bias'), weight(network, `${name}_noise`, 'noiseBias')];
        expect(sigma.arraySync()).toEqual(tf.fill([inputs, units], 0.5 / Math.sqrt(inputs)).arraySync());
        const drawn = f(seededNormal<tf.Rank.R2>([1, inputs + units], seed, pass * 1024 + index).arraySync()[0]);
        const [ofInputs, ofUnits] = [tf.tensor1d(drawn.slice(0, inputs)), tf.tensor1d(drawn.slice(inputs))];
        const kernel = mu.add<tf.Tensor2D>(sigma.mul(ofInputs.expandDims(1).mul(ofUnits)));
        const t = x.matMul(kernel).add<tf.Tensor2D>(biasMu.add(biasSigma.mul(ofUnits)));
        x = name === 'q' ? t : t.relu();
      });
      return x.arraySync();
    });
    expect(difference(outputs(network, { pass }), expected)).toBeLessThan(1e-5);
    network.dispose();
  });

  test('has the same noise for a seed and a pass, another for another, and one for each row where asked for', () => {
    const network = noisy({ dueling: true });
    const first = outputs(network, { pass: 0 });
    expect(outputs(network, { pass: 0 })).toEqual(first);
    expect(difference(outputs(network, { pass: 1 }), first)).toBeGreaterThan(0.01);
    expect(difference(outputs(network, { pass: 0, position: 2 }), first)).toBeGreaterThan(0.01);
    network.dispose();
    // With one state in all rows, rows differ by their noise alone.
    const onRows = (ownRows: boolean) =>
      tf.tidy(() => {
        const model = noisy();
        const noise = { seed: tf.tensor1d([7, 1], 'int32'), pass: 0, ownRows };
        const rows = (model.apply(tf.ones([2, SIZE]), { noise }) as tf.Tensor2D).arraySync();
        model.dispose();
        return Math.abs(rows[0][0] - rows[1][0]);
      });
    expect(onRows(false)).toBeLessThan(1e-6);
    expect(onRows(true)).toBeGreaterThan(0.01);
  });

  test('keeps its noise where weights are normalised, copied to a plain network, or initialised from data', () => {
    for (const normalization of ['none', 'weight', 'mean-only-batch', 'weight+mean-only-batch'] as const) {
      const online = noisy({ dueling: true, normalization });
      const target = noisy({ dueling: true });
      const batch = input();
      if (normalization !== 'none') expect(dataDependentInit(online, batch).warnings).toEqual([]);
      batch.dispose();
      assignEffectiveWeights(target, online);
      for (const noise of [{}, { pass: 0 }]) {
        expect(difference(outputs(target, noise), outputs(online, noise)), normalization).toBeLessThan(1e-4);
      }
      expect(difference(outputs(online), outputs(online, { pass: 0 }))).toBeGreaterThan(0.01);
      online.dispose();
      target.dispose();
    }
  });

  test('with layer norm has it between the noise and the ReLU', () => {
    const network = mlpQNetwork({ ...mlp, hiddenUnits: [6], noiseScale: 0.5, layerNorm: 'channels' });
    const names = network.layers.map(({ name }) => name);
    expect(names).toEqual(['state', 'dense1', 'dense1_noise', 'dense1_norm', 'dense1_relu', 'q', 'q_noise']);
    expect(difference(outputs(network), outputs(network, { pass: 0 }))).toBeGreaterThan(0.01);
    network.dispose();
  });

  test('is made again from its description', async () => {
    const network = noisy({ dueling: true, normalization: 'weight' });
    const modelTopology = JSON.parse(network.toJSON(null) as string) as tf.io.ModelJSON['modelTopology'];
    const copy = await tf.models.modelFromJSON({ modelTopology } as Parameters<typeof tf.models.modelFromJSON>[0]);
    copy.setWeights(network.getWeights());
    expect(outputs(copy, { pass: 0 })).toEqual(outputs(network, { pass: 0 }));
    copy.dispose();
    network.dispose();
  });
});

describe('an implicit quantile network', () => {
  const quantile = (normalization: Normalization = 'none', hiddenUnits = [6, 8]) =>
    mlpQuantileNetwork({ ...mlp, normalization, hiddenUnits, cosines: 5 });
  const taus = (count: number) =>
    tf.tidy(() => tf.linspace(0.05, 0.9, ROWS * count).reshape<tf.Tensor2D>([ROWS, count]));

  test('multiplies features by an embedding of cos(pi i tau)', () => {
    const network = quantile();
    tf.tidy(() => {
      const result = network.apply([input(), taus(3)]) as tf.Tensor3D;
      expect(result.shape).toEqual([ROWS, 3, ACTIONS]);
      const layer = (name: string, x: tf.Tensor) => network.getLayer(name).apply(x) as tf.Tensor;
      const features = layer('dense1', input());
      const probabilities = taus(3).arraySync();
      const cosines = tf.tensor(
        probabilities.map((row) =>
          row.map((tau) => Array.from({ length: 5 }, (_, i) => Math.fround(Math.cos(Math.PI * i * tau)))),
        ),
      );
      const { kernel, bias } = {
        kernel: weight(network, 'embedding', 'kernel') as tf.Tensor2D,
        bias: weight(network, 'embedding', 'bias'),
      };
      const embedded = cosines
        .reshape<tf.Tensor2D>([ROWS * 3, 5])
        .matMul(kernel)
        .add(bias)
        .relu();
      const mixed = features.expandDims(1).mul(embedded.reshape([ROWS, 3, 6]));
      const expected = layer('q', layer('quantile_dense1', mixed));
      expect(result.sub(expected).abs().max().dataSync()[0]).toBeLessThan(1e-5);
    });
    network.dispose();
  });

  test('takes any number of probabilities, and gives each its own quantile', () => {
    const network = quantile('weight', [6]);
    tf.tidy(() => {
      const three = network.apply([input(), taus(3)]) as tf.Tensor3D;
      const one = network.apply([input(), taus(3).slice([0, 1], [ROWS, 1])]) as tf.Tensor3D;
      expect(
        one
          .sub(three.slice([0, 1, 0], [ROWS, 1, ACTIONS]))
          .abs()
          .max()
          .dataSync()[0],
      ).toBeLessThan(1e-5);
    });
    network.dispose();
  });

  test('can be initialised from data and copied to a plain network', () => {
    for (const normalization of ['weight', 'mean-only-batch', 'weight+mean-only-batch'] as const) {
      const [online, target] = [quantile(normalization), quantile()];
      const inputs = [input(), taus(3)];
      dataDependentInit(online, inputs);
      assignEffectiveWeights(target, online);
      tf.tidy(() => {
        const [a, b] = [online, target].map((network) => network.apply(inputs) as tf.Tensor);
        expect(a.sub(b).abs().max().dataSync()[0]).toBeLessThan(1e-4);
      });
      tf.dispose(inputs);
      online.dispose();
      target.dispose();
    }
  });

  test('over the Nature network has its convolutions and an embedding as wide as their features', () => {
    const network = imageQuantileNetwork('nature', {
      ...{
        inputShape: [84, 84, 4],
        hiddenUnits: [512],
        numActions: 9,
        padding: 'valid',
        normalization: 'none',
        seed: 1,
      },
      cosines: 64,
    });
    expect(network.countParams()).toBe(1_688_745 + 65 * 3136);
    expect(network.outputs[0].shape).toEqual([null, null, 9]);
    expect(allVariables(network).map(({ name }) => name)).toContain('embedding/kernel');
    network.dispose();
  });
});
