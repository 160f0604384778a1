import type { Job } from '../../src/jobs/index.ts';
import type { Table } from '../../src/report/html.ts';

export const BUDGETS = ['quick', 'hours', 'full'] as const;
export type Budget = (typeof BUDGETS)[number];

/** What the command line chose. */
export interface Choice {
  budget: Budget;
  /** Runs of each setting; undefined: as the budget says. */
  seeds: number | undefined;
  dataDir: string;
  /** Everything of this budget lies below: `runs` and the reports. */
  folder: string;
  runsPath: string;
}

/** A figure or table of the paper. */
export interface Part {
  name: string;
  title: string;
  /** What the paper says, and where. */
  claim: string;
  /** Whether the part is left out where the data folder has no CIFAR-10. */
  needsCifar10: boolean;
  /** The budgets with which the part can be made. */
  budgets: readonly Budget[];
  jobs(choice: Choice): Job[];
  /**
   * Works the results out from the jobs that are finished, whichever they are; `undefined` where they are too few to
   * say anything.
   */
  results(choice: Choice, finished: ReadonlySet<string>): Promise<PartResults | undefined>;
}

export interface PartResults {
  /** What was found, a sentence each. */
  found: string[];
  /** An SVG document. */
  figure?: string;
  captions: string[];
  tables: Table[];
  /** Every number, for --json. */
  numbers: object;
  /** Training runs, whose settings the report compares with the paper's. */
  runs: string[];
  seeds: readonly number[];
  /** What the runs took, all together. */
  seconds: number;
}

/** 1, 2, ... up to the count that was asked for, or else the budget's. */
export function seedsOf({ seeds }: Choice, budgeted: number): number[] {
  return Array.from({ length: seeds ?? budgeted }, (_, i) => i + 1);
}
