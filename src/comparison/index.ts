export { type CompareOptions, type Comparison, compareRuns, type Estimate, type GroupResult } from './compare.ts';
export { comparisonPage } from './page.ts';
export { type PublishedCurve, publishedCurves } from './published-curves.ts';
export { type ComparedRun, readComparedRun, readComparedRuns, SCORES, type ScoreKind } from './runs.ts';
export {
  bootstrapInterval,
  type IntervalOptions,
  interquartileMean,
  meanScore,
  medianScore,
  probabilityOfImprovement,
  type Scores,
} from './statistics.ts';
export { comparisonLines } from './tables.ts';
