/**
 * Weight normalisation and its relatives for any TensorFlow.js backend: layers, initialisations, diagnostics,
 * projections.
 * @module weightnorm-rl/weightnorm
 */
export { type ApplyWeightNormOptions, applyWeightNorm, removeWeightNorm } from './apply-weight-norm.ts';
export {
  type DataDependentInitOptions,
  type DataDependentInitReport,
  dataDependentInit,
} from './data-dependent-init.ts';
export {
  createDiagnostics,
  type Diagnostics,
  type DiagnosticsRow,
  diagnosticScalars,
  formatDiagnostics,
  type MeasureOptions,
} from './diagnostics.ts';
export { assignEffectiveWeights, effectiveBias, effectiveKernel, effectiveWeights } from './effective.ts';
export {
  ACTIVATION_GAINS,
  centeredWeightNormalize,
  SCALED_STANDARDIZE_EPSILON,
  type ScaledStandardizeWeightsOptions,
  STANDARDIZE_EPSILON,
  type StandardizeWeightsOptions,
  scaledStandardizeWeights,
  standardizeWeights,
} from './kernel-normalizations.ts';
export { effectiveTensor, type NormalizedKernel } from './kernels.ts';
export {
  type Conv1DArgs,
  type Conv2DArgs,
  type Conv2DTransposeArgs,
  type Conv3DArgs,
  conv1d,
  conv2d,
  conv2dTranspose,
  conv3d,
  type DenseArgs,
  type DepthwiseConv2DArgs,
  dense,
  depthwiseConv2d,
  type EmbeddingArgs,
  embedding,
  isNormalizedLayer,
  NormalizedConv1D,
  NormalizedConv2D,
  NormalizedConv2DTranspose,
  NormalizedConv3D,
  NormalizedDense,
  NormalizedDepthwiseConv2D,
  NormalizedEmbedding,
  NormalizedSeparableConv2D,
  type SeparableConv2DArgs,
  separableConv2d,
} from './layers.ts';
export { DEFAULT_EPSILON, unitNorms, type WeightNormalizeOptions, weightNormalize } from './normalize.ts';
export type { NormalizedLayer } from './normalized.ts';
export {
  INITIALIZATIONS,
  type Initialization,
  KERNEL_NORMALIZATIONS,
  type KernelNormalization,
  NORMALIZATIONS,
  type Normalization,
  type NormalizationArgs,
  type NormalizationSettings,
  OUTPUT_NORMALIZATIONS,
  type OutputNormalization,
} from './options.ts';
export {
  batchNormalize,
  groupNormalize,
  layerNormalize,
  meanOnlyBatchNormalize,
  VARIANCE_EPSILON,
  type VarianceOptions,
} from './output-normalizations.ts';
export {
  createWeightProjection,
  type ProjectOptions,
  WEIGHT_PROJECTIONS,
  type WeightProjection,
  type WeightProjectionKind,
  type WeightProjectionOptions,
} from './projection.ts';
export {
  type GRUArgs,
  type GRUCellArgs,
  gru,
  gruCell,
  isNormalizedRecurrent,
  type LSTMArgs,
  type LSTMCellArgs,
  lstm,
  lstmCell,
  type NormalizedCell,
  NormalizedGRU,
  NormalizedGRUCell,
  NormalizedLSTM,
  NormalizedLSTMCell,
  type NormalizedRecurrentLayer,
  type NormalizedRNN,
  NormalizedSimpleRNN,
  NormalizedSimpleRNNCell,
  type RecurrentNormalization,
  type SimpleRNNArgs,
  type SimpleRNNCellArgs,
  simpleRNN,
  simpleRNNCell,
} from './recurrent.ts';
export type { UnitAxis } from './units.ts';
