import { unrecordableAttribute } from './errors.ts';
import { type AttributeValue, typeAttribute } from './graph-node.ts';
import type { NativeAttribute, NativeBinding } from './native.ts';

/**
 * Type attributes that are those of an input, whose index this gives by op: tfjs leaves out that of ExpandDims, and
 * gives Mean the type from before its own cast to float32.
 */
const INPUT_TYPES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  ExpandDims: { T: 0 },
  Mean: { T: 0 },
};

/**
 * An op's attributes as the graph stores them. @throws CompileError naming the op and the attribute that has no stored
 * form.
 */
export function recordAttributes(
  binding: NativeBinding,
  step: string,
  op: string,
  attributes: readonly NativeAttribute[],
  typeOfInput: (index: number) => number,
): Record<string, AttributeValue> {
  const recorded: Record<string, AttributeValue> = {};
  for (const attribute of attributes) {
    const value = recordAttribute(binding, attribute);
    if (!value) throw unrecordableAttribute(step, op, attribute.name, attribute.value);
    recorded[attribute.name] = value;
  }
  for (const [name, input] of Object.entries(INPUT_TYPES[op] ?? {})) recorded[name] = typeAttribute(typeOfInput(input));
  return recorded;
}

function recordAttribute(binding: NativeBinding, { type, value }: NativeAttribute): AttributeValue | undefined {
  const isNumbers = Array.isArray(value) && value.every((element) => typeof element === 'number');
  switch (type) {
    case binding.TF_ATTR_TYPE:
      return typeof value === 'number' ? { kind: 'type', value } : undefined;
    case binding.TF_ATTR_INT:
      if (isNumbers) return { kind: 'ints', value: value.map(Math.trunc) };
      return typeof value === 'number' ? { kind: 'int', value: Math.trunc(value) } : undefined;
    case binding.TF_ATTR_FLOAT:
      if (isNumbers) return { kind: 'floats', value };
      return typeof value === 'number' ? { kind: 'float', value } : undefined;
    case binding.TF_ATTR_BOOL:
      if (Array.isArray(value) && value.every((element) => typeof element === 'boolean'))
        return { kind: 'bools', value };
      return typeof value === 'boolean' ? { kind: 'bool', value } : undefined;
    case binding.TF_ATTR_STRING:
      return typeof value === 'string' ? { kind: 'string', value } : undefined;
    case binding.TF_ATTR_SHAPE:
      return isNumbers ? { kind: 'shape', value } : undefined;
    default:
      return undefined;
  }
}
