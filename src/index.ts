export * from './evaluation/index.ts';
export * from './networks/index.ts';
export * from './optimizers/index.ts';
export * from './random/index.ts';
export * from './replay/index.ts';
export { type CompileOptions, compile, type Program } from './runtime/compile/index.ts';
export { loadTensorFlow, type TensorFlowRuntime } from './runtime/tensorflow.ts';
export * from './weightnorm/index.ts';
