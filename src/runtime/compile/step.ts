import type * as tf from '@tensorflow/tfjs';
import type { TypedArray } from './native.ts';

/** What a step takes under one name. Shapes are fixed: another batch size is another step. */
export interface InputSpec {
  readonly shape: readonly number[];
  /** `uint8` stays bytes up to the graph; the step sees an int32 tensor, as tfjs has no bytes, and casts it. */
  readonly dtype: 'uint8' | 'int32' | 'float32' | 'bool';
}

/** What a step takes, by name. */
export type StepInputs = Readonly<Record<string, tf.Tensor>>;
/** What a step returns, by name. */
export type StepOutputs = Readonly<Record<string, tf.Tensor>>;

/**
 * A function of tensors over variables: forward pass, gradients, optimizer, assignments, all of it. It runs once when
 * compiled, so
 * - it may use inputs, variables and constants; what it takes from outside keeps the value of that moment for ever;
 * - JavaScript in it (ifs, loops, numbers) runs once, not in every call;
 * - a result from inside a gradient's closure needs `tf.keep` to outlive it; the program frees it;
 * - it reads no value (`dataSync`), draws no JavaScript noise and makes no variables.
 */
export interface StepDefinition<
  // biome-ignore lint/suspicious/noExplicitAny: steps of any inputs; `defineStep` knows those of one
  T = any,
  // biome-ignore lint/suspicious/noConfusingVoidType: a step may return nothing
  O extends StepOutputs | void = StepOutputs | void,
> {
  readonly inputs: Readonly<Record<string, InputSpec>>;
  /** Takes the inputs as tensors, by name, and returns its results by name, or nothing. */
  readonly fn: (inputs: T) => O;
}

/** The tensor that an input is inside its step: its rank is that of the shape, where the shape's type tells it. */
export type TensorOf<S extends InputSpec> = S['shape'] extends readonly []
  ? tf.Scalar
  : S['shape'] extends readonly [number]
    ? tf.Tensor1D
    : S['shape'] extends readonly [number, number]
      ? tf.Tensor2D
      : S['shape'] extends readonly [number, number, number]
        ? tf.Tensor3D
        : S['shape'] extends readonly [number, number, number, number]
          ? tf.Tensor4D
          : tf.Tensor;

/**
 * A step whose function gets its inputs with their types.
 *
 *   defineStep({ x: { shape: [32, 4], dtype: 'float32' } }, ({ x }) => ({ sums: x.sum(1) }))   // x is a tf.Tensor2D
 */
export function defineStep<
  const I extends Readonly<Record<string, InputSpec>>,
  // biome-ignore lint/suspicious/noConfusingVoidType: a step may return nothing
  O extends StepOutputs | void,
>(
  inputs: I,
  fn: (inputs: { readonly [K in keyof I]: TensorOf<I[K]> }) => O,
): StepDefinition<{ readonly [K in keyof I]: TensorOf<I[K]> }, O> & { readonly inputs: I } {
  return { inputs, fn };
}

/** A number fills a float32 scalar. A typed array is not copied: leave it alone until the call returns. */
export type InputValue = TypedArray | number | tf.Tensor;

type OutputsOf<D extends StepDefinition> = Exclude<ReturnType<D['fn']>, void>;
type OutputNames<D extends StepDefinition> = [OutputsOf<D>] extends [never]
  ? never
  : Extract<keyof OutputsOf<D>, string>;

/** One function of a program. */
export interface Step<D extends StepDefinition = StepDefinition> {
  /** Runs the step. The result's tensors are the caller's to dispose (inside `tf.tidy`, tidy's). */
  run(inputs: Readonly<Record<keyof D['inputs'], InputValue>>): { [K in OutputNames<D>]: tf.Tensor };
  /** Runs the step and reads its results; makes no tensors. */
  values(inputs: Readonly<Record<keyof D['inputs'], InputValue>>): { [K in OutputNames<D>]: TypedArray };
}

/** The steps of a program, by name. */
export type StepDefinitions = Readonly<Record<string, StepDefinition>>;

/** Steps over common variables. */
export interface Program<D extends StepDefinitions = StepDefinitions> {
  /** Whether the steps run as native graphs; otherwise they run op by op. */
  readonly compiled: boolean;
  readonly steps: { readonly [K in keyof D]: Step<D[K]> };
  /**
   * The variables that the steps read or change, whose values a compiled program keeps in its graph. Empty when it runs
   * op by op.
   */
  readonly variables: readonly tf.Variable[];
  /** Graph to tf.Variables: before a checkpoint, or eager use of a network. Only those named, or all. */
  pull(variables?: readonly tf.Variable[]): void;
  /** tf.Variables to graph: after loading a checkpoint. Only those named, or all. */
  push(variables?: readonly tf.Variable[]): void;
  /** Frees the graph with its variables; the tf.Variables stay, with the values of the last `pull`. */
  dispose(): void;
}

/** tfjs has no uint8 tensors: bytes are int32 to it. */
export function tensorType({ dtype }: InputSpec): 'float32' | 'int32' | 'bool' {
  return dtype === 'uint8' ? 'int32' : dtype;
}
