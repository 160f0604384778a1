// Whole runs of tasks in run folders: new ones, resumed ones, evaluations.
import { DamagedFileError } from '../files/errors.ts';
import type { Numbers } from '../runs/events.ts';
import { RunFolder } from '../runs/folder.ts';
import { describeMaking } from '../runs/machine.ts';
import { activationBytes, checkMachineMemory, weightBytes } from '../runs/machine-memory.ts';
import { metricsFile } from '../runs/metrics.ts';
import { processNumbers } from '../runs/process.ts';
import { type ResumePoint, resumeIn } from '../runs/resume.ts';
import { Run } from '../runs/run.ts';
import { readState } from '../runs/state.ts';
import { type TensorBoardWriter, tensorBoardEvents } from '../runs/tensorboard.ts';
import { saveEvery, type Tracker, tolerant } from '../runs/tracker.ts';
import { StateError } from '../runs/trainable.ts';
import { precisionWarning } from '../runtime/tensorflow.ts';
import { fromFile, parseSettings, resumedSettings, SettingError } from '../settings/index.ts';
import { reportAtEnd } from '../summary/index.ts';
import { drawPictures } from './draw-pictures.ts';
import { evaluateEpochs } from './evaluate-epochs.ts';
import type { TaskSettings } from './settings.ts';
import type { TaskEvaluateOptions } from './task.ts';
import { type AnyTask, findTask } from './tasks.ts';
import { SupervisedTraining } from './trainable.ts';

/** Where a run of a task is written, and who follows it. */
export interface TaskRunOptions {
  /** Where the run is written. */
  readonly runDir: string;
  /** Opens TensorBoard's event file in a folder. */
  readonly openBoard?: ((folder: string) => TensorBoardWriter) | undefined;
  /** Further trackers. */
  readonly trackers?: readonly Tracker[] | undefined;
  /** Asked to stop, the run saves and ends. */
  readonly signal?: AbortSignal | undefined;
  /** Hears what happens, a line each. */
  readonly note?: ((line: string) => void) | undefined;
  /** Called once the network stands, before the first update. */
  readonly onStart?:
    | ((start: { definition: AnyTask; training: SupervisedTraining; total: number }) => void)
    | undefined;
  /** Takes the folder's lock, whoever has it. */
  readonly forceUnlock?: boolean | undefined;
  /** The update of the checkpoint to go back to; the newest whole one where undefined. */
  readonly checkpoint?: number | undefined;
}

/** A new run of a task in an empty or new folder, ready to be gone through. */
export async function startTaskRun(
  definition: AnyTask,
  settings: TaskSettings,
  preset: string | null,
  options: TaskRunOptions,
): Promise<Run> {
  return prepare(definition, settings, options, { isNew: true }, (training) =>
    RunFolder.create(options.runDir, {
      ...describeMaking(),
      kind: 'supervised',
      name: definition.name,
      preset,
      settings: { ...settings },
      data: { trainExamples: training.task.batches.getState().count, testExamples: training.task.testExamples },
    }),
  );
}

/**
 * Goes on with the run in a folder from its newest whole checkpoint, with the numbers that it would have had without
 * the stop.
 * @param given Settings in place of the stored ones, where they may change.
 */
export async function resumeTaskRun(given: Partial<TaskSettings>, options: TaskRunOptions): Promise<Run> {
  const folder = RunFolder.open(options.runDir);
  const { definition, settings: stored } = await readTaskRun(folder);
  const settings = resumedSettings(definition, stored, given) as TaskSettings;
  const { forceUnlock: force, note, checkpoint } = options;
  const from = { force, note, checkpoint, settings: stored, changeable: definition.changeable };
  return resumeIn(folder, from, (point) =>
    prepare(definition, settings, options, { isNew: false, point }, async () => folder),
  );
}

/** What an evaluation has found. */
export interface TaskEvaluation {
  task: string;
  recipe: string | null;
  run: string;
  /** Updates before the checkpoint. */
  checkpoint: number;
  settings: TaskSettings;
  metrics: Numbers;
}

/** Tests a checkpoint of a run, the newest where none is named, on the whole test set. */
export async function evaluateTaskRun(
  runDir: string,
  options: TaskEvaluateOptions & {
    checkpoint?: number;
    importanceSamples?: number;
    /** Settings in place of the run's: `dataDir`, `testExamples`. */
    given?: Partial<TaskSettings>;
    note?: (line: string) => void;
  },
): Promise<TaskEvaluation> {
  const { note = () => {}, importanceSamples, given = {} } = options;
  const folder = RunFolder.open(runDir);
  const { definition, settings: stored, preset } = await readTaskRun(folder);
  const settings = resumedSettings(definition, stored, given) as TaskSettings;
  if (importanceSamples !== undefined && !definition.hasImportanceBound) {
    const reason = `: ${definition.name} has no such bound`;
    throw new SettingError({ key: 'importanceSamples', value: importanceSamples, reason, mend: 'leave it out' });
  }
  const { path, step } = await folder.checkpoints.find(options.checkpoint, note);
  const task = await definition.create(settings, { note, restoring: true, importanceSamples });
  try {
    const training = new SupervisedTraining(task, settings.epochs);
    const state = await readState(path);
    try {
      training.setState(state);
    } catch (error) {
      throw error instanceof StateError ? new DamagedFileError(path, error.message) : error;
    }
    const metrics = task.evaluate(options);
    return { task: definition.name, recipe: preset, run: runDir, checkpoint: step, settings, metrics };
  } finally {
    task.dispose();
  }
}

/** The task of the run in a folder, and its settings. @throws SettingError; DamagedFileError. */
export async function readTaskRun(
  folder: RunFolder,
): Promise<{ definition: AnyTask; settings: TaskSettings; preset: string | null }> {
  const { kind, name, settings, preset } = await folder.describe();
  if (kind !== 'supervised') {
    throw new DamagedFileError(folder.path, 'it is the run of an agent: use train-agent and evaluate-agent for it');
  }
  const definition = fromFile(folder.configPath, () => findTask(name));
  return { definition, preset, settings: parseSettings(definition, settings, folder.configPath) as TaskSettings };
}

function checkTaskMemory(definition: AnyTask, settings: TaskSettings): void {
  const { weights, activations } = definition.size(settings);
  const { widthMultiplier, batchSize } = settings;
  checkMachineMemory([
    { key: 'widthMultiplier', value: widthMultiplier, bytes: weightBytes(weights) },
    { key: 'batchSize', value: batchSize, bytes: batchSize * activationBytes(activations) },
  ]);
}

async function prepare(
  definition: AnyTask,
  settings: TaskSettings,
  { note = () => {}, openBoard, signal, onStart, trackers = [] }: TaskRunOptions,
  { isNew, point }: { isNew: boolean; point?: ResumePoint | undefined },
  openFolder: (training: SupervisedTraining) => Promise<RunFolder>,
): Promise<Run> {
  checkTaskMemory(definition, settings);
  const slow = precisionWarning(settings.precision);
  if (slow !== undefined) note(slow);
  const task = await definition.create(settings, { note, restoring: point !== undefined });
  let folder: RunFolder | undefined;
  try {
    const training = new SupervisedTraining(task, settings.epochs);
    if (point) training.setState(point.state);
    folder = await openFolder(training);
    const made = folder;
    const total = settings.epochs * training.perEpoch;
    const board = openBoard?.(folder.tensorBoardPath);
    const run = new Run({
      trainable: training,
      total,
      settings,
      reportPeriod: settings.logPeriodUpdates,
      folder,
      keepCheckpoints: settings.keepCheckpoints,
      trackers: [
        metricsFile(folder.metricsPath, note),
        ...(board ? [tensorBoardEvents(board, { task: definition.name, ...settings })] : []),
        ...trackers,
        evaluateEpochs(training, settings.evaluationPeriodEpochs),
        tolerant(drawPictures(task, { folder: folder.picturesPath, board }), 'drawing pictures', note),
        saveEvery(settings.checkpointPeriodEpochs * training.perEpoch),
        reportAtEnd(folder, note),
      ],
      measure: processNumbers,
      divergedMend: `give a {learningRate} below ${settings.learningRate}`,
      signal,
      note,
      state: point?.loop,
      close: () => {
        task.dispose();
        made.unlock();
      },
    });
    onStart?.({ definition, training, total });
    return run;
  } catch (error) {
    task.dispose();
    if (isNew) await folder?.discard();
    throw error;
  }
}
