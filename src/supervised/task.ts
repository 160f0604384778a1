import type * as tf from '@tensorflow/tfjs';
import type { Batch, Batches } from '../datasets/index.ts';
import type { Picture } from '../report/pictures.ts';
import type { Numbers } from '../runs/events.ts';
import type { SettingsDefinition } from '../settings/index.ts';
import type { TaskSettings } from './settings.ts';

/** What making a task needs beside its settings. */
export interface TaskCreateOptions {
  /** Hears what takes long, a line each. */
  note: (line: string) => void;
  /**
   * Loads a checkpoint's weights next: leaves out what only a new run needs, such as the data-dependent initialisation.
   */
  restoring: boolean;
  /** `evaluate` also gives an importance-weighted bound from so many samples, for tasks that know one. */
  importanceSamples?: number | undefined;
}

/** Where a run stands before an update. */
export interface Moment {
  /** Updates done. */
  updates: number;
  /** Updates of the whole run. */
  totalUpdates: number;
}

/** One experiment, ready to train: the data, the network, and the compiled functions over them. */
export interface SupervisedTask {
  /** The training set in minibatches. */
  readonly batches: Batches<string>;
  /** Everything that learning changes, by stable name; current after `pull`. */
  readonly variables: Readonly<Record<string, tf.Variable>>;
  /** How many numbers it learns. */
  readonly parameters: number;
  /** Examples of the test set in use. */
  readonly testExamples: number;
  /** From the compiled program to `variables`, and back. */
  pull(): void;
  /** From `variables` to the compiled program, after they were changed outside of it. */
  push(): void;
  /** One update. Returns means over the minibatch, from before the update; `loss` is always among them. */
  update(batch: Batch<string>, moment: Moment): Numbers;
  /** Over the whole test set, as `test...`; the same noise every time. */
  evaluate(options?: TaskEvaluateOptions): Numbers;
  /** What a look tells more than a number, by name, such as samples; `moving` ones are sequences of frames. */
  pictures(): { still: Record<string, Picture>; moving: Record<string, Picture[]> };
  /** Frees every tensor. */
  dispose(): void;
}

/** How an evaluation tells of its progress. */
export interface TaskEvaluateOptions {
  /** Hears how many test examples are done, of how many. */
  onProgress?: (done: number, total: number) => void;
}

/** Everything that commands and the library need to know of a task. */
export interface TaskDefinition<S extends TaskSettings = TaskSettings> extends SettingsDefinition<S> {
  readonly about: string;
  /** Whether `evaluate` knows importance samples. */
  readonly hasImportanceBound: boolean;
  /** About how many weights there are, and activations of one example, for what a machine can hold. */
  size(settings: S): { weights: number; activations: number };
  /** Loads the data, makes the network and compiles the functions. */
  create(settings: S, options: TaskCreateOptions): Promise<SupervisedTask>;
  /** The result in words, from what `update` and `evaluate` returned: "test error 12.3 %". */
  describe(metrics: Numbers): string;
}
