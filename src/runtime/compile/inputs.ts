import * as tf from '@tensorflow/tfjs';
import { describe } from './errors.ts';
import { DataType, type NativeBackend, nativeId, type TypedArray } from './native.ts';
import { type InputSpec, type InputValue, tensorType } from './step.ts';

const ARRAY_TYPES = { uint8: Uint8Array, bool: Uint8Array, int32: Int32Array, float32: Float32Array };

/** A checked input: a tensor of the right shape and type, or a typed array of the right length. */
export type CheckedInput = tf.Tensor | TypedArray;

/** Input values in the order of `specs`. @throws Error naming the step, the input, what came and what is wanted. */
export function checkInputs(
  step: string,
  specs: readonly (readonly [string, InputSpec])[],
  values: Readonly<Record<string, InputValue>>,
): CheckedInput[] {
  for (const name of Object.keys(values)) {
    if (!specs.some(([known]) => known === name)) {
      throw new Error(
        `"${step}" has no input "${name}": its inputs are ${specs.map(([known]) => known).join(', ') || 'none'}.`,
      );
    }
  }
  return specs.map(([name, spec]) => checkInput(step, name, spec, values[name]));
}

function checkInput(step: string, name: string, spec: InputSpec, value: InputValue | undefined): CheckedInput {
  const wanted = `${spec.dtype} [${spec.shape}]`;
  const mismatch = (got: string, mend: string) =>
    new Error(`Input "${name}" of "${step}" is ${got}, not ${wanted}: ${mend}.`);
  if (value === undefined) throw mismatch('missing', 'give it by name');
  if (typeof value === 'number') {
    if (spec.dtype !== 'float32' || spec.shape.length > 0)
      throw mismatch(`the number ${value}`, 'numbers fill float32 scalars only');
    return Float32Array.of(value);
  }
  if (value instanceof tf.Tensor) {
    const mend = 'compile a step for this shape, or reshape the input';
    if (!tf.util.arraysEqual(value.shape, [...spec.shape])) throw mismatch(`${value.dtype} [${value.shape}]`, mend);
    if (spec.dtype === 'uint8') throw mismatch(`a tensor (tfjs has no uint8 tensors)`, 'give a Uint8Array');
    if (value.dtype !== spec.dtype) throw mismatch(`${value.dtype} [${value.shape}]`, `cast it to ${spec.dtype}`);
    return value;
  }
  const ArrayType = ARRAY_TYPES[spec.dtype];
  if (!(value instanceof ArrayType)) throw mismatch(describe(value), `give a ${ArrayType.name} or a tensor`);
  const length = tf.util.sizeFromShape([...spec.shape]);
  if (value.length !== length) {
    throw mismatch(`${value.length} elements`, `give ${length}, or compile a step for the other shape`);
  }
  return value;
}

/** Native ids of the inputs for the length of `use`; arrays lend their memory, tensors theirs. */
export function withNativeInputs<T>(
  backend: NativeBackend,
  specs: readonly (readonly [string, InputSpec])[],
  inputs: readonly CheckedInput[],
  use: (ids: number[]) => T,
): T {
  const made: number[] = [];
  try {
    const ids = inputs.map((input, i) => {
      if (input instanceof tf.Tensor) return nativeId(backend, input);
      const [, { shape, dtype }] = specs[i];
      const id = backend.binding.createTensor([...shape], DataType[dtype], input);
      made.push(id);
      return id;
    });
    return use(ids);
  } finally {
    for (const id of made) backend.binding.deleteTensor(id);
  }
}

/** The inputs as tensors for a step that runs op by op; call inside a tidy. */
export function inputTensors(
  specs: readonly (readonly [string, InputSpec])[],
  inputs: readonly CheckedInput[],
): Record<string, tf.Tensor> {
  return Object.fromEntries(
    specs.map(([name, spec], i) => {
      const input = inputs[i];
      // A copy: tfjs would keep the caller's array until some kernel needs it.
      return [name, input instanceof tf.Tensor ? input : tf.tensor(input.slice(), [...spec.shape], tensorType(spec))];
    }),
  );
}
