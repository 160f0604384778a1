export * from './data/index.ts';
export {
  type Evaluation,
  evaluateRun,
  type RunDescription,
  resumeRun,
  type SupervisedRunOptions,
  trainNewRun,
} from './run.ts';
export type {
  CreateOptions,
  EvaluateOptions,
  Metrics,
  Moment,
  Recipe,
  SupervisedTask,
  TaskDefinition,
} from './task.ts';
export { resolveConfig, tasks } from './tasks.ts';
export { type SupervisedStatus, type SupervisedSummary, trainSupervised } from './trainer.ts';
