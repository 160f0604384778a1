export { greedyActions, qLearningTargets, valuesOf } from './action-values.ts';
export {
  type CategoricalSupport,
  categoricalCrossEntropy,
  categoricalEntropy,
  expectedValues,
  projectDistribution,
  supportAtoms,
} from './categorical.ts';
export { distributionsOf } from './distributions.ts';
export { lambdaReturns } from './lambda-returns.ts';
export {
  type MunchausenOptions,
  munchausenQuantileTargets,
  munchausenTargets,
  scaledLogPolicy,
  softValues,
} from './munchausen.ts';
export { quantileHuberLoss, quantileMidpoints, quantileTargets } from './quantile.ts';
export { huber, REGRESSION_LOSSES, type RegressionLoss, regressionLoss } from './regression.ts';
