import { z } from 'zod';
import type { NewEvent } from '../runs/events.ts';
import { type Means, meansOf } from '../runs/means.ts';
import {
  type RunStep,
  type State,
  StateError,
  type StoredTensors,
  type Trainable,
  type Unit,
} from '../runs/trainable.ts';
import { assignVariables, variableTensors } from '../runs/variables.ts';
import type { SupervisedTask } from './task.ts';

/** What a checkpoint keeps beside the variables; version 0.1.0 kept the loop's state in the same file. */
const valuesSchema = z.object({
  formatVersion: z.literal(1),
  updates: z.int().min(0),
  batches: z.strictObject({
    seed: z.int().nullable(),
    count: z.int(),
    batchSize: z.int(),
    epoch: z.int(),
    index: z.int(),
  }),
  /** The sums behind the means since the epoch's start. */
  epochSums: z.record(z.string(), z.strictObject({ sum: z.number(), count: z.number() })),
});

/** A task in a run: a step is an update on the next minibatch. */
export class SupervisedTraining implements Trainable {
  readonly unit: Unit;
  readonly task: SupervisedTask;
  /** Updates in an epoch. */
  readonly perEpoch: number;
  position = 0;
  canBeSaved = true;
  private readonly totalUpdates: number;
  private overEpoch: Means = meansOf();

  /** @param epochs Length of the run: schedules are shares of it. */
  constructor(task: SupervisedTask, epochs: number) {
    this.task = task;
    this.perEpoch = task.batches.batchesPerEpoch;
    this.totalUpdates = epochs * this.perEpoch;
    const { batchSize } = task.batches.getState();
    this.unit = {
      key: 'updates',
      singular: 'update',
      plural: 'updates',
      rate: { key: 'examplesPerSecond', factor: batchSize },
    };
  }

  /** The means are those of the minibatches as they are trained, as the paper's training errors. */
  async step(): Promise<RunStep> {
    // Lets signals through, and whoever else waits.
    await new Promise((resolve) => setImmediate(resolve));
    const { task, perEpoch, totalUpdates } = this;
    this.canBeSaved = false;
    const learned = task.update(task.batches.next(), { updates: this.position, totalUpdates });
    this.position += 1;
    this.canBeSaved = true;
    this.overEpoch.add(learned);
    const epoch = this.position / perEpoch;
    const events: NewEvent[] = [];
    if (this.position % perEpoch === 0) {
      events.push({ kind: 'epoch', numbers: { epoch, ...this.overEpoch.result() } });
      this.overEpoch = meansOf();
    }
    return { position: this.position, size: 1, now: { epoch }, learned: [learned], events };
  }

  getState(): State {
    const { task, position, overEpoch } = this;
    task.pull();
    return {
      values: { formatVersion: 1, updates: position, batches: task.batches.getState(), epochSums: overEpoch.sums },
      tensors: variableTensors(task.variables),
    };
  }

  /** @throws StateError for the state of another network. */
  setState({ values, tensors }: State<StoredTensors>): void {
    const parsed = valuesSchema.safeParse(values);
    if (!parsed.success) throw new StateError(z.prettifyError(parsed.error).replaceAll('\n', ' '));
    const { updates, batches, epochSums } = parsed.data;
    assignVariables(this.task.variables, tensors);
    this.task.push();
    this.task.batches.setState(batches);
    this.position = updates;
    this.overEpoch = meansOf(epochSums);
  }
}
