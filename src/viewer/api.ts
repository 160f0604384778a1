// What the server tells the page: types only, which both sides import.
import type { CurveColumns } from '../runs/curve.ts';

/** A run in the list. */
export interface RunRow {
  /** Its path below the folder that is shown. */
  readonly id: string;
  readonly name: string;
  /** What is wrong with its folder, in one sentence; null where nothing is. */
  readonly problem: string | null;
  readonly kind: 'agent' | 'supervised' | null;
  /** The agent or the task. */
  readonly what: string | null;
  readonly environment: string | null;
  /** Emulator frames in an agent step; null where there is no emulator. */
  readonly framesPerStep: number | null;
  readonly seed: number | null;
  readonly state: 'running' | 'finished' | 'stopped';
  readonly unit: 'agentSteps' | 'updates' | null;
  /** Where its newest line stands, in its unit. */
  readonly position: number | null;
  /** The share of the run that is done, from 0 to 1. */
  readonly progress: number | null;
  readonly wallSeconds: number | null;
  /** Agents: the mean return of the newest training episodes, at most 100. */
  readonly score: number | null;
  /** When its metrics have changed last, in milliseconds since 1970. */
  readonly changedMs: number;
  /** Another text means that there is more to draw. */
  readonly version: string;
  /** The same for runs that differ in the seed alone. */
  readonly group: string;
}

export interface RunList {
  /** The name of the folder that is shown. */
  readonly folder: string;
  readonly runs: readonly RunRow[];
  /** What was left out, in one sentence; null where nothing was. */
  readonly note: string | null;
}

/** Curves of one run. */
export interface RunCurves {
  /** What can be asked for. */
  readonly names: readonly string[];
  readonly damage: string | null;
  readonly curves: readonly (readonly [name: string, points: CurveColumns])[];
}

export interface FileRow {
  readonly name: string;
  readonly bytes: number;
  readonly changedMs: number;
}

/** All about one run but its curves. */
export interface RunDetails {
  readonly id: string;
  readonly problem: string | null;
  readonly preset: string | null;
  readonly version: string | null;
  readonly commit: string | null;
  readonly machine: readonly (readonly [what: string, value: string])[];
  readonly packages: readonly (readonly [name: string, version: string])[];
  readonly settings: readonly (readonly [key: string, value: string])[];
  readonly checkpoints: readonly {
    readonly step: number;
    readonly bytes: number;
    readonly isNewest: boolean;
    readonly isBest: boolean;
  }[];
  readonly pictures: readonly FileRow[];
  readonly recordings: readonly FileRow[];
  readonly hasReport: boolean;
}
