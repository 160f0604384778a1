export { CompileError } from './errors.ts';
export type { TypedArray } from './native.ts';
export type { Precision } from './precision.ts';
export { type CompileOptions, compile } from './program.ts';
export type {
  InputSpec,
  InputValue,
  Program,
  Step,
  StepDefinition,
  StepDefinitions,
  StepInputs,
  StepOutputs,
} from './step.ts';
