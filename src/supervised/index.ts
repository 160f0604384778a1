/**
 * The paper's supervised and generative experiments as tasks: training, resuming and evaluating them.
 * @module weightnorm-rl/supervised
 */
export {
  evaluateTaskRun,
  resumeTaskRun,
  startTaskRun,
  type TaskEvaluation,
  type TaskRunOptions,
} from './run.ts';
export type { TaskSettings } from './settings.ts';
export type { Moment, SupervisedTask, TaskCreateOptions, TaskDefinition, TaskEvaluateOptions } from './task.ts';
export { type AnyTask, findTask, tasks } from './tasks.ts';
export { SupervisedTraining } from './trainable.ts';
