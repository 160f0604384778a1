import { describe, expect, test } from 'vitest';
import {
  type AttributeValue,
  constantNode,
  createNode,
  type NodeOutput,
  placeholderNode,
} from '../../src/runtime/compile/graph-node.ts';
import { createLowered } from '../../src/runtime/compile/lowering.ts';
import { DataType } from '../../src/runtime/compile/native.ts';

const FLOAT32: Record<string, AttributeValue> = { T: { kind: 'type', value: DataType.float32 } };
const SUM: Record<string, AttributeValue> = { ...FLOAT32, keep_dims: { kind: 'bool', value: false } };

const output = (node: NodeOutput['node']): NodeOutput => ({ node, index: 0 });
const value = (name: string, shape: number[]) => output(placeholderNode(name, DataType.float32, shape));
const axes = (...values: number[]) =>
  output(
    constantNode('axes', {
      dtype: DataType.int32,
      shape: [values.length],
      bytes: new Uint8Array(Int32Array.from(values).buffer),
    }),
  );

/** The graph made in the place of an op, as an expression: "Square(EuclideanNorm(x, axes))". */
function lowered(op: string, inputs: NodeOutput[], shapes: number[][], attributes = FLOAT32): string {
  const text = ({ node }: NodeOutput): string =>
    node.inputs.length === 0 ? node.name : `${node.op}(${node.inputs.map(text).join(', ')})`;
  return text(
    createLowered({ op, inputs, shapes, attributes }, (op, inputs, attributes) =>
      output(createNode(op, op, inputs, attributes)),
    ),
  );
}

describe('the graph has in the place of', () => {
  const x = value('x', [2, 3, 4]);
  const b = value('b', [4]);

  test('a vector added along the last axis, from either side: BiasAdd', () => {
    expect(lowered('Add', [x, b], [[2, 3, 4], [4]])).toBe('BiasAdd(x, b)');
    expect(lowered('Add', [b, x], [[4], [2, 3, 4]])).toBe('BiasAdd(x, b)');
  });

  test('other additions: themselves', () => {
    expect(lowered('Add', [x, b], [[2, 3, 4], [1]])).toBe('Add(x, b)');
    expect(lowered('Add', [b, b], [[4], [4]])).toBe('Add(b, b)');
    expect(
      lowered(
        'Add',
        [x, x],
        [
          [2, 3, 4],
          [3, 4],
        ],
      ),
    ).toBe('Add(x, x)');
    expect(lowered('Add', [x, b], [[2, 3, 4], []])).toBe('Add(x, b)');
    const int32: Record<string, AttributeValue> = { T: { kind: 'type', value: DataType.int32 } };
    expect(lowered('Add', [x, b], [[2, 3, 4], [4]], int32)).toBe('Add(x, b)');
  });

  test('a sum over all axes but the last: BiasAddGrad', () => {
    expect(lowered('Sum', [x, axes(0, 1)], [[2, 3, 4], [2]], SUM)).toBe('BiasAddGrad(x)');
  });

  test('a sum of squares: EuclideanNorm, squared', () => {
    const square = output(createNode('square', 'Square', [x], FLOAT32));
    for (const over of [axes(0, 1), axes(2)])
      expect(lowered('Sum', [square, over], [[2, 3, 4], [2]], SUM)).toBe('Square(EuclideanNorm(x, axes))');
  });

  test('other sums: themselves', () => {
    expect(lowered('Sum', [x, axes(0)], [[2, 3, 4], [1]], SUM)).toBe('Sum(x, axes)');
    expect(lowered('Sum', [x, axes(1, 2)], [[2, 3, 4], [2]], SUM)).toBe('Sum(x, axes)');
    expect(lowered('Sum', [x, axes(0, 1, 2)], [[2, 3, 4], [3]], SUM)).toBe('Sum(x, axes)');
    expect(lowered('Sum', [b, axes()], [[4], [0]], SUM)).toBe('Sum(b, axes)');
    const keptDimensions: Record<string, AttributeValue> = { ...SUM, keep_dims: { kind: 'bool', value: true } };
    expect(lowered('Sum', [x, axes(0, 1)], [[2, 3, 4], [2]], keptDimensions)).toBe('Sum(x, axes)');
    expect(lowered('Sum', [x, value('unknown', [2])], [[2, 3, 4], [2]], SUM)).toBe('Sum(x, unknown)');
  });

  test('a transposition scaled by a number: the scaled tensor transposed', () => {
    const transposed = output(createNode('t', 'Transpose', [x, axes(2, 0, 1)], FLOAT32));
    const factor = value('factor', []);
    expect(lowered('Mul', [transposed, factor], [[4, 2, 3], []])).toBe('Transpose(Mul(x, factor), axes)');
    expect(lowered('Mul', [factor, transposed], [[], [4, 2, 3]])).toBe('Transpose(Mul(x, factor), axes)');
    expect(lowered('Mul', [transposed, b], [[4, 2, 3], [3]])).toBe('Mul(Transpose(x, axes), b)');
  });
});
