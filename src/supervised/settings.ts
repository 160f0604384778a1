// What the tasks' settings share: each task's schema is its command line and its config.json.
import { z } from 'zod';
import { choice, number, precision, seed, wholeNumber } from '../settings/index.ts';

/** The update rule, for tasks that leave it open. */
export const optimizer = choice('update rule', ['adam', 'adamax', 'sgd']);

/** What every task has. */
export const commonSettings = {
  seed,
  epochs: wholeNumber('length of the run, in passes over the training examples', 'passes', 1),
  batchSize: wholeNumber('examples in an update', 'count', 1),
  widthMultiplier: number("factor of the network's widths, rounded", 'factor', 0.001, 100),
  learningRate: number('step size', 'per update', Number.MIN_VALUE),
  precision,
  dataDir: z
    .string()
    .min(1)
    .nullable()
    .meta({ help: 'where the data files lie; MNIST needs none, it comes with the installation', unit: 'folder' }),
  trainExamples: wholeNumber('use only the first of the training set; 0: all', 'count'),
  testExamples: wholeNumber('use only the first of the test set; 0: all', 'count'),
  evaluationPeriodEpochs: wholeNumber('the test set is evaluated, and pictures are drawn, every', 'epochs', 1),
  checkpointPeriodEpochs: wholeNumber('a checkpoint is written every', 'epochs', 1),
  keepCheckpoints: wholeNumber('newest checkpoints kept', 'count', 1),
  logPeriodUpdates: wholeNumber('a line of averages goes to metrics.jsonl every', 'updates', 1),
};

export const commonDefaults = {
  seed: 1,
  widthMultiplier: 1,
  precision: 'float32',
  dataDir: null,
  trainExamples: 0,
  testExamples: 0,
  evaluationPeriodEpochs: 1,
  checkpointPeriodEpochs: 1,
  keepCheckpoints: 3,
  logPeriodUpdates: 50,
} as const;

/** Settings that a resumed run may change: they do not touch what is learned. */
export const taskChangeable: readonly string[] = [
  'dataDir',
  'testExamples',
  'evaluationPeriodEpochs',
  'checkpointPeriodEpochs',
  'keepCheckpoints',
  'logPeriodUpdates',
];

const common = z.strictObject(commonSettings);
/** The settings that every task has. */
export type TaskSettings = z.infer<typeof common>;
