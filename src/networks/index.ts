export { type Activations, dormantShare, reluActivations } from './activations.ts';
export {
  type ConvPoolCnnC,
  type ConvPoolCnnCNoiseShapes,
  type ConvPoolCnnCOptions,
  convPoolCnnC,
} from './convpool-cnn-c.ts';
export { type Attention, drawRead, drawWrite, type Filters, filterBank } from './draw/attention.ts';
export { type DrawBound, type DrawState, drawBound, drawNoiseShape, drawSample, drawStep } from './draw/model.ts';
export { createDraw, type DrawNetwork, type DrawOptions, type DrawSizes, type DrawWeights } from './draw/parameters.ts';
export { type FastCnn, type FastCnnOptions, fastCnn } from './fast-cnn.ts';
export { featureRank, singularValues } from './feature-rank.ts';
export { LAYER_NORMS, type LayerNorm } from './layer-norm.ts';
export type { PassNoise } from './noise.ts';
export {
  IMAGE_NETWORKS,
  type ImageNetwork,
  type ImageOptions,
  type ImplicitQuantileOptions,
  imageQNetwork,
  imageQuantileNetwork,
  type MlpOptions,
  mlpQNetwork,
  mlpQuantileNetwork,
  natureQNetwork,
  type QNetworkOptions,
} from './q-networks.ts';
export { type AutoregressiveNetwork, applyFlow, createFlow, type Flow, type FlowOptions } from './vae/flow.ts';
export {
  bitsPerDimension,
  initializeVae,
  type VaeBound,
  type VaeInputs,
  vaeBound,
  vaeImportanceBound,
  vaeReconstruct,
  vaeSample,
} from './vae/model.ts';
export { createVae, type VaeLikelihood, type VaeNetwork, type VaeOptions, type VaeSizes } from './vae/network.ts';
export { applyMapsFlow, createMapsFlow, type MapsFlow, type MapsFlowOptions } from './vae/stack/flow.ts';
export {
  initializeVaeStack,
  type VaeStackBound,
  type VaeStackInputs,
  type VaeStackNoise,
  vaeStackBound,
  vaeStackImportanceBound,
  vaeStackNoiseShapes,
  vaeStackReconstruct,
  vaeStackSample,
} from './vae/stack/model.ts';
export {
  type Convolution,
  createVaeStack,
  type StochasticLayer,
  type VaeStack,
  type VaeStackOptions,
  type VaeStackSizes,
} from './vae/stack/network.ts';
export { allVariables, trainableVariables } from './variables.ts';
