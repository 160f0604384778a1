export type { AttemptOptions, Ending, Executor } from './executor.ts';
export {
  type Answer,
  argsOf,
  type Job,
  type JobState,
  type QuestionJob,
  readAnswer,
  type Settings,
  stateOf,
  type TrainingJob,
} from './jobs.ts';
export { localExecutor } from './local.ts';
export { type Outcome, openJobs, type RunnerOptions, type RunsProgress, runJobs } from './runner.ts';
