// A Q-network of your own: any tf.LayersModel. Run: npm run build && node dist/examples/own-network.js
import * as tf from '@tensorflow/tfjs';
import { train } from 'weightnorm-rl/agents';
import { dense } from 'weightnorm-rl/weightnorm';

const run = await train({
  env: 'CartPole-v1',
  steps: 3_000,
  // Called for the network that learns, and for plain copies of it: `normalization` says which.
  network({ inputShape, outputs, normalization, seed }) {
    const input = tf.input({ shape: [...inputShape] });
    const hidden = dense({ units: 64, activation: 'tanh', normalization, seed }).apply(input) as tf.SymbolicTensor;
    const value = dense({ units: 1, normalization, seed: seed + 1 }).apply(hidden) as tf.SymbolicTensor;
    const advantages = dense({ units: outputs, normalization, seed: seed + 2 }).apply(hidden) as tf.SymbolicTensor;
    // Q(s, a) = V(s) + A(s, a): the value is repeated for each action.
    const repeated = tf.layers
      .reshape({ targetShape: [outputs] })
      .apply(tf.layers.repeatVector({ n: outputs }).apply(value)) as tf.SymbolicTensor;
    return tf.model({ inputs: input, outputs: tf.layers.add().apply([repeated, advantages]) as tf.SymbolicTensor });
  },
});
const { numbers } = await run.finish();
console.log(`mean score ${numbers.meanReturn.toFixed(1)} over the last ${Math.min(100, numbers.episodes)} episodes`);
