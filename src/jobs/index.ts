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
export { type Outcome, type RunnerOptions, type RunsProgress, runJobs } from './runner.ts';
