// What the hidden units of a network do.
import * as tf from '@tensorflow/tfjs';

/** What a layer's rectified units gave for some examples: [examples, units] or [examples, height, width, units]. */
// A type and not an interface, so that tf.tidy may return it.
export type Activations = { layer: string; values: tf.Tensor };

/**
 * What each layer with a ReLU gives for inputs, at inference. A ReLU that is a layer of its own (`conv1_relu`) goes by
 * the name of the one before it (`conv1`).
 * @param inputs As the network takes them. The tensors are the caller's to dispose.
 */
export function reluActivations(network: tf.LayersModel, inputs: tf.Tensor | tf.Tensor[]): Activations[] {
  const layers = network.layers.filter(isRectified);
  if (layers.length === 0) return [];
  const outputs = layers.map((layer) => layer.output as tf.SymbolicTensor);
  const values = tf.model({ inputs: network.inputs, outputs }).apply(inputs) as tf.Tensor | tf.Tensor[];
  return [values].flat().map((value, i) => ({ layer: layers[i].name.replace(/_relu$/, ''), values: value }));
}

function isRectified(layer: tf.layers.Layer): boolean {
  return layer.getClassName() === 'ReLU' || layer.getConfig().activation === 'relu';
}

/** A unit is dormant where its mean activity is at most this share of the mean over its layer. */
const DORMANT = 0.025;

/**
 * The share of a layer's units that are dormant (Sokar et al. 2023, arXiv:2302.12902, equation 1 with tau 0.025): the
 * mean of |activation| over examples and positions, divided by its mean over the units, is at most tau. 1 where no unit
 * does anything. Reads values synchronously.
 */
export function dormantShare(activations: tf.Tensor): number {
  return tf.tidy(() => {
    const axes = activations.shape.map((_, axis) => axis).slice(0, -1);
    const activity = tf.mean(tf.abs(activations), axes); // [units]
    const isDormant = tf.lessEqual(activity, tf.mul(DORMANT, tf.mean(activity)));
    return tf.mean(tf.cast(isDormant, 'float32')).dataSync()[0];
  });
}
