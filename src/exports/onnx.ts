// A graph in ONNX, opset 17: convolutions have their channels first there, so values of rank 4 stay so between them.
import { writeFile } from 'node:fs/promises';
import type { AttributeValue, ConstantTensor, GraphNode } from '../runtime/compile/graph-node.ts';
import { DataType } from '../runtime/compile/native.ts';
import { BATCH, type Graph, type Op, type Value } from './graph.ts';
import {
  encodeOnnx,
  FLOAT,
  INT64,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
  onnxAttribute,
} from './onnx-messages.ts';

const OPSET = 17;
/** The version of the file format that belongs to this opset. */
const IR_VERSION = 8;
const NHWC_TO_NCHW = [0, 3, 1, 2];
const NCHW_TO_NHWC = [0, 2, 3, 1];

type Attribute = string | number | readonly number[];

/** The ONNX ops that one op of TensorFlow is, where shapes and layout say nothing. */
const SAME_OPS: Partial<Record<Op, string>> = {
  AddV2: 'Add',
  Sub: 'Sub',
  Mul: 'Mul',
  Relu: 'Relu',
  Identity: 'Identity',
};

/**
 * Writes a graph as an ONNX model; the batch is the axis `n` of any size.
 * @param metadata Kept in the model, for who looks into it.
 */
export async function writeOnnx(path: string, graph: Graph, metadata: Record<string, string> = {}): Promise<void> {
  const { nodes, initializers } = new OnnxNodes(graph).convert();
  const [inputs, outputs] = [graph.inputs, graph.outputs].map((values) => Object.entries(values).map(onnxValue));
  const model = { irVersion: IR_VERSION, opset: OPSET, producerName: 'weightnorm-rl', metadata };
  await writeFile(path, encodeOnnx({ ...model, nodes, initializers, inputs, outputs }));
}

function onnxValue([name, { shape }]: [string, Value]): OnnxValue {
  return { name, shape: shape.map((size) => (size === BATCH ? 'n' : size)) };
}

/** The names that a value has: as in the graph, with its channels first, or both. */
interface Names {
  plain?: string;
  channelsFirst?: string;
}

class OnnxNodes {
  private readonly live: readonly GraphNode[];
  private readonly names = new Map<GraphNode, Names>();
  private readonly made = new Set<string>();
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];

  constructor(graph: Graph) {
    this.live = graph.live();
  }

  convert(): this {
    for (const node of this.live) if (!this.names.has(node)) this.names.set(node, this.namesOf(node));
    return this;
  }

  /** Emits what gives a node's value. */
  private namesOf(node: GraphNode): Names {
    const { name, op, attributes } = node;
    const [x, y] = node.inputs.map((input) => input.node);
    switch (op as Op) {
      case 'Placeholder':
        return { plain: name };
      case 'Const':
        return {}; // emitted where it is used, in the form that is needed there
      case 'Conv2D':
        return this.convolution(node);
      case 'MatMul': {
        const bias = this.soleBias(node);
        if (!bias) return { plain: this.emit('MatMul', name, [this.plain(x), this.plain(y)]) };
        this.emit('Gemm', bias.name, [this.plain(x), this.plain(y), this.plain(bias.inputs[1].node)]);
        this.names.set(bias, { plain: bias.name });
        return {};
      }
      case 'BiasAdd':
        return { plain: this.emit('Add', name, [this.plain(x), this.plain(y)]) };
      case 'Transpose': {
        const perm = integersOf(y);
        // Channels first is what it was before.
        if (perm.join() === NCHW_TO_NHWC.join()) return { channelsFirst: this.plain(x) };
        return { plain: this.emit('Transpose', name, [this.plain(x)], { perm }) };
      }
      case 'Reshape':
        return { plain: this.emit('Reshape', name, [this.plain(x), this.integers(y.name, integersOf(y))]) };
      case 'Mean': {
        const options = { axes: integersOf(y), keepdims: flag(attributes.keep_dims) };
        return { plain: this.emit('ReduceMean', name, [this.plain(x)], options) };
      }
      case 'Sum': {
        const inputs = [this.plain(x), this.integers(y.name, integersOf(y))];
        return { plain: this.emit('ReduceSum', name, inputs, { keepdims: flag(attributes.keep_dims) }) };
      }
      case 'Square':
        return { plain: this.emit('Mul', name, [this.plain(x), this.plain(x)]) };
      case 'Rsqrt': {
        const root = this.emit('Sqrt', `${name}/root`, [this.plain(x)]);
        return { plain: this.emit('Reciprocal', name, [root]) };
      }
      case 'Softmax':
        return { plain: this.emit('Softmax', name, [this.plain(x)], { axis: -1 }) };
      default:
        return this.elementwise(node, SAME_OPS[op as Op]!);
    }
  }

  /** An op of one value, or of one and a number: the layout does not matter, and stays. */
  private elementwise({ name, inputs }: GraphNode, op: string): Names {
    const [{ node: first }, ...others] = inputs;
    const numbers = others.every(({ node }) => tensorOf(node)?.shape.length === 0);
    const { channelsFirst } = this.names.get(first)!;
    const rest = others.map(({ node }) => this.plain(node));
    if (numbers && channelsFirst !== undefined) return { channelsFirst: this.emit(op, name, [channelsFirst, ...rest]) };
    return { plain: this.emit(op, name, [this.plain(first), ...rest]) };
  }

  /** With the bias that follows, as one op. */
  private convolution(node: GraphNode): Names {
    const [{ node: x }, { node: kernel }] = node.inputs;
    const { strides, padding } = node.attributes;
    const steps = (strides.value as number[]).slice(1, 3);
    const taps = tensorOf(kernel)!.shape.slice(0, 2);
    const bias = this.soleBias(node);
    const inputs = [this.channelsFirst(x), this.kernel(kernel), ...(bias ? [this.plain(bias.inputs[1].node)] : [])];
    const output = this.emit('Conv', (bias ?? node).name, inputs, {
      strides: steps,
      kernel_shape: taps,
      // "same" as TensorFlow has it: the larger half after the values.
      ...(padding.value === 'SAME' ? { auto_pad: 'SAME_UPPER' } : { pads: [0, 0, 0, 0] }),
    });
    if (bias) this.names.set(bias, { channelsFirst: output });
    return { channelsFirst: output };
  }

  /** The BiasAdd that is all that a node's value is used for. */
  private soleBias(node: GraphNode): GraphNode | undefined {
    const users = this.live.filter(({ inputs }) => inputs.some((input) => input.node === node));
    return users.length === 1 && users[0].op === 'BiasAdd' ? users[0] : undefined;
  }

  /** The name of a value as it is in the graph. */
  private plain(node: GraphNode): string {
    const names = this.names.get(node)!;
    const constant = tensorOf(node);
    names.plain ??= constant
      ? this.floats(node.name, constant.shape, constant.bytes)
      : this.emit('Transpose', `${node.name}/channels_last`, [names.channelsFirst!], { perm: NCHW_TO_NHWC });
    return names.plain;
  }

  /** The name of a value of rank 4 with its channels before height and width. */
  private channelsFirst(node: GraphNode): string {
    const names = this.names.get(node)!;
    names.channelsFirst ??= this.emit('Transpose', `${node.name}/channels_first`, [this.plain(node)], {
      perm: NHWC_TO_NCHW,
    });
    return names.channelsFirst;
  }

  /** A convolution's kernel, [height, width, channels, filters], as [filters, channels, height, width]. */
  private kernel(node: GraphNode): string {
    const { shape, bytes } = tensorOf(node)!;
    const [height, width, channels, filters] = shape;
    const from = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    const to = new Float32Array(from.length);
    const positions = height * width;
    for (let position = 0; position < positions; position++) {
      for (let channel = 0; channel < channels; channel++) {
        const row = (position * channels + channel) * filters;
        for (let filter = 0; filter < filters; filter++) {
          to[(filter * channels + channel) * positions + position] = from[row + filter];
        }
      }
    }
    return this.floats(node.name, [filters, channels, height, width], new Uint8Array(to.buffer));
  }

  private floats(name: string, dims: readonly number[], rawData: Uint8Array): string {
    return this.initializer(name, FLOAT, dims, rawData);
  }

  private integers(name: string, values: readonly number[]): string {
    const bytes = new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer);
    return this.initializer(name, INT64, [values.length], bytes);
  }

  private initializer(
    name: string,
    dataType: OnnxTensor['dataType'],
    dims: readonly number[],
    rawData: Uint8Array,
  ): string {
    if (!this.made.has(name)) this.initializers.push({ name, dataType, dims, rawData });
    this.made.add(name);
    return name;
  }

  /** Adds a node with one output, which has the node's name. */
  private emit(
    opType: string,
    name: string,
    input: string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    const attribute = Object.entries(attributes).map(([key, value]) => onnxAttribute(key, value));
    this.nodes.push({ opType, name, input, output: [name], attribute });
    return name;
  }
}

function tensorOf({ attributes: { value } }: GraphNode): ConstantTensor | undefined {
  return value?.kind === 'tensor' ? value.value : undefined;
}

/** The values of an int32 constant. */
function integersOf(node: GraphNode): number[] {
  const { bytes, dtype } = tensorOf(node)!;
  if (dtype !== DataType.int32) throw new Error(`${node.name} holds no whole numbers`);
  return [...new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)];
}

function flag(attribute: AttributeValue): number {
  return Number(attribute.value);
}
