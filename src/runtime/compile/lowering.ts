import type { AttributeValue, GraphNode, NodeOutput } from './graph-node.ts';
import { DataType } from './native.ts';

/** An op with one output as tfjs's kernels name it, about to become a node. */
export interface RecordedOp {
  readonly op: string;
  readonly inputs: readonly NodeOutput[];
  /** Shapes of the inputs. */
  readonly shapes: readonly (readonly number[])[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export type CreateNode = (
  op: string,
  inputs: readonly NodeOutput[],
  attributes: Readonly<Record<string, AttributeValue>>,
) => NodeOutput;

/**
 * Puts an op into the graph, where TensorFlow has a better one for the same result in its place:
 * - `BiasAdd` for the addition of a vector along the last axis, which TensorFlow's optimizer merges into the
 *   convolution or product before it and the ReLU after it;
 * - `BiasAddGrad` for a sum over all axes but the last: half the time of `Sum`, and merged into the gradient of a
 *   convolution's filter;
 * - `EuclideanNorm`, squared again, for a sum of squares: one pass over the tensor instead of three;
 * - a scaling by a number before a transposition instead of after it. An image cast from bytes is then transposed as
 *   floats: four times the memory, but oneDNN does it three times as fast as the bytes, for which TensorFlow's
 *   optimizer would change the order otherwise.
 */
export function createLowered(recorded: RecordedOp, create: CreateNode): NodeOutput {
  const { op, inputs, shapes, attributes } = recorded;
  if (attributes.T?.value === DataType.float32) {
    if (op === 'Add') {
      const bias = shapes.findIndex((shape, i) => shape.length === 1 && isBiasOf(shape, shapes[1 - i]));
      if (bias >= 0) return create('BiasAdd', [inputs[1 - bias], inputs[bias]], { T: attributes.T, ...CHANNELS_LAST });
    }
    if (op === 'Sum') {
      const [{ node }, axes] = inputs;
      if (node.op === 'Square') {
        const norms = create('EuclideanNorm', [node.inputs[0], axes], attributes);
        return create('Square', [norms], { T: attributes.T });
      }
      if (shapes[0].length > 1 && attributes.keep_dims.value === false && isAllButLast(recorded))
        return create('BiasAddGrad', [inputs[0]], { T: attributes.T, ...CHANNELS_LAST });
    }
    if (op === 'Mul') {
      const scalar = shapes.findIndex((shape, i) => shape.length === 0 && inputs[1 - i].node.op === 'Transpose');
      if (scalar >= 0) {
        const { inputs: transposed, attributes: transposition } = inputs[1 - scalar].node;
        const scaled = create('Mul', [transposed[0], inputs[scalar]], attributes);
        return create('Transpose', [scaled, transposed[1]], transposition);
      }
    }
  }
  return create(op, inputs, attributes);
}

const CHANNELS_LAST = { data_format: { kind: 'string', value: 'NHWC' } } as const;

function isBiasOf([size]: readonly number[], shape: readonly number[]): boolean {
  return shape.length > 1 && shape.at(-1) === size;
}

function isAllButLast({ inputs: [, axes], shapes: [shape] }: RecordedOp): boolean {
  const values = constantInts(axes.node);
  return values !== undefined && values.join() === Array.from(shape.keys()).slice(0, -1).join();
}

function constantInts({ attributes: { value } }: GraphNode): Int32Array | undefined {
  if (value?.kind !== 'tensor' || value.value.dtype !== DataType.int32) return undefined;
  return new Int32Array(value.value.bytes.slice().buffer);
}
