// A learning step of your own, as one TensorFlow graph. Run: npm run build && node dist/examples/own-learning-step.js
import * as tf from '@tensorflow/tfjs';
import { compile, createOptimizer, defineStep, loadTensorFlow, trainableVariables } from 'weightnorm-rl';
import { dense } from 'weightnorm-rl/weightnorm';

loadTensorFlow();
const BATCH = 32;
const model = tf.sequential({
  layers: [
    dense({ inputShape: [2], units: 32, activation: 'relu', normalization: 'weight', seed: 1 }),
    dense({ units: 1, normalization: 'weight', seed: 2 }),
  ],
});
const named = trainableVariables(model);
const variables = named.map(({ variable }) => variable);
const optimizer = createOptimizer({ name: 'adam', learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }, named);

const program = compile({
  learn: defineStep(
    { x: { shape: [BATCH, 2], dtype: 'float32' }, y: { shape: [BATCH], dtype: 'float32' } },
    ({ x, y }) => {
      const { value: loss, grads } = tf.variableGrads(() => {
        const output = model.apply(x, { training: true }) as tf.Tensor2D;
        return output.reshape<tf.Tensor1D>([BATCH]).sub(y).square().mean<tf.Scalar>();
      }, variables);
      optimizer.applyGradients(variables.map(({ name }) => grads[name]));
      return { loss };
    },
  ),
});
let loss = 0;
for (let update = 0; update < 500; update++) {
  const x = Float32Array.from({ length: 2 * BATCH }, (_, i) => Math.sin(update + i));
  const y = Float32Array.from({ length: BATCH }, (_, i) => x[2 * i] * x[2 * i + 1]);
  loss = program.steps.learn.values({ x, y }).loss[0];
}
console.log(`${program.compiled ? 'compiled' : 'op by op'}: loss ${loss.toFixed(4)} after 500 updates`);
