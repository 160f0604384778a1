// The layer norms of Q-networks against NumPy in float64, and against the layer of tf.layers.
import '../node-backend.ts';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { mlpQNetwork, natureQNetwork } from '../../src/networks/index.ts';
import { layerNorm } from '../../src/networks/layer-norm.ts';
import { compile } from '../../src/runtime/compile/index.ts';
import { assignEffectiveWeights, type Normalization } from '../../src/weightnorm/index.ts';
import { askPython } from '../python-oracle.ts';
import { expectClose, type Nested, normal } from '../weightnorm/support.ts';

const oracle = new URL('./layer_norm_oracle.py', import.meta.url);

describe.each([
  ['channels', [3, 4, 5, 6], 1e-6],
  ['all', [3, 4, 5, 6], 1e-5],
  ['channels', [7, 9], 1e-6],
  ['all', [7, 9], 1e-5],
] as const)('%s of an input [%s]', (kind, shape, epsilon) => {
  const axes = kind === 'channels' ? [shape.length - 1] : shape.map((_, axis) => axis).slice(1);

  /** The layer with scale and offset that are not those it starts with, and an input. */
  function build() {
    const layer = layerNorm(kind, shape.length, 'norm');
    layer.build([null, ...shape.slice(1)]);
    const sizes = axes.map((axis) => shape[axis]);
    tf.tidy(() => layer.setWeights([normal(sizes, 1).add(1), normal(sizes, 2)]));
    const weights = tf.tidy(() => normal([...shape], 4));
    return { layer, weights, x: tf.tidy(() => normal([...shape], 3, 2).add(0.5)) };
  }

  /** The result, and the gradients of the sum of its elements times `weights`. */
  function valueAndGradients(layer: tf.layers.Layer, x: tf.Tensor, weights: tf.Tensor): Record<string, tf.Tensor> {
    const variables = layer.trainableWeights.map((weight) => weight.read() as tf.Variable);
    const loss = (input: tf.Tensor) => tf.sum(tf.mul(layer.apply(input) as tf.Tensor, weights)) as tf.Scalar;
    const { grads } = tf.variableGrads(() => loss(x), variables);
    return {
      value: layer.apply(x) as tf.Tensor,
      x: tf.grad(loss)(x),
      gamma: grads[variables[0].name],
      beta: grads[variables[1].name],
    };
  }

  test('value and gradients are those of the definition, op by op and compiled, and no tensor is left', () => {
    const { layer, x, weights } = build();
    const [gamma, beta] = layer.getWeights().map((weight) => weight.arraySync());
    const question = { x: x.arraySync(), gamma, beta, weights: weights.arraySync(), axes, epsilon };
    const expected = askPython<Record<string, Nested>>(oracle, question);
    const before = tf.memory().numTensors;
    for (const eager of [true, false]) {
      const input = { shape: [...shape], dtype: 'float32' } as const;
      const step = {
        inputs: { x: input, weights: input },
        fn: (given: Record<string, tf.Tensor>) => valueAndGradients(layer, given.x, given.weights),
      };
      const program = compile({ step }, { eager });
      expect(program.compiled).toBe(!eager);
      tf.tidy(() => {
        const results = program.steps.step.run({ x, weights }) as Record<string, tf.Tensor>;
        for (const [name, result] of Object.entries(results)) expectClose(result, expected[name], 1e-5);
      });
      program.dispose();
    }
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose([x, weights, ...layer.weights.map((weight) => weight.read())]);
  });

  test('is the layer of tf.layers, under its name', () => {
    const { layer, x, weights } = build();
    const plain = tf.layers.layerNormalization({ axis: [...axes], epsilon });
    plain.build([null, ...shape.slice(1)]);
    plain.setWeights(layer.getWeights());
    expect(layer.getClassName()).toBe('LayerNormalization');
    expect(layer.getConfig()).toMatchObject({ axis: axes, epsilon });
    tf.tidy(() => {
      expectClose(layer.apply(x) as tf.Tensor, (plain.apply(x) as tf.Tensor).arraySync() as Nested, 1e-5);
    });
    tf.dispose([x, weights, ...[layer, plain].flatMap((of) => of.weights.map((weight) => weight.read()))]);
  });
});

describe('a Q-network', () => {
  const nature = { inputShape: [36, 36, 2] as [number, number, number], hiddenUnits: [8], numActions: 3, seed: 1 };

  test('has a norm before each ReLU and none at its output', () => {
    const network = natureQNetwork({ ...nature, padding: 'valid', normalization: 'weight', layerNorm: 'all' });
    expect(network.layers.map(({ name }) => name)).toEqual([
      ...['pixels', 'scale'],
      ...['conv1', 'conv1_norm', 'conv1_relu', 'conv2', 'conv2_norm', 'conv2_relu'],
      ...['conv3', 'conv3_norm', 'conv3_relu', 'features', 'dense1', 'dense1_norm', 'dense1_relu', 'q'],
    ]);
    expect(network.getLayer('conv1_norm').getWeights()[0].shape).toEqual([8, 8, 32]);
    network.dispose();
  });

  test.each(['none', 'weight', 'weight+mean-only-batch'] as Normalization[])(
    'with the normalization %s, a plain one gets its function from it; and what stands before a norm has no scale',
    (normalization) => {
      const before = tf.memory().numTensors;
      const make = (kind: Normalization) =>
        mlpQNetwork({
          inputSize: 4,
          hiddenUnits: [16, 16],
          numActions: 3,
          normalization: kind,
          layerNorm: 'all',
          seed: 2,
        });
      const [network, plain] = [make(normalization), make('none')];
      tf.tidy(() => {
        for (const { name, variable } of network.trainableWeights.map((weight) => ({
          name: weight.originalName,
          variable: weight.read() as tf.Variable,
        }))) {
          variable.assign(tf.add(variable, normal([...variable.shape], name.length, 0.3)));
        }
        assignEffectiveWeights(plain, network);
        const x = normal([5, 4], 7);
        const expected = (network.predict(x) as tf.Tensor).arraySync() as Nested;
        expectClose(plain.predict(x) as tf.Tensor, expected, 1e-5);
        // Ten times the kernel and the bias of the second layer: its norm gives the same.
        const layer = plain.getLayer('dense2');
        layer.setWeights(layer.getWeights().map((weight) => weight.mul(10)));
        expectClose(plain.predict(x) as tf.Tensor, expected, 1e-3);
      });
      network.dispose();
      plain.dispose();
      expect(tf.memory().numTensors).toBe(before);
    },
  );
});
