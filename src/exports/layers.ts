// The layers of a Q-network as nodes of a graph, with the weights that they apply at inference.
import * as tf from '@tensorflow/tfjs';
import { effectiveWeights, isNormalizedLayer } from '../weightnorm/index.ts';
import { BATCH, type Convolution, type Graph, type Value } from './graph.ts';

/** A network that cannot be exported. The message names the layer. */
export class ExportError extends Error {
  override readonly name = 'ExportError';
}

/** Adds a layer's nodes. The layer's settings are those of `getConfig`. */
type Convert = (graph: Graph, layer: tf.layers.Layer, inputs: readonly Value[]) => Value;

/** Each class of layers that can be exported; normalised ones go by the names of the plain ones. */
const CONVERSIONS: Readonly<Record<string, Convert>> = {
  Conv2D: convolution,
  Dense: dense,
  Dueling: dueling,
  Flatten: (graph, { name }, [x]) => graph.reshape(name, x, [BATCH, x.shape.slice(1).reduce((a, b) => a * b, 1)]),
  LayerNormalization: layerNormalization,
  // Noise is for learning: on average there is none.
  LayerNoise: (_, _layer, [x]) => x,
  Multiply: multiply,
  ReLU: (graph, { name }, [x]) => graph.unary('Relu', name, x),
  Rescaling: rescaling,
};

/**
 * Adds a network to a graph.
 * @param inputs The values of the network's inputs, in its order. One whose first size is 1 is the same for all states.
 * @param precomputed Layers by class whose outputs are known: their inputs are constants.
 * @returns The network's output.
 * @throws ExportError for a layer of another kind, by name.
 */
export function addNetwork(
  graph: Graph,
  network: tf.LayersModel,
  inputs: readonly Value[],
  precomputed: Readonly<Record<string, (layer: tf.layers.Layer) => Value>> = {},
): Value {
  const values = new Map<number, Value>();
  network.inputs.forEach((input, i) => {
    values.set(input.id, inputs[i]);
  });
  for (const layer of network.layers) {
    const className = layer.getClassName().replace(/^Normalized/, '');
    if (className === 'InputLayer') continue;
    const nodes = (layer as unknown as { inboundNodes: unknown[] }).inboundNodes;
    const [sources, output] = [[layer.input].flat(), layer.output as tf.SymbolicTensor];
    const known = precomputed[className];
    const convert = CONVERSIONS[className];
    if (convert === undefined && known === undefined) {
      const kinds = Object.keys(CONVERSIONS).join(', ');
      throw new ExportError(`layer "${layer.name}" is a ${className}: networks of these are exported: ${kinds}`);
    }
    if (nodes.length > 1) throw new ExportError(`layer "${layer.name}" is used ${nodes.length} times: use it once`);
    const given = sources.map(({ id }) => values.get(id)!);
    values.set(output.id, known?.(layer) ?? convert(graph, layer, given));
  }
  return values.get(network.outputs[0].id)!;
}

/** The layer's weights by their names, such as `kernel` and `bias`, as constants of the graph. */
function weightsOf(graph: Graph, layer: tf.layers.Layer, names: readonly string[]): (Value | undefined)[] {
  const tensors = isNormalizedLayer(layer)
    ? effectiveWeights(layer)
    : layer.weights.map((weight) => weight.read().clone());
  try {
    return names.map((name, i) => {
      const tensor = tensors[i];
      if (tensor === undefined) return undefined; // a layer without bias
      return graph.weight(`${layer.name}/${name}`, Float32Array.from(tensor.dataSync()), tensor.shape);
    });
  } finally {
    tf.dispose(tensors);
  }
}

function convolution(graph: Graph, layer: tf.layers.Layer, [x]: readonly Value[]): Value {
  const { strides, padding, dataFormat, dilationRate } = layer.getConfig() as unknown as Convolution & {
    dataFormat: string;
    dilationRate: number | number[];
  };
  if (dataFormat === 'channelsFirst' || [dilationRate].flat().some((rate) => rate !== 1) || !hasPlainPadding(padding)) {
    throw new ExportError(`layer "${layer.name}": convolutions are exported without dilation and with channels last`);
  }
  const [kernel, bias] = weightsOf(graph, layer, ['kernel', 'bias']);
  const y = graph.conv2d(`${layer.name}/Conv2D`, x, kernel!, { strides, padding });
  return activated(graph, layer, biased(graph, layer, y, bias));
}

function hasPlainPadding(padding: string): boolean {
  return padding === 'valid' || padding === 'same';
}

/** Over the last axis; all before it are examples. */
function dense(graph: Graph, layer: tf.layers.Layer, [x]: readonly Value[]): Value {
  const [kernel, bias] = weightsOf(graph, layer, ['kernel', 'bias']);
  const [inputs, units] = kernel!.shape;
  const isFlat = x.shape.length === 2;
  const rows = isFlat ? x : graph.reshape(`${layer.name}/rows`, x, [BATCH, inputs]);
  const y = activated(graph, layer, biased(graph, layer, graph.matMul(`${layer.name}/MatMul`, rows, kernel!), bias));
  if (isFlat) return y;
  const shaped = graph.reshape(`${layer.name}/examples`, y, [BATCH, ...x.shape.slice(1, -1), units]);
  return { ...shaped, shape: [x.shape[0], ...shaped.shape.slice(1)] };
}

function biased(graph: Graph, { name }: tf.layers.Layer, x: Value, bias: Value | undefined): Value {
  return bias ? graph.biasAdd(`${name}/BiasAdd`, x, bias) : x;
}

function activated(graph: Graph, layer: tf.layers.Layer, x: Value): Value {
  const { activation = 'linear' } = layer.getConfig();
  if (activation === 'linear' || activation === null) return x;
  if (activation === 'relu') return graph.unary('Relu', `${layer.name}/Relu`, x);
  throw new ExportError(`layer "${layer.name}" has the activation ${activation}: relu and linear are exported`);
}

function layerNormalization(graph: Graph, layer: tf.layers.Layer, [x]: readonly Value[]): Value {
  const { name } = layer;
  // Axes from the front once the layer is built.
  const { axis, epsilon } = layer as unknown as { axis: number | number[]; epsilon: number };
  const axes = [axis].flat();
  const [gamma, beta] = weightsOf(graph, layer, ['gamma', 'beta']);
  const centered = graph.binary('Sub', `${name}/centered`, x, graph.reduce('Mean', `${name}/mean`, x, axes, true));
  const squares = graph.unary('Square', `${name}/squares`, centered);
  const variance = graph.reduce('Mean', `${name}/variance`, squares, axes, true);
  const shifted = graph.binary('AddV2', `${name}/shifted`, variance, graph.number(`${name}/epsilon`, epsilon));
  const normal = graph.binary('Mul', `${name}/normal`, centered, graph.unary('Rsqrt', `${name}/factor`, shifted));
  const scaled = graph.binary('Mul', `${name}/scaled`, normal, gamma!);
  return graph.binary('AddV2', name, scaled, beta!);
}

function rescaling(graph: Graph, layer: tf.layers.Layer, [x]: readonly Value[]): Value {
  const { name } = layer;
  const { scale, offset } = layer.getConfig() as { scale: number; offset: number };
  const scaled = graph.binary('Mul', `${name}/scaled`, x, graph.number(`${name}/scale`, scale));
  return offset === 0 ? scaled : graph.binary('AddV2', name, scaled, graph.number(`${name}/offset`, offset));
}

/** Q = V + A - mean A, of [n, outputs an action] and [n, actions x outputs an action]. */
function dueling(graph: Graph, layer: tf.layers.Layer, [value, advantages]: readonly Value[]): Value {
  const { name } = layer;
  const { numActions } = layer.getConfig() as { numActions: number };
  const [batch, outputs] = advantages.shape;
  const perAction = outputs / numActions;
  const byAction = graph.reshape(`${name}/advantages`, advantages, [batch, numActions, perAction]);
  const mean = graph.reduce('Mean', `${name}/mean`, byAction, [1], true);
  const centered = graph.binary('Sub', `${name}/centered`, byAction, mean);
  const ofState = graph.reshape(`${name}/value`, value, [batch, 1, perAction]);
  return graph.reshape(name, graph.binary('AddV2', `${name}/sum`, centered, ofState), [batch, outputs]);
}

/** The product of features [n, f] and what is the same for all states, [1, count, f]: [n, count, f]. */
function multiply(graph: Graph, { name }: tf.layers.Layer, [x, factors]: readonly Value[]): Value {
  if (x.shape.length !== 2 || factors.shape.length !== 3 || factors.shape[0] !== 1) {
    throw new ExportError(`layer "${name}": products are exported of features with what is the same for all states`);
  }
  const features = graph.reshape(`${name}/features`, x, [BATCH, 1, x.shape[1]]);
  return graph.binary('Mul', name, features, factors);
}
