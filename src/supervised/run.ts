// Whole runs in run folders: new ones, resumed ones, evaluations.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { UsageError } from '../cli/index.ts';
import { DamagedFileError } from '../files/errors.ts';
import { precisionWarning } from '../runtime/tensorflow.ts';
import { RunFolder } from '../training/run-folder.ts';
import type { TensorBoardWriter } from '../training/tensorboard.ts';
import { MetricsLog } from './metrics-log.ts';
import type { CommonConfig } from './settings.ts';
import type { EvaluateOptions, Metrics, SupervisedTask } from './task.ts';
import { findTask, parseConfig, resumedConfig } from './tasks.ts';
import {
  restoreSupervised,
  type SupervisedStatus,
  type SupervisedSummary,
  type TrainerState,
  trainSupervised,
} from './trainer.ts';

/** What `config.json` holds. */
const descriptionSchema = z.strictObject({
  experiment: z.literal('supervised'),
  task: z.string(),
  recipe: z.string(),
  /** Of this package. */
  version: z.string(),
  config: z.record(z.string(), z.unknown()),
});

export interface RunDescription {
  task: string;
  recipe: string;
  config: CommonConfig;
}

export interface SupervisedRunOptions {
  runDir: string;
  version: string;
  signal?: AbortSignal;
  /** Opens TensorBoard's event file in a folder. */
  openBoard?: (folder: string) => TensorBoardWriter;
  /** Hears what happens, a line each. */
  note: (line: string) => void;
  /** Called once the network stands, before the first update. */
  onStart?: (start: RunDescription & { updates: number; totalUpdates: number; parameters: number }) => void;
  onStatus?: (status: SupervisedStatus) => void;
  onEvaluated?: (epoch: number, metrics: Metrics) => void;
}

/** A new run in an empty or new folder. */
export async function trainNewRun(run: RunDescription, options: SupervisedRunOptions): Promise<SupervisedSummary> {
  const { task: name, recipe, config } = run;
  const slow = precisionWarning(config.precision);
  if (slow !== undefined) options.note(slow);
  const task = await findTask(name).create(config, { note: options.note, restoring: false });
  try {
    const description = { experiment: 'supervised', task: name, recipe, version: options.version, config };
    const folder = await RunFolder.create(options.runDir, description);
    try {
      return await train(run, task, folder, options);
    } finally {
      folder.unlock();
    }
  } finally {
    task.dispose();
  }
}

/** Goes on with the run in a folder from its newest checkpoint, with the numbers that it would have had without the stop. */
export async function resumeRun(
  given: Record<string, unknown>,
  options: SupervisedRunOptions,
): Promise<SupervisedSummary & RunDescription> {
  const folder = RunFolder.open(options.runDir);
  const stored = await readDescription(folder);
  const config = resumedConfig(stored.task, stored.config, given);
  const checkpoint = await folder.checkpoint();
  folder.lock();
  try {
    const task = await findTask(stored.task).create(config, { note: options.note, restoring: true });
    try {
      const resumeFrom = await restoreSupervised(task, checkpoint.path);
      const run = { ...stored, config };
      return { ...(await train(run, task, folder, options, resumeFrom)), ...run };
    } finally {
      task.dispose();
    }
  } finally {
    folder.unlock();
  }
}

export interface Evaluation {
  task: string;
  recipe: string;
  run: string;
  /** Updates before the checkpoint. */
  checkpoint: number;
  config: CommonConfig;
  metrics: Metrics;
}

/** Tests a checkpoint of a run, the newest where none is named, on the whole test set. */
export async function evaluateRun(
  runDir: string,
  options: EvaluateOptions & {
    checkpoint?: number;
    importanceSamples?: number;
    /** Settings in place of the run's: `dataDir`, `testExamples`. */
    given: Record<string, unknown>;
    note: (line: string) => void;
  },
): Promise<Evaluation> {
  const folder = RunFolder.open(runDir);
  const { task: name, recipe, config: stored } = await readDescription(folder);
  const config = resumedConfig(name, stored, options.given);
  const definition = findTask(name);
  if (options.importanceSamples !== undefined && !definition.hasImportanceBound) {
    throw new UsageError(`--importance-samples ${options.importanceSamples}: ${name} has no such bound; leave it out`);
  }
  const { path, step } = await folder.checkpoint(options.checkpoint);
  const { note, importanceSamples } = options;
  const task = await definition.create(config, { note, restoring: true, importanceSamples });
  try {
    await restoreSupervised(task, path);
    return { task: name, recipe, run: runDir, checkpoint: step, config, metrics: task.evaluate(options) };
  } finally {
    task.dispose();
  }
}

/** @throws UsageError for the folder of another kind of run; DamagedFileError. */
export async function readDescription(folder: RunFolder): Promise<RunDescription> {
  const stored = await folder.readConfig();
  if ((stored as { agent?: string } | null)?.agent !== undefined) {
    throw new UsageError(`${folder.path} is the run of an agent: use train-agent and evaluate-agent for it`);
  }
  const result = descriptionSchema.safeParse(stored);
  if (!result.success) throw new DamagedFileError(folder.configPath, z.prettifyError(result.error));
  const { task, recipe, config } = result.data;
  return { task, recipe, config: parseConfig(task, config, folder.configPath) };
}

async function train(
  run: RunDescription,
  task: SupervisedTask,
  folder: RunFolder,
  options: SupervisedRunOptions,
  resumeFrom?: TrainerState,
): Promise<SupervisedSummary> {
  await mkdir(join(folder.path, 'pictures'), { recursive: true });
  const board = options.openBoard?.(join(folder.path, 'tensorboard'));
  const log = new MetricsLog(folder.metricsPath, board, resumeFrom?.metricsBytes);
  options.onStart?.({
    ...run,
    updates: resumeFrom?.updates ?? 0,
    totalUpdates: run.config.epochs * task.batches.batchesPerEpoch,
    parameters: task.parameters,
  });
  try {
    return await trainSupervised(task, run.config, {
      folder,
      log,
      resumeFrom,
      signal: options.signal,
      note: options.note,
      onStatus: options.onStatus,
      onEvaluated: options.onEvaluated,
      measure: () => ({ rssBytes: process.memoryUsage.rss(), numTensors: tf.memory().numTensors }),
    });
  } finally {
    log.close();
  }
}
