import { DataType } from './native.ts';

/** One op of a TensorFlow graph. */
export interface GraphNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly NodeOutput[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  /** Nodes that must have run before this one. */
  readonly after: Set<GraphNode>;
  /** Nodes that must have run before this one where something else needs them; alone, this does not make them run. */
  readonly afterIfRun: Set<GraphNode>;
}

/** The value that a node's output `index` gives. */
export interface NodeOutput {
  readonly node: GraphNode;
  readonly index: number;
}

export type AttributeValue =
  | { readonly kind: 'type' | 'int' | 'float'; readonly value: number }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints' | 'floats' | 'shape'; readonly value: readonly number[] }
  | { readonly kind: 'bools'; readonly value: readonly boolean[] }
  | { readonly kind: 'tensor'; readonly value: ConstantTensor };

export interface ConstantTensor {
  /** A number of `DataType`. */
  readonly dtype: number;
  readonly shape: readonly number[];
  /** The elements in row-major order, little-endian. */
  readonly bytes: Uint8Array;
}

export function createNode(
  name: string,
  op: string,
  inputs: readonly NodeOutput[] = [],
  attributes: Readonly<Record<string, AttributeValue>> = {},
): GraphNode {
  return { name, op, inputs, attributes, after: new Set(), afterIfRun: new Set() };
}

export function typeAttribute(dtype: number): AttributeValue {
  return { kind: 'type', value: dtype };
}

export function constantNode(name: string, value: ConstantTensor): GraphNode {
  return createNode(name, 'Const', [], { dtype: typeAttribute(value.dtype), value: { kind: 'tensor', value } });
}

export function scalarNode(name: string, value: number): GraphNode {
  return constantNode(name, {
    dtype: DataType.float32,
    shape: [],
    bytes: new Uint8Array(Float32Array.of(value).buffer),
  });
}

export function placeholderNode(name: string, dtype: number, shape: readonly number[]): GraphNode {
  return createNode(name, 'Placeholder', [], { dtype: typeAttribute(dtype), shape: { kind: 'shape', value: shape } });
}

/**
 * A node whose output owns its memory. Fed tensors share theirs with JavaScript and reads share theirs with the
 * variable: a variable or a result that kept such memory would change with the other.
 */
export function copyNode(name: string, value: NodeOutput, dtype: number): GraphNode {
  return createNode(name, 'DeepCopy', [value], { T: typeAttribute(dtype) });
}

/** All nodes that `roots` need, with the roots. */
export function liveNodes(roots: Iterable<GraphNode>): Set<GraphNode> {
  const live = new Set<GraphNode>();
  const pending = [...roots];
  while (pending.length > 0) {
    const node = pending.pop()!;
    if (live.has(node)) continue;
    live.add(node);
    pending.push(...node.inputs.map((input) => input.node), ...node.after);
  }
  return live;
}
