import * as tf from '@tensorflow/tfjs';
import {
  effectiveBias,
  effectiveKernel,
  isNormalizedLayer,
  type Normalization,
  type NormalizedLayer,
} from './layers.ts';

/**
 * Makes `target` compute what `source` does. The two are the same network, but layers of `target` may be plain where those of `source` are
 * normalised: they get the weights w = g v/||v|| and b - movingMean that `source` applies at inference, so that a network whose weights
 * stay as they are for many calls, such as a target network, spends nothing on norms. All other weights are copied.
 *
 * Reads no value, so it may be a step of `compile()`.
 * @throws If the layers or their weights do not correspond.
 */
export function assignEffectiveWeights(target: tf.LayersModel, source: tf.LayersModel): void {
  if (target.layers.length !== source.layers.length) {
    throw new Error(
      `assignEffectiveWeights: the target has ${target.layers.length} layers and the source ${source.layers.length}: build both with the same layers`,
    );
  }
  target.layers.forEach((layer, i) => {
    const from = source.layers[i]!;
    if (layer instanceof tf.LayersModel && from instanceof tf.LayersModel) assignEffectiveWeights(layer, from);
    else tf.tidy(() => assign(layer, weightsFor(layer, from)));
  });
}

/** The weights of `from` as `layer` has them. */
function weightsFor(layer: tf.layers.Layer, from: tf.layers.Layer): tf.Tensor[] {
  const [wanted, given] = [layer, from].map(normalizationOf);
  if (wanted === given) return from.weights.map((weight) => weight.read());
  if (wanted !== 'none') {
    throw new Error(
      `assignEffectiveWeights: layer "${layer.name}" of the target has normalization '${wanted}', the source's '${given}': give the target 'none' or the same`,
    );
  }
  const normalized = from as NormalizedLayer;
  const kernel = effectiveKernel(normalized);
  return normalized.bias || normalized.movingMean ? [kernel, effectiveBias(normalized)] : [kernel];
}

function normalizationOf(layer: tf.layers.Layer): Normalization {
  return isNormalizedLayer(layer) ? layer.normalization : 'none';
}

function assign({ name, weights }: tf.layers.Layer, values: readonly tf.Tensor[]): void {
  if (weights.length !== values.length) {
    throw new Error(
      `assignEffectiveWeights: layer "${name}" of the target has ${weights.length} weights, the source gives ${values.length}: build both with the same arguments`,
    );
  }
  weights.forEach((weight, i) => {
    weight.write(values[i]!);
  });
}
