import * as tf from '@tensorflow/tfjs';

/** TensorFlow's data types that steps use, by their number in TF_DataType and in the protocol buffers. */
export const DataType = { float32: 1, int32: 3, uint8: 4, complex64: 8, int64: 9, bool: 10 } as const;

/** The arrays that steps take and give: floats, integers and bools, bytes. */
export type TypedArray = Float32Array | Int32Array | Uint8Array;

/** What the addon says about a native tensor; `id` owns memory until `deleteTensor(id)`. */
export interface NativeTensor {
  readonly id: number;
  readonly shape: number[];
  readonly dtype: number;
}

/** An op's attribute as tfjs's kernels hand it to the addon. */
export interface NativeAttribute {
  readonly name: string;
  /** TF_AttrType: one of the binding's TF_ATTR_ numbers. */
  readonly type: number;
  readonly value: unknown;
}

/** The part of the addon's interface that compiled steps use. */
export interface NativeBinding {
  createTensor(shape: readonly number[], dtype: number, values: TypedArray): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): TypedArray;
  executeOp(
    op: string,
    attributes: readonly NativeAttribute[],
    inputIds: readonly number[],
    numOutputs: number,
  ): NativeTensor[];
  loadSavedModel(folder: string, tags: string): number;
  deleteSavedModel(modelId: number): void;
  runSavedModel(modelId: number, inputIds: readonly number[], inputNames: string, outputNames: string): NativeTensor[];
  readonly TF_ATTR_STRING: number;
  readonly TF_ATTR_INT: number;
  readonly TF_ATTR_FLOAT: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_TYPE: number;
  readonly TF_ATTR_SHAPE: number;
}

/** tfjs's `tensorflow` backend. `binding` is an ordinary field, so that a recorder can take its place. */
export interface NativeBackend {
  binding: NativeBinding;
  getInputTensorIds(tensors: readonly tf.Tensor[]): number[];
  createOutputTensor(native: NativeTensor): tf.Tensor;
  executeSingleOutput(op: string, attributes: readonly NativeAttribute[], inputs: readonly tf.Tensor[]): tf.Tensor;
}

/** The active tfjs backend if it runs on TensorFlow's library, else undefined. */
export function nativeBackend(): NativeBackend | undefined {
  return tf.getBackend() === 'tensorflow' ? (tf.backend() as unknown as NativeBackend) : undefined;
}

/** The native id of a tensor's value; uploads the value when tfjs has not yet done so. */
export function nativeId(backend: NativeBackend, tensor: tf.Tensor): number {
  return backend.getInputTensorIds([tensor])[0];
}
