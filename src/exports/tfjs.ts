import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AttributeValue, GraphNode } from '../runtime/compile/graph-node.ts';
import { DataType } from '../runtime/compile/native.ts';
import type { Graph, Value } from './graph.ts';

/** TensorFlow's types, as JSON spells them and as tfjs does. */
const TYPES: Readonly<Record<number, { proto: string; tfjs: string }>> = {
  [DataType.float32]: { proto: 'DT_FLOAT', tfjs: 'float32' },
  [DataType.int32]: { proto: 'DT_INT32', tfjs: 'int32' },
};

/**
 * Writes a graph as `model.json` and `weights.bin`, as `tf.loadGraphModel` takes them: ops of tfjs alone, no class of
 * ours.
 * @param folder An empty folder, or one to be made.
 */
export async function writeTfjsGraph(folder: string, graph: Graph): Promise<void> {
  const nodes = graph.live();
  const constants = nodes.flatMap(({ name, attributes: { value } }) =>
    value?.kind === 'tensor' ? [{ name, ...value.value }] : [],
  );
  const description = {
    format: 'graph-model',
    generatedBy: 'weightnorm-rl',
    convertedBy: null,
    signature: { inputs: tensorInfos(graph.inputs), outputs: tensorInfos(graph.outputs) },
    modelTopology: { node: nodes.map(nodeJson), versions: { producer: 1000 } },
    weightsManifest: [
      {
        paths: ['weights.bin'],
        weights: constants.map(({ name, dtype, shape }) => ({ name, shape, dtype: TYPES[dtype].tfjs })),
      },
    ],
  };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'weights.bin'), Buffer.concat(constants.map(({ bytes }) => bytes)));
  await writeFile(join(folder, 'model.json'), JSON.stringify(description));
}

function tensorInfos(values: Readonly<Record<string, Value>>) {
  return Object.fromEntries(
    Object.entries(values).map(([name, { node, shape }]) => [
      name,
      { name: `${node.name}:0`, dtype: TYPES[DataType.float32].proto, tensorShape: shapeJson(shape) },
    ]),
  );
}

/** A node in the JSON of protocol buffers. */
function nodeJson({ name, op, inputs, attributes }: GraphNode) {
  return {
    name,
    op,
    ...(inputs.length > 0 && { input: inputs.map(({ node }) => node.name) }),
    attr: Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, attributeJson(value)])),
  };
}

function attributeJson(attribute: AttributeValue) {
  switch (attribute.kind) {
    case 'type':
      return { type: TYPES[attribute.value].proto };
    case 'bool':
      return { b: attribute.value };
    case 'string':
      return { s: Buffer.from(attribute.value).toString('base64') };
    case 'ints':
      return { list: { i: attribute.value.map(String) } };
    case 'shape':
      return { shape: shapeJson(attribute.value) };
    case 'tensor': // the values are in weights.bin, by the node's name
      return {
        tensor: { dtype: TYPES[attribute.value.dtype].proto, tensorShape: shapeJson(attribute.value.shape) },
      };
    default:
      throw new Error(`attributes of kind ${attribute.kind} are in no exported graph`);
  }
}

function shapeJson(shape: readonly number[]) {
  return { dim: shape.map((size) => ({ size: String(size) })) };
}
