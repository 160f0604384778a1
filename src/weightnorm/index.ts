export {
  type DataDependentInitOptions,
  type DataDependentInitReport,
  dataDependentInit,
} from './data-dependent-init.ts';
export { assignEffectiveWeights } from './effective.ts';
export {
  type Conv2DArgs,
  conv2d,
  type DenseArgs,
  dense,
  effectiveBias,
  effectiveKernel,
  isNormalizedLayer,
  NORMALIZATIONS,
  type Normalization,
  type NormalizationArgs,
  NormalizedConv2D,
  NormalizedDense,
  type NormalizedLayer,
} from './layers.ts';
export {
  DEFAULT_EPSILON,
  type UnitAxis,
  unitNorms,
  type WeightNormalizeOptions,
  weightNormalize,
} from './normalize.ts';
