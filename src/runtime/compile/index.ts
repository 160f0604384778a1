export { type CompileOptions, compile } from './compile.ts';
export { CompileError } from './errors.ts';
export type { TypedArray } from './native.ts';
export type { Precision } from './precision.ts';
export {
  defineStep,
  type InputSpec,
  type InputValue,
  type Program,
  type Step,
  type StepDefinition,
  type StepDefinitions,
  type StepInputs,
  type StepOutputs,
  type TensorOf,
} from './step.ts';
