import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readJson } from '../files/json.ts';
import { encodeGif, encodePng, writePicture } from '../report/pictures.ts';
import { DivergedError } from '../training/diverged.ts';
import type { RunFolder } from '../training/run-folder.ts';
import { Speedometer } from '../training/speedometer.ts';
import { loadCheckpoint, saveCheckpoint } from './checkpoint.ts';
import { meansOf } from './means.ts';
import type { MetricsLog } from './metrics-log.ts';
import type { CommonConfig } from './settings.ts';
import type { Metrics, SupervisedTask } from './task.ts';

/** What a progress display shows. */
export interface SupervisedStatus {
  updates: number;
  totalUpdates: number;
  /** Passes over the training set so far. */
  epoch: number;
  examplesPerSecond: number;
  /** Means since the last line of metrics. */
  recent: Metrics;
  /** The newest results on the test set. */
  tested: Metrics;
  secondsLeft: number;
}

export interface SupervisedSummary {
  updates: number;
  epoch: number;
  wallSeconds: number;
  /** Stopped before its end by the signal. */
  interrupted: boolean;
  /** Means over the last whole epoch, and the newest results on the test set. */
  metrics: Metrics;
  checkpoint: string;
}

export interface TrainOptions {
  folder: RunFolder;
  log: MetricsLog;
  onStatus?: ((status: SupervisedStatus) => void) | undefined;
  onEvaluated?: ((epoch: number, metrics: Metrics) => void) | undefined;
  note?: ((line: string) => void) | undefined;
  /** More numbers for each line of metrics, with units in their names. */
  measure?: () => Metrics;
  signal?: AbortSignal | undefined;
  resumeFrom?: TrainerState | undefined;
}

const sumsSchema = z.record(z.string(), z.strictObject({ sum: z.number(), count: z.number() }));
const metricsSchema = z.record(z.string(), z.number());

/** What the loop itself remembers in a checkpoint. */
const stateSchema = z.strictObject({
  formatVersion: z.literal(1),
  updates: z.int().min(0),
  batches: z.strictObject({
    seed: z.int().nullable(),
    count: z.int(),
    batchSize: z.int(),
    epoch: z.int(),
    index: z.int(),
  }),
  metricsBytes: z.int(),
  wallSeconds: z.number(),
  /** Since the last line of metrics, and since the epoch's start. */
  recentSums: sumsSchema,
  epochSums: sumsSchema,
  metrics: metricsSchema,
});
export type TrainerState = z.infer<typeof stateSchema>;

const TRAINER_FILE = 'trainer.json';

/**
 * Trains to the end, or until the signal is aborted; a checkpoint is written however it ends, but for what has
 * diverged. The means that `update` returns are those of the minibatches as they are trained, as the paper's training
 * errors.
 * @throws DivergedError when the loss or a weight is not finite; checkpoints from before stay.
 */
export async function trainSupervised(
  task: SupervisedTask,
  config: CommonConfig,
  options: TrainOptions,
): Promise<SupervisedSummary> {
  const { folder, log, signal, resumeFrom } = options;
  const { batches } = task;
  const perEpoch = batches.batchesPerEpoch;
  const totalUpdates = config.epochs * perEpoch;
  let updates = resumeFrom?.updates ?? 0;
  let metrics: Metrics = { ...resumeFrom?.metrics };
  let recent = meansOf(structuredClone(resumeFrom?.recentSums));
  let overEpoch = meansOf(structuredClone(resumeFrom?.epochSums));
  if (resumeFrom) batches.setState(resumeFrom.batches);
  const startMs = performance.now() - (resumeFrom?.wallSeconds ?? 0) * 1000;
  const wallSeconds = () => (performance.now() - startMs) / 1000;
  const { batchSize } = batches.getState();
  const speed = new Speedometer(updates);
  let lastRecent: Metrics = {};
  let savedAt = -1;
  let checkpoint = '';

  const save = async () => {
    if (savedAt === updates) return;
    const state: TrainerState = {
      formatVersion: 1,
      updates,
      batches: batches.getState(),
      metricsBytes: log.position,
      wallSeconds: wallSeconds(),
      recentSums: recent.sums,
      epochSums: overEpoch.sums,
      metrics,
    };
    checkpoint = await folder.writeCheckpoint(updates, config.keepCheckpoints, async (path) => {
      await saveCheckpoint(path, task);
      await writeFile(join(path, TRAINER_FILE), `${JSON.stringify(state, null, 2)}\n`, { flush: true });
    });
    savedAt = updates;
    options.note?.(`checkpoint ${checkpoint}`);
  };

  /** Whether the state is that of a whole number of updates: false where one failed midway. */
  let isWhole = true;
  try {
    while (updates < totalUpdates && signal?.aborted !== true) {
      isWhole = false;
      const means = task.update(batches.next(), { updates, totalUpdates });
      updates += 1;
      isWhole = true;
      if (!Number.isFinite(means.loss)) throw new DivergedError(`the loss is ${means.loss}`);
      recent.add(means);
      overEpoch.add(means);
      const endsEpoch = updates % perEpoch === 0;
      if (updates % config.logPeriodUpdates === 0) {
        lastRecent = recent.result();
        recent = meansOf();
        log.progress({
          epoch: updates / perEpoch,
          updates,
          ...lastRecent,
          examplesPerSecond: speed.perSecond(updates) * batchSize,
          wallSeconds: wallSeconds(),
          ...options.measure?.(),
        });
      }
      speed.tick(updates);
      options.onStatus?.({
        updates,
        totalUpdates,
        epoch: updates / perEpoch,
        examplesPerSecond: speed.perSecond(updates) * batchSize,
        recent: lastRecent,
        tested: metrics,
        secondsLeft: (totalUpdates - updates) / speed.perSecond(updates),
      });
      // Lets signals through, and whoever else waits.
      await new Promise((resolve) => setImmediate(resolve));
      if (!endsEpoch) continue;

      const epoch = updates / perEpoch;
      const evaluates = epoch % config.evaluationPeriodEpochs === 0 || updates === totalUpdates;
      const found = { ...overEpoch.result(), ...(evaluates && task.evaluate()) };
      overEpoch = meansOf();
      metrics = { ...metrics, ...found };
      if (evaluates) {
        await drawPictures(task.pictures(), { folder, log, updates, epoch });
        options.onEvaluated?.(epoch, metrics);
      }
      log.epoch({ epoch, updates, ...found, wallSeconds: wallSeconds() });
      speed.skip();
      if (epoch % config.checkpointPeriodEpochs === 0) await save();
    }
  } catch (error) {
    if (error instanceof DivergedError) {
      throw new DivergedError(
        `${error.message} at update ${updates}: give a --learning-rate below ${config.learningRate}; the checkpoints from before it are in ${folder.path}`,
      );
    }
    if (isWhole) await save().catch((failure) => options.note?.(`nothing could be saved: ${failure.message}`));
    throw error;
  }
  await save();
  return {
    updates,
    epoch: updates / perEpoch,
    wallSeconds: wallSeconds(),
    interrupted: updates < totalUpdates,
    metrics,
    checkpoint,
  };
}

/** Takes the newest checkpoint's state into the task; the result is for `resumeFrom`. */
export async function restoreSupervised(task: SupervisedTask, checkpointFolder: string): Promise<TrainerState> {
  const state = await readJson(join(checkpointFolder, TRAINER_FILE), stateSchema);
  await loadCheckpoint(checkpointFolder, task);
  return state;
}

async function drawPictures(
  { still, moving }: ReturnType<SupervisedTask['pictures']>,
  { folder, log, updates, epoch }: { folder: RunFolder; log: MetricsLog; updates: number; epoch: number },
): Promise<void> {
  const path = (name: string, extension: string) =>
    join(folder.path, 'pictures', `${name}-epoch-${String(epoch).padStart(4, '0')}.${extension}`);
  for (const [name, picture] of Object.entries(still)) {
    const png = await encodePng(picture);
    await writePicture(path(name, 'png'), png);
    log.picture(name, picture, png, updates);
  }
  for (const [name, frames] of Object.entries(moving)) {
    await writePicture(path(name, 'gif'), encodeGif(frames, { framesPerSecond: 8, lastFrameSeconds: 2 }));
  }
}
