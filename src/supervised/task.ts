import type * as tf from '@tensorflow/tfjs';
import type { z } from 'zod';
import type { Picture } from '../report/pictures.ts';
import type { Batch, Batches } from './data/index.ts';
import type { CommonConfig } from './settings.ts';

/** Named settings of a task. */
export interface Recipe<C> {
  about: string;
  config: C;
  /** Defaults that depend on what was given. */
  adjust?: (config: C) => Partial<C>;
}

export interface CreateOptions {
  /** Hears what takes long, a line each. */
  note: (line: string) => void;
  /** Loads a checkpoint's weights next: leaves out what only a new run needs, such as the data-dependent initialisation. */
  restoring: boolean;
  /** `evaluate` also gives an importance-weighted bound from so many samples, for tasks that know one. */
  importanceSamples?: number | undefined;
}

export type Metrics = Record<string, number>;

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
  /** From the compiled program to `variables`, and back. */
  pull(): void;
  push(): void;
  /** One update. Returns means over the minibatch, from before the update; `loss` is always among them. */
  update(batch: Batch<string>, moment: Moment): Metrics;
  /** Over the whole test set, as `test...`; the same noise every time. */
  evaluate(options?: EvaluateOptions): Metrics;
  /** What a look tells more than a number, by name, such as samples; `moving` ones are sequences of frames. */
  pictures(): { still: Record<string, Picture>; moving: Record<string, Picture[]> };
  /** Frees every tensor. */
  dispose(): void;
}

export interface EvaluateOptions {
  onProgress?: (done: number, total: number) => void;
}

export interface TaskDefinition<C extends CommonConfig = CommonConfig> {
  readonly about: string;
  readonly schema: z.ZodObject;
  /** The first is the default. */
  readonly recipes: Readonly<Record<string, Recipe<C>>>;
  /** Further settings that a resumed run may change. */
  readonly changeable?: readonly string[];
  /** Whether `evaluate` knows importance samples. */
  readonly hasImportanceBound: boolean;
  /** What is wrong between settings that are each right, in one line. */
  check?(config: C): string | undefined;
  create(config: C, options: CreateOptions): Promise<SupervisedTask>;
  /** The result in words, from what `update` and `evaluate` returned: "test error 12.3 %". */
  describe(metrics: Metrics): string;
}
