// From ordinary layers to weight-normalised ones and back: the model's description is rewritten, and the weights are
// carried over.
import * as tf from '@tensorflow/tfjs';
import { assignEffectiveWeights } from './effective.ts';
import { type NormalizedKernel, normPreservingGain } from './kernels.ts';
import { partsOf, repairedConfig } from './plain-layers.ts';

/** The classes of tf.layers that have a normalised counterpart. */
const PLAIN_CLASSES = [
  'Dense',
  'Conv1D',
  'Conv2D',
  'Conv3D',
  'Conv2DTranspose',
  'DepthwiseConv2D',
  'SeparableConv2D',
  'Embedding',
  'SimpleRNN',
  'LSTM',
  'GRU',
  'SimpleRNNCell',
  'LSTMCell',
  'GRUCell',
];
const PREFIX = 'Normalized';
/** What our layers add to a description, as tfjs spells it. */
const OWN_SETTINGS = [
  'normalization',
  'initialization',
  'epsilon',
  'variance_epsilon',
  'momentum',
  'groups',
  'fixed_gain',
  'activation_gain',
  'data_free_factor',
  'regularize',
  'data_initialized',
];

/** Which layers are left out. */
export interface ApplyWeightNormOptions {
  /**
   * Names of layers to leave as they are, such as the last one: every layer of that name, with all that is in it where
   * it is a model or a wrapper. `model/layer` names the one in a nested model.
   */
  exclude?: readonly string[];
}

/**
 * A new model that computes what `model` does, its dense, convolution, embedding and recurrent layers (in nested models
 * and wrappers too) weight-normalised with v = w and g = ||w||: to go on training a trained model with weight
 * normalization. Layer names, shared layers and everything else stay; the optimizer of a compiled model does not come
 * along. `model` is not touched; both are the caller's to dispose.
 *
 * @throws If `exclude` names a layer that the model does not have.
 */
export async function applyWeightNorm(
  model: tf.LayersModel,
  { exclude = [] }: ApplyWeightNormOptions = {},
): Promise<tf.LayersModel> {
  const unknown = new Set(exclude);
  const isExcluded = (path: readonly string[]): boolean => {
    const names = path.flatMap((name, depth) => [name, path.slice(0, depth + 1).join('/')]);
    for (const name of [path.at(-1)!, path.join('/')]) unknown.delete(name);
    return names.some((name) => exclude.includes(name));
  };
  const description = rewritten(model, (node, _, path) => {
    const { class_name: name, config } = node;
    if (isExcluded(path) || !PLAIN_CLASSES.includes(name)) return node;
    return { class_name: PREFIX + name, config: { ...config, normalization: 'weight' } };
  });
  if (unknown.size > 0) throw new Error(`applyWeightNorm: the model has no layer "${[...unknown][0]}" to exclude`);
  const normalized = await modelOf(description);
  carryWeights(model, normalized);
  return normalized;
}

/**
 * A new model of ordinary layers that computes what `model` does at inference: each normalised layer's kernel becomes
 * the one that it applies, g v/||v|| with weight normalization, and running averages go into kernel and bias. For
 * deployment where this library is not wanted. `model` is not touched; both are the caller's to dispose.
 *
 * @throws For a layer with `layer` or `group` normalization, by name: what it computes depends on each example.
 */
export async function removeWeightNorm(model: tf.LayersModel): Promise<tf.LayersModel> {
  const description = rewritten(model, (node, layer: Leaf) => {
    const name = node.class_name.slice(PREFIX.length);
    if (!node.class_name.startsWith(PREFIX) || !PLAIN_CLASSES.includes(name)) return node;
    const config = Object.fromEntries(Object.entries(node.config).filter(([key]) => !OWN_SETTINGS.includes(key)));
    if (isNormalized(layer) && layer.movingMean && name !== 'Embedding') config.use_bias = true;
    return { class_name: name, config };
  });
  const plain = await modelOf(description);
  try {
    assignEffectiveWeights(plain, model);
  } catch (error) {
    // tfjs leaves the weights of models in a sequential one.
    const variables = plain.weights.map((weight) => weight.read());
    plain.dispose();
    tf.dispose(variables.filter(({ isDisposed }) => !isDisposed));
    throw error;
  }
  return plain;
}

/** A layer in tfjs's JSON. */
interface Description {
  class_name: string;
  config: Record<string, unknown>;
}

/**
 * A layer's description in place of its own.
 * @param path The names of the models and wrappers that it is in, from outside, and its own.
 */
type Rewrite = (node: Description, layer: tf.layers.Layer, path: readonly string[]) => Description;

/** The model's description, that of each layer in it rewritten. */
function rewritten(model: tf.LayersModel, rewrite: Rewrite): Description {
  return rewrittenNode(model.toJSON(null, false) as unknown as Description, model, rewrite, []);
}

async function modelOf(modelTopology: Description): Promise<tf.LayersModel> {
  return tf.models.modelFromJSON({ modelTopology } as unknown as Parameters<typeof tf.models.modelFromJSON>[0]);
}

/**
 * A description and those in it, each with the layer that it is of: names alone do not tell, as two nested models may
 * have layers of one name.
 */
function rewrittenNode(node: Description, layer: Holder, rewrite: Rewrite, path: readonly string[]): Description {
  const config = { ...node.config, ...repairedDescription(layer) };
  const visit = (part: unknown, of: tf.layers.Layer) => {
    const description = part as Description;
    return { ...description, ...rewrittenNode(description, of, rewrite, [...path, String(description.config.name)]) };
  };
  if (layer instanceof tf.LayersModel) {
    config.layers = (config.layers as Description[]).map((part) =>
      visit(part, layer.getLayer(String(part.config.name))),
    );
  } else if (config.layer) {
    config.layer = visit(config.layer, layer.layer!);
  } else if (config.cell) {
    config.cell = visit(config.cell, layer.cell!);
  } else if (config.cells) {
    config.cells = (config.cells as Description[]).map((part, i) => visit(part, layer.cells![i]!));
  }
  // The outermost model has no name in its paths.
  return path.length === 0 ? { ...node, config } : rewrite({ ...node, config }, layer, path);
}

/** What wrappers, recurrent layers and stacked cells have at run time. */
type Holder = tf.layers.Layer & { layer?: tf.layers.Layer; cell?: tf.layers.Layer; cells?: tf.layers.Layer[] };

/** {@link repairedConfig} as tfjs spells it. */
function repairedDescription(layer: tf.layers.Layer): Record<string, unknown> {
  const { depthMultiplier, depthwiseConstraint } = repairedConfig(layer);
  if (depthMultiplier === undefined) return {};
  return { depth_multiplier: depthMultiplier, depthwise_constraint: depthwiseConstraint };
}

/** What the layers with weights of their own have in common. */
type Leaf = tf.layers.Layer & {
  kernels?: readonly NormalizedKernel[];
  normalization?: string;
  bias?: tf.LayerVariable | null;
  movingMean?: tf.LayerVariable | null;
};

/** The layers (and cells) that hold weights, in an order that both models share. */
function leaves(layer: tf.layers.Layer): Leaf[] {
  return partsOf(layer)?.flatMap(leaves) ?? [layer];
}

function isNormalized(leaf: Leaf): boolean {
  return leaf.kernels !== undefined && leaf.normalization !== 'none';
}

/** Every weight of `source`, its kernels as v and their lengths as g where only `target` is normalised. */
function carryWeights(source: tf.LayersModel, target: tf.LayersModel): void {
  const targets = leaves(target);
  leaves(source).forEach((from, i) => {
    const to = targets[i]!;
    tf.tidy(() => {
      const weights = from.weights.map((weight) => weight.read());
      if (isNormalized(from) === isNormalized(to)) write(to.weights, weights);
      else writeNormalized(to, weights);
    });
  });
}

/** v = w, g = ||w||. */
function writeNormalized(layer: Leaf, plainWeights: tf.Tensor[]): void {
  const kernels = layer.kernels!;
  const variables = kernels.map(({ variable }) => variable);
  write(layer.bias ? [...variables, layer.bias] : variables, plainWeights);
  for (const kernel of kernels) if (typeof kernel.gain === 'object') kernel.gain.write(normPreservingGain(kernel));
}

function write(variables: readonly tf.LayerVariable[], values: readonly tf.Tensor[]): void {
  variables.forEach((variable, i) => {
    variable.write(values[i]!);
  });
}
