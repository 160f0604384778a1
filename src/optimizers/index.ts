export type { AdamConfig } from './adam.ts';
export type { AdamaxConfig } from './adamax.ts';
export type { CenteredRmsPropConfig } from './centered-rmsprop.ts';
export { clipByGlobalNorm } from './clip.ts';
export { createOptimizer, type NamedVariable, type Optimizer, type OptimizerConfig } from './optimizer.ts';
export { createPolyakAverage, type PolyakAverage } from './polyak.ts';
export type { RAdamConfig } from './radam.ts';
export { learningRateAt } from './schedules.ts';
export type { SgdConfig } from './sgd.ts';
