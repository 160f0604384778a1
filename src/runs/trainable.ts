import type { SafetensorsTensor, WritableTensor } from '../files/safetensors.ts';
import type { NewEvent, Numbers } from './events.ts';

/** What a run counts. */
export interface Unit {
  /** Its key in events: `agentSteps` or `updates`. */
  readonly key: 'agentSteps' | 'updates';
  /** Its singular and plural in words: "agent step". */
  readonly singular: string;
  readonly plural: string;
  /** How its pace is told: a key such as `examplesPerSecond`, and how many of those are one of the unit. */
  readonly rate: { readonly key: string; readonly factor: number };
}

/** What one step of an agent or a task was. */
export interface RunStep {
  /** Where the run stands after it, in its unit. */
  readonly position: number;
  /** How much of the unit it was: one agent step in each environment, or one update. */
  readonly size: number;
  /** Numbers as they are now, such as epsilon: events carry the newest. */
  readonly now: Numbers;
  /** Numbers whose means are of interest, such as the loss; one entry for each update that was made. */
  readonly learned: readonly Numbers[];
  /** What happened, such as episodes that ended. */
  readonly events: readonly NewEvent[];
}

/** Whether a multiple of the period was reached in this step of one or more of the unit. */
export function crossed({ position, size }: RunStep, period: number): boolean {
  return Math.floor(position / period) > Math.floor((position - size) / period);
}

/** Tensors as they are written, and as they are read. */
export type NewTensors = Readonly<Record<string, WritableTensor>>;
/** Tensors as they are read from a checkpoint, by name. */
export type StoredTensors = Readonly<Record<string, SafetensorsTensor>>;

/** The state of something that is trained, or of a part of it. */
export interface State<T = NewTensors> {
  /** As JSON holds it. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly tensors: T;
}

/** A stored state is not one of what it is to be given to. */
export class StateError extends Error {
  override readonly name = 'StateError';
}

/** What a run trains: an agent in its environments, or a network on its data. It says what a step and its state are. */
export interface Trainable<S extends RunStep = RunStep> {
  readonly unit: Unit;
  /** How far it has come, in its unit. */
  readonly position: number;
  /** Whether the state is whole, also in the midst of a step: false where an update failed midway. */
  readonly canBeSaved: boolean;
  /** Makes one step. */
  step(): Promise<S>;
  /** The whole state: what is given it later goes on with the same numbers. */
  getState(): State;
}
