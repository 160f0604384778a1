import { type NodeOutput, typeAttribute } from './graph-node.ts';
import type { CreateNode } from './lowering.ts';
import { DataType } from './native.ts';

/** What products and convolutions compute with; all else is float32. `auto`: what is faster where the program runs. */
export type Precision = GraphPrecision | 'auto';
/** What one graph computes with. */
export type GraphPrecision = 'float32' | 'bfloat16';

const FLOAT32 = typeAttribute(DataType.float32);
/** DT_BFLOAT16, which tfjs does not have. */
const BFLOAT16 = typeAttribute(14);

/**
 * Ops that bfloat16 speeds up, with the indices of their floating-point inputs. They add up in float32 and round once.
 */
const CONTRACTIONS: Readonly<Record<string, readonly number[]>> = {
  BatchMatMulV2: [0, 1],
  Conv2D: [0, 1],
  Conv2DBackpropFilter: [0, 2],
  Conv2DBackpropInput: [1, 2],
  MatMul: [0, 1],
};

/** Ops between contractions that take bfloat16 where it is there already, likewise. */
const FOLLOWERS: Readonly<Record<string, readonly number[]>> = {
  BiasAdd: [0, 1],
  Relu: [0],
  ReluGrad: [0, 1],
  Reshape: [0],
};

/**
 * `create` with bfloat16 around convolutions and matrix products: their inputs are rounded to it, and their results
 * become float32 again where anything but a bias, a ReLU or the next contraction takes them.
 */
export function withBfloat16(create: CreateNode): CreateNode {
  const rounded = new Map<string, NodeOutput>();
  /** The float32 values that are bfloat16 ones, cast. */
  const widened = new Map<NodeOutput['node'], NodeOutput>();

  function round(value: NodeOutput): NodeOutput {
    const key = `${value.node.name}:${value.index}`;
    const known = widened.get(value.node) ?? rounded.get(key);
    if (known) return known;
    const result = create('Cast', [value], { SrcT: FLOAT32, DstT: BFLOAT16 });
    rounded.set(key, result);
    return result;
  }

  return (op, inputs, attributes) => {
    const follows = op in FOLLOWERS && widened.has(inputs[0].node);
    const positions = CONTRACTIONS[op] ?? (follows ? FOLLOWERS[op] : undefined);
    if (!positions || attributes.T?.value !== DataType.float32) return create(op, inputs, attributes);
    const result = create(
      op,
      inputs.map((input, i) => (positions.includes(i) ? round(input) : input)),
      { ...attributes, T: BFLOAT16 },
    );
    const value = create('Cast', [result], { SrcT: BFLOAT16, DstT: FLOAT32 });
    widened.set(value.node, result);
    return value;
  };
}
