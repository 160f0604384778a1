// The messages of ONNX that exported agents are made of, by the field numbers of its specification (onnx.proto).
import protobuf from 'protobufjs/light.js';

/** Element types of tensors, and kinds of attributes. */
export const FLOAT = 1;
export const INT64 = 7;
const ATTRIBUTE_INT = 2;
const ATTRIBUTE_STRING = 3;
const ATTRIBUTE_INTS = 7;

export interface OnnxTensor {
  name: string;
  dims: readonly number[];
  dataType: typeof FLOAT | typeof INT64;
  /** Little-endian, in row-major order. */
  rawData: Uint8Array;
}

export interface OnnxNode {
  opType: string;
  name: string;
  input: readonly string[];
  output: readonly string[];
  attribute: readonly object[];
}

/** A value's name and its shape, float32; text stands for an axis of any size. */
export interface OnnxValue {
  name: string;
  shape: readonly (number | string)[];
}

export interface OnnxModel {
  irVersion: number;
  opset: number;
  producerName: string;
  metadata: Readonly<Record<string, string>>;
  nodes: readonly OnnxNode[];
  initializers: readonly OnnxTensor[];
  inputs: readonly OnnxValue[];
  outputs: readonly OnnxValue[];
}

type Field = readonly [name: string, id: number, type: string, rule?: 'repeated'];

const MESSAGES: Readonly<Record<string, readonly Field[]>> = {
  ModelProto: [
    ['irVersion', 1, 'int64'],
    ['producerName', 2, 'string'],
    ['graph', 7, 'GraphProto'],
    ['opsetImport', 8, 'OperatorSetIdProto', 'repeated'],
    ['metadataProps', 14, 'StringStringEntryProto', 'repeated'],
  ],
  OperatorSetIdProto: [
    ['domain', 1, 'string'],
    ['version', 2, 'int64'],
  ],
  StringStringEntryProto: [
    ['key', 1, 'string'],
    ['value', 2, 'string'],
  ],
  GraphProto: [
    ['node', 1, 'NodeProto', 'repeated'],
    ['name', 2, 'string'],
    ['initializer', 5, 'TensorProto', 'repeated'],
    ['input', 11, 'ValueInfoProto', 'repeated'],
    ['output', 12, 'ValueInfoProto', 'repeated'],
  ],
  NodeProto: [
    ['input', 1, 'string', 'repeated'],
    ['output', 2, 'string', 'repeated'],
    ['name', 3, 'string'],
    ['opType', 4, 'string'],
    ['attribute', 5, 'AttributeProto', 'repeated'],
  ],
  AttributeProto: [
    ['name', 1, 'string'],
    ['i', 3, 'int64'],
    ['s', 4, 'bytes'],
    ['ints', 8, 'int64', 'repeated'],
    ['type', 20, 'int32'],
  ],
  TensorProto: [
    ['dims', 1, 'int64', 'repeated'],
    ['dataType', 2, 'int32'],
    ['name', 8, 'string'],
    ['rawData', 9, 'bytes'],
  ],
  ValueInfoProto: [
    ['name', 1, 'string'],
    ['type', 2, 'TypeProto'],
  ],
  TypeProto: [['tensorType', 1, 'TensorTypeProto']],
  TensorTypeProto: [
    ['elemType', 1, 'int32'],
    ['shape', 2, 'TensorShapeProto'],
  ],
  TensorShapeProto: [['dim', 1, 'DimensionProto', 'repeated']],
  DimensionProto: [
    ['dimValue', 1, 'int64'],
    ['dimParam', 2, 'string'],
  ],
};

function modelType(): protobuf.Type {
  const nested = Object.entries(MESSAGES).map(([name, fields]) => [
    name,
    {
      fields: Object.fromEntries(fields.map(([field, id, type, rule]) => [field, { id, type, ...(rule && { rule }) }])),
    },
  ]);
  return protobuf.Root.fromJSON({ nested: Object.fromEntries(nested) }).lookupType('ModelProto');
}

/** An attribute of a node: text, a whole number or several. */
export function onnxAttribute(name: string, value: string | number | readonly number[]): object {
  if (typeof value === 'string') return { name, type: ATTRIBUTE_STRING, s: Buffer.from(value) };
  return typeof value === 'number'
    ? { name, type: ATTRIBUTE_INT, i: value }
    : { name, type: ATTRIBUTE_INTS, ints: [...value] };
}

/** A model as the bytes of its file. */
export function encodeOnnx(model: OnnxModel): Uint8Array {
  const type = modelType();
  const message = type.create({
    irVersion: model.irVersion,
    producerName: model.producerName,
    opsetImport: [{ domain: '', version: model.opset }],
    metadataProps: Object.entries(model.metadata).map(([key, value]) => ({ key, value })),
    graph: {
      name: 'agent',
      node: model.nodes,
      initializer: model.initializers,
      input: model.inputs.map(valueInfo),
      output: model.outputs.map(valueInfo),
    },
  });
  return type.encode(message).finish();
}

function valueInfo({ name, shape }: OnnxValue) {
  const dim = shape.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: size }));
  return { name, type: { tensorType: { elemType: FLOAT, shape: { dim } } } };
}
