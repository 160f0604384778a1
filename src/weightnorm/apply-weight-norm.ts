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

export interface ApplyWeightNormOptions {
  /** Names of layers to leave as they are, such as the last one. */
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
  const normalized = await rebuilt(model, (node) => {
    const { class_name: name, config } = node;
    unknown.delete(String(config.name));
    if (!PLAIN_CLASSES.includes(name) || exclude.includes(String(config.name))) return node;
    return { class_name: PREFIX + name, config: { ...config, normalization: 'weight' } };
  });
  if (unknown.size > 0) {
    normalized.dispose();
    throw new Error(`applyWeightNorm: the model has no layer "${[...unknown][0]}" to exclude`);
  }
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
  const hasRunningMean = new Set(
    leaves(model).flatMap((leaf) => (isNormalized(leaf) && leaf.movingMean ? [leaf.name] : [])),
  );
  const plain = await rebuilt(model, (node) => {
    const name = node.class_name.slice(PREFIX.length);
    if (!node.class_name.startsWith(PREFIX) || !PLAIN_CLASSES.includes(name)) return node;
    const config = Object.fromEntries(Object.entries(node.config).filter(([key]) => !OWN_SETTINGS.includes(key)));
    if (hasRunningMean.has(String(config.name)) && name !== 'Embedding') config.use_bias = true;
    return { class_name: name, config };
  });
  try {
    assignEffectiveWeights(plain, model);
  } catch (error) {
    plain.dispose();
    throw error;
  }
  return plain;
}

/** A layer in tfjs's JSON. */
interface Description {
  class_name: string;
  config: Record<string, unknown>;
}

/** The model built again from its description, each layer's rewritten. */
async function rebuilt(model: tf.LayersModel, rewrite: (node: Description) => Description): Promise<tf.LayersModel> {
  const byName = new Map(leaves(model).map((leaf) => [leaf.name, leaf]));
  const repair = ({ config }: Description) => {
    const leaf = byName.get(String(config.name));
    const { depthMultiplier, depthwiseConstraint } = leaf ? repairedConfig(leaf) : {};
    if (depthMultiplier !== undefined)
      Object.assign(config, { depth_multiplier: depthMultiplier, depthwise_constraint: depthwiseConstraint });
  };
  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit);
    if (typeof value !== 'object' || value === null) return value;
    const visited = Object.fromEntries(Object.entries(value).map(([key, part]) => [key, visit(part)]));
    if (!isDescription(visited)) return visited;
    repair(visited);
    return { ...visited, ...rewrite(visited) };
  };
  const modelTopology = visit(model.toJSON(null, false));
  return tf.models.modelFromJSON({ modelTopology } as Parameters<typeof tf.models.modelFromJSON>[0]);
}

function isDescription(value: object): value is Description {
  const { class_name: name, config } = value as Partial<Description>;
  return typeof name === 'string' && typeof config === 'object' && config !== null;
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
