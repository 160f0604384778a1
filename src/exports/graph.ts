// The graph of what is exported, from which each format is written: a dozen ops of TensorFlow with fixed shapes but for
// the batch.
import {
  type AttributeValue,
  constantNode,
  createNode,
  type GraphNode,
  liveNodes,
  type NodeOutput,
  placeholderNode,
  typeAttribute,
} from '../runtime/compile/graph-node.ts';
import { DataType } from '../runtime/compile/native.ts';

/** The ops of such a graph, by TensorFlow's names. */
export const OPS = [
  'Placeholder',
  'Const',
  'Identity',
  'Conv2D',
  'MatMul',
  'BiasAdd',
  'AddV2',
  'Sub',
  'Mul',
  'Square',
  'Rsqrt',
  'Relu',
  'Softmax',
  'Mean',
  'Sum',
  'Reshape',
  'Transpose',
] as const;
export type Op = (typeof OPS)[number];

/** The batch among the sizes of a shape: any number of states. */
export const BATCH = -1;

/** What a node gives, with its shape. */
export interface Value {
  readonly node: GraphNode;
  readonly shape: readonly number[];
}

/** A constant that was learned, by its name in Keras's manner, such as `conv1/kernel`. */
export interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface Convolution {
  readonly strides: readonly [number, number];
  readonly padding: 'valid' | 'same';
}

/** Makes the nodes of a graph, each after those that it needs. */
export class Graph {
  private readonly nodes: GraphNode[] = [];
  readonly weights: Weight[] = [];
  readonly inputs: Readonly<Record<string, Value>>;
  /** Filled by `output`. */
  readonly outputs: Record<string, Value> = {};

  /** @param inputShapes The shape of each input by name, {@link BATCH} first. All are float32. */
  constructor(inputShapes: Readonly<Record<string, readonly number[]>>) {
    this.inputs = Object.fromEntries(
      Object.entries(inputShapes).map(([name, shape]) => [
        name,
        this.add(placeholderNode(name, DataType.float32, shape), shape),
      ]),
    );
  }

  /** A learned constant. */
  weight(name: string, data: Float32Array, shape: readonly number[]): Value {
    this.weights.push({ name, shape, data });
    return this.constant(name, data, shape);
  }

  constant(name: string, data: Float32Array, shape: readonly number[]): Value {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return this.add(constantNode(name, { dtype: DataType.float32, shape, bytes }), shape);
  }

  number(name: string, value: number): Value {
    return this.constant(name, Float32Array.of(value), []);
  }

  /** The nodes that the outputs need, each after those that it needs itself, and the inputs. */
  live(): GraphNode[] {
    const values = [...Object.values(this.inputs), ...Object.values(this.outputs)];
    const needed = liveNodes(values.map(({ node }) => node));
    return this.nodes.filter((node) => needed.has(node));
  }

  /** Names a value as a result of the graph. */
  output(name: string, value: Value): void {
    this.outputs[name] = this.op('Identity', name, [value], value.shape);
  }

  /** @param x [n, height, width, channels] @param kernel [height, width, channels, filters] */
  conv2d(name: string, x: Value, kernel: Value, { strides, padding }: Convolution): Value {
    const [height, width] = [0, 1].map((axis) => {
      const [size, taps, stride] = [x.shape[axis + 1], kernel.shape[axis], strides[axis]];
      return Math.ceil((padding === 'same' ? size : size - taps + 1) / stride);
    });
    return this.op('Conv2D', name, [x, kernel], [x.shape[0], height, width, kernel.shape[3]], {
      strides: { kind: 'ints', value: [1, ...strides, 1] },
      padding: { kind: 'string', value: padding.toUpperCase() },
      data_format: { kind: 'string', value: 'NHWC' },
      dilations: { kind: 'ints', value: [1, 1, 1, 1] },
    });
  }

  /** @param x [n, inputs] @param kernel [inputs, units] */
  matMul(name: string, x: Value, kernel: Value): Value {
    const no = { kind: 'bool', value: false } as const;
    return this.op('MatMul', name, [x, kernel], [x.shape[0], kernel.shape[1]], { transpose_a: no, transpose_b: no });
  }

  /** Adds one number to each unit, the last axis. */
  biasAdd(name: string, x: Value, bias: Value): Value {
    return this.op('BiasAdd', name, [x, bias], x.shape, { data_format: { kind: 'string', value: 'NHWC' } });
  }

  /** An op of two values that may broadcast, but not beyond the rank of the first. */
  binary(op: 'AddV2' | 'Sub' | 'Mul', name: string, a: Value, b: Value): Value {
    const offset = a.shape.length - b.shape.length;
    const shape = a.shape.map((size, axis) => (axis >= offset && size === 1 ? b.shape[axis - offset] : size));
    return this.op(op, name, [a, b], shape);
  }

  unary(op: 'Square' | 'Rsqrt' | 'Relu' | 'Softmax', name: string, x: Value): Value {
    return this.op(op, name, [x], x.shape);
  }

  reduce(op: 'Mean' | 'Sum', name: string, x: Value, axes: readonly number[], keepDims: boolean): Value {
    const shape = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    return this.op(
      op,
      name,
      [x, this.integers(`${name}/axes`, axes)],
      keepDims ? shape : shape.filter((_, axis) => !axes.includes(axis)),
      { keep_dims: { kind: 'bool', value: keepDims }, Tidx: typeAttribute(DataType.int32) },
    );
  }

  /** @param shape Its first size may be {@link BATCH}, or a multiple of it. */
  reshape(name: string, x: Value, shape: readonly number[]): Value {
    const types = { Tshape: typeAttribute(DataType.int32) };
    return this.op('Reshape', name, [x, this.integers(`${name}/shape`, shape)], shape, types);
  }

  transpose(name: string, x: Value, axes: readonly number[]): Value {
    const shape = axes.map((axis) => x.shape[axis]);
    const types = { Tperm: typeAttribute(DataType.int32) };
    return this.op('Transpose', name, [x, this.integers(`${name}/axes`, axes)], shape, types);
  }

  private integers(name: string, values: readonly number[]): Value {
    const bytes = new Uint8Array(Int32Array.from(values).buffer);
    const shape = [values.length];
    return this.add(constantNode(name, { dtype: DataType.int32, shape, bytes }), shape);
  }

  private op(
    op: Op,
    name: string,
    inputs: readonly Value[],
    shape: readonly number[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): Value {
    const sources = inputs.map(({ node }): NodeOutput => ({ node, index: 0 }));
    return this.add(createNode(name, op, sources, { T: typeAttribute(DataType.float32), ...attributes }), shape);
  }

  private add(node: GraphNode, shape: readonly number[]): Value {
    this.nodes.push(node);
    return { node, shape };
  }
}
