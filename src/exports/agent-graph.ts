// An agent that plays as a graph: states in, action values out.
import * as tf from '@tensorflow/tfjs';
import type { NetworkOutputs } from '../agent/definition.ts';
import type { StateOptions } from '../agent/states.ts';
import { quantileMidpoints, supportAtoms } from '../losses/index.ts';
import { BATCH, Graph, type Value } from './graph.ts';
import { addNetwork } from './layers.ts';

/** The input of every exported agent. */
export const STATES = 'states';
/** The output that every exported agent has, [n, actions]. */
export const Q_VALUES = 'q_values';

/** What an agent is exported from. */
export interface ExportedAgent {
  /** The network that plays, with its weights. */
  readonly network: tf.LayersModel;
  readonly states: StateOptions;
  readonly numActions: number;
  readonly outputs: NetworkOutputs;
}

/** Shape of the exported input: the batch, the frames of a state where there are several, and an observation. */
export function exportedStateShape({ frameShape, frameStack }: StateOptions): number[] {
  return [BATCH, ...(frameStack > 1 ? [frameStack] : []), ...frameShape];
}

/**
 * The graph from `states` to `q_values` [n, actions] and, of agents that learn distributions, `logits` or `quantiles`
 * [n, actions, count].
 * @throws ExportError for a network with layers that cannot be exported.
 */
export function agentGraph({ network, states, numActions, outputs }: ExportedAgent): Graph {
  const graph = new Graph({ [STATES]: exportedStateShape(states) });
  const input = networkInput(graph, network, states);
  switch (outputs.kind) {
    case 'values':
      graph.output(Q_VALUES, addNetwork(graph, network, [input]));
      break;
    case 'categorical': {
      const logits = byAction(graph, 'logits', addNetwork(graph, network, [input]), numActions, outputs.atoms);
      graph.output('logits', logits);
      const atoms = graph.constant(`${Q_VALUES}/returns`, valuesOf(supportAtoms(outputs)), [outputs.atoms]);
      const probabilities = graph.unary('Softmax', `${Q_VALUES}/probabilities`, logits);
      const shares = graph.binary('Mul', `${Q_VALUES}/shares`, probabilities, atoms);
      graph.output(Q_VALUES, graph.reduce('Sum', `${Q_VALUES}/sum`, shares, [2], false));
      break;
    }
    case 'quantiles': {
      const quantiles = byAction(graph, 'quantiles', addNetwork(graph, network, [input]), numActions, outputs.count);
      outputQuantiles(graph, quantiles);
      break;
    }
    case 'implicit-quantiles': {
      const byProbability = addImplicitQuantiles(graph, network, input, outputs.count); // [n, count, actions]
      outputQuantiles(graph, graph.transpose('quantiles/by_action', byProbability, [0, 2, 1]));
    }
  }
  return graph;
}

/** @param quantiles [n, actions, count] */
function outputQuantiles(graph: Graph, quantiles: Value): void {
  graph.output('quantiles', quantiles);
  graph.output(Q_VALUES, graph.reduce('Mean', `${Q_VALUES}/mean`, quantiles, [2], false));
}

function byAction(graph: Graph, name: string, outputs: Value, numActions: number, perAction: number): Value {
  return graph.reshape(`${name}/by_action`, outputs, [BATCH, numActions, perAction]);
}

/** States as the network takes them: frames side by side as channels, the oldest first, or everything in one row. */
function networkInput(graph: Graph, network: tf.LayersModel, { frameShape, frameStack }: StateOptions): Value {
  const states = graph.inputs[STATES];
  const shape = network.inputs[0].shape.slice(1) as number[];
  if (shape.length === 3 && frameStack > 1) {
    const isFlat = frameShape.length === 2; // frames without channels
    const last = graph.transpose('frames_last', states, isFlat ? [0, 2, 3, 1] : [0, 2, 3, 1, 4]);
    return isFlat ? last : graph.reshape('frames_as_channels', last, [BATCH, ...shape]);
  }
  const isAlike = tf.util.arraysEqual(shape, states.shape.slice(1));
  return isAlike ? states : graph.reshape('network_input', states, [BATCH, ...shape]);
}

/** An implicit quantile network at the midpoints of equal parts of probability, whose cosines are constants. */
function addImplicitQuantiles(graph: Graph, network: tf.LayersModel, states: Value, count: number): Value {
  const taus = valuesOf(quantileMidpoints(count));
  const probabilities = graph.constant('probabilities', taus, [1, count]);
  return addNetwork(graph, network, [states, probabilities], {
    CosineEmbedding(layer) {
      const cosines = tf.tidy(() => layer.apply(tf.tensor2d(taus, [1, count])) as tf.Tensor3D);
      return graph.constant(layer.name, valuesOf(cosines), cosines.shape);
    },
  });
}

/** A tensor's values; the tensor is disposed of. */
function valuesOf(tensor: tf.Tensor): Float32Array {
  const values = Float32Array.from(tensor.dataSync());
  tensor.dispose();
  return values;
}
