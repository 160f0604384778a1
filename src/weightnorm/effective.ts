// The plain weights that normalised layers apply at inference.
import * as tf from '@tensorflow/tfjs';
import { effectiveTensor, inBroadcastShape, type NormalizedKernel, unitsOf } from './kernels.ts';
import { isNormalizedLayer } from './layers.ts';
import type { NormalizedLayer } from './normalized.ts';
import type { Normalization } from './options.ts';
import { partsOf } from './plain-layers.ts';
import { isNormalizedRecurrent, type NormalizedRecurrentLayer } from './recurrent.ts';

/**
 * Makes `target` compute what `source` does. The two are the same network, but layers of `target` may be plain where
 * those of `source` are normalised: they get the weights w = g v/||v|| and b - movingMean that `source` applies at
 * inference, so that a network whose weights stay as they are for many calls, such as a target network, spends nothing
 * on norms. All other weights are copied.
 *
 * Layers inside nested models, wrappers such as timeDistributed and bidirectional, and recurrent layers are found.
 *
 * Reads no value, so it may be a step of `compile()`.
 * @throws If the layers or their weights do not correspond, or a layer has `layer` or `group` normalization, which no
 *   plain weights have.
 */
export function assignEffectiveWeights(target: tf.LayersModel, source: tf.LayersModel): void {
  assignLayers(target.layers, source.layers);
}

function assignLayers(targets: readonly tf.layers.Layer[], sources: readonly tf.layers.Layer[]): void {
  if (targets.length !== sources.length) {
    throw new Error(
      `assignEffectiveWeights: the target has ${targets.length} layers and the source ${sources.length}: build ` +
        'both with the same layers',
    );
  }
  targets.forEach((layer, i) => {
    const from = sources[i]!;
    const [parts, fromParts] = [partsOf(layer), partsOf(from)];
    if (parts && fromParts) assignLayers(parts, fromParts);
    else tf.tidy(() => assign(layer, weightsFor(layer, from)));
  });
}

/** The weights of `from` as `layer` has them. */
function weightsFor(layer: tf.layers.Layer, from: tf.layers.Layer): tf.Tensor[] {
  const [wanted, given] = [layer, from].map(normalizationOf);
  if (wanted === given) return from.weights.map((weight) => weight.read());
  if (wanted !== 'none') {
    throw new Error(
      `assignEffectiveWeights: layer "${layer.name}" of the target has normalization '${wanted}', the source's ` +
        `'${given}': give the target 'none' or the same`,
    );
  }
  return effectiveWeights(from as NormalizedLayer | NormalizedRecurrentLayer);
}

function normalizationOf(layer: tf.layers.Layer): Normalization {
  return isNormalizedLayer(layer) || isNormalizedRecurrent(layer) ? layer.normalization : 'none';
}

function assign({ name, weights }: tf.layers.Layer, values: readonly tf.Tensor[]): void {
  if (weights.length !== values.length) {
    throw new Error(
      `assignEffectiveWeights: layer "${name}" of the target has ${weights.length} weights, the source gives ` +
        `${values.length}: build both with the same arguments`,
    );
  }
  weights.forEach((weight, i) => {
    weight.write(values[i]!);
  });
}

/**
 * The weights with which the layer of tf.layers computes the same at inference: its kernels and, where the layer has a
 * bias or a running mean, its bias, in that layer's order (kernel, recurrent kernel, bias in recurrent layers). New
 * tensors: dispose of them. Stale as soon as a weight of the layer changes.
 * @throws For `layer` and `group` normalization, which depend on each example.
 */
export function effectiveWeights(layer: NormalizedLayer | NormalizedRecurrentLayer): tf.Tensor[] {
  if (isNormalizedRecurrent(layer)) {
    const weights = built(layer).map((kernel) => effectiveTensor(kernel));
    return layer.bias ? [...weights, layer.bias.read().clone()] : weights;
  }
  const { bias, movingMean } = layer;
  const kernels = built(layer).map((kernel) => effectiveKernelOf(layer, kernel));
  const takesBias = (bias || movingMean) && !isTable(layer);
  return takesBias ? [...kernels, effectiveBias(layer)] : kernels;
}

/**
 * The plain kernel w that a layer with one kernel applies at inference, in its shape: g v/||v|| with weight
 * normalization. With it and {@link effectiveBias}, a layer of tf.layers computes the same. A new tensor: dispose of
 * it.
 */
export function effectiveKernel(layer: NormalizedLayer): tf.Tensor {
  return effectiveKernelOf(layer, built(layer).at(-1)!);
}

/**
 * The plain bias of a layer at inference, `[units]`, b - movingMean without batch normalization; zeros where it has
 * neither. A new tensor: dispose of it.
 */
export function effectiveBias(layer: NormalizedLayer): tf.Tensor {
  const last = built(layer).at(-1)!;
  const { bias, movingMean, movingVariance } = layer;
  return tf.tidy(() => {
    const b = bias ? bias.read() : tf.zeros([isTable(layer) ? (last.variable.shape[1] as number) : unitsOf(last)]);
    if (!movingMean) return b.clone();
    const mean = movingVariance ? tf.mul(movingMean.read(), outputFactor(layer)!) : movingMean.read();
    return tf.sub(b, mean);
  });
}

function effectiveKernelOf(layer: NormalizedLayer, kernel: NormalizedKernel): tf.Tensor {
  return tf.tidy(() => {
    const w = effectiveTensor(kernel);
    // What follows the last kernel goes into it.
    const factor = kernel === layer.kernels.at(-1) ? outputFactor(layer) : undefined;
    if (isTable(layer)) return tf.add(factor ? tf.mul(w, factor) : w, effectiveBias(layer));
    return factor ? tf.mul(w, inBroadcastShape(kernel, factor)) : w;
  });
}

/** An embedding's rows are its outputs: they take the bias too. */
function isTable({ kernels }: NormalizedLayer): boolean {
  return kernels[0]!.name === 'embeddings';
}

/** scale / sqrt(movingVariance + epsilon) of batch normalization, `[units]`. */
function outputFactor({ scale, movingVariance, settings }: NormalizedLayer): tf.Tensor | undefined {
  if (!movingVariance) return undefined;
  return tf.mul(scale!.read(), tf.rsqrt(tf.add(movingVariance.read(), settings.varianceEpsilon)));
}

function built(layer: NormalizedLayer | NormalizedRecurrentLayer): readonly NormalizedKernel[] {
  const { outputNormalization } = layer.settings;
  if (layer.kernels.length === 0) throw new Error(`layer "${layer.name}" has no weights yet: build its model first`);
  if (outputNormalization === 'layer' || outputNormalization === 'group') {
    throw new Error(
      `layer "${layer.name}" has '${outputNormalization}' normalization, which depends on each example: no plain ` +
        'weights compute the same',
    );
  }
  return layer.kernels;
}
