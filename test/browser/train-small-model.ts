// A small weight-normalised model trained with fixed seeds: run by the tests in Node, and bundled for the page of a
// browser.
import * as tf from '@tensorflow/tfjs';
import { conv2d, dataDependentInit, dense } from '../../src/weightnorm/index.ts';

export interface Training {
  /** The backend that did the work. */
  backend: string;
  /** Mean squared error of each epoch. */
  losses: number[];
  /** The trained model's outputs for its 32 pictures. */
  predictions: number[];
  /** Tensors that the whole left behind. */
  keptTensors: number;
}

/**
 * How bright is the middle of a picture of 8 x 8 pixels? Initialised from the data, then 12 steps of Adam.
 * @throws If the backend cannot be had here.
 */
export async function trainSmallModel(backend: string): Promise<Training> {
  if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js cannot start its ${backend} backend here`);
  const before = tf.memory().numTensors;
  const pictures = tf.randomNormal([32, 8, 8, 1], 0, 1, 'float32', 1);
  const brightness = tf.tidy(() => pictures.slice([0, 3, 3, 0], [32, 2, 2, 1]).mean([1, 2])); // [32, 1]
  const model = tf.sequential({
    layers: [
      conv2d({
        inputShape: [8, 8, 1],
        filters: 4,
        kernelSize: 3,
        activation: 'relu',
        normalization: 'weight+mean-only-batch',
        seed: 2,
      }),
      tf.layers.flatten(),
      dense({ units: 8, activation: 'relu', seed: 3 }),
      dense({ units: 1, seed: 4 }),
    ],
  });
  dataDependentInit(model, pictures);

  // Its epsilon by number: the default is 1e-4 on the webgl backend and 1e-7 on the others.
  const optimizer = tf.train.adam(0.01, 0.9, 0.999, 1e-7);
  model.compile({ optimizer, loss: 'meanSquaredError' });
  const { history } = await model.fit(pictures, brightness, { epochs: 6, batchSize: 16, shuffle: false, verbose: 0 });
  const output = model.predict(pictures) as tf.Tensor;
  const predictions = Array.from(await output.data());

  model.dispose();
  optimizer.dispose();
  tf.dispose([pictures, brightness, output]);
  const keptTensors = tf.memory().numTensors - before;
  return { backend: tf.getBackend(), losses: history.loss as number[], predictions, keptTensors };
}
