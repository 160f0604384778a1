/**
 * Runs of whatever is trained: the loop, the folder with its events and checkpoints, trackers, TensorBoard.
 * @module weightnorm-rl/runs
 */
export { type Checkpoint, Checkpoints } from './checkpoints.ts';
export type { Machine, RunDescription } from './description.ts';
export { DivergedError, InterruptedError, RunFolderError } from './errors.ts';
export { type EpisodeNumbers, type NewEvent, type Numbers, type RunEvent, readEvents, type UnitKey } from './events.ts';
export { RunFolder } from './folder.ts';
export { describeMachine, describeMaking, packageVersion } from './machine.ts';
export { type Means, meansOf } from './means.ts';
export { metricsFile } from './metrics.ts';
export { type ResumePoint, resumeIn } from './resume.ts';
export { Run, type RunOptions, type RunSummary } from './run.ts';
export { type LoopState, readLoopState, readState } from './state.ts';
export { openTensorBoard, openTolerantTensorBoard, type TensorBoardWriter, tensorBoardEvents } from './tensorboard.ts';
export { saveEvery, type Tracker, tolerant } from './tracker.ts';
export {
  crossed,
  type NewTensors,
  type RunStep,
  type State,
  StateError,
  type StoredTensors,
  type Trainable,
  type Unit,
} from './trainable.ts';
export { assignVariables, type VariablesByName, variableTensors } from './variables.ts';
