import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DamagedFileError } from '../../src/files/errors.ts';
import type { Point } from '../../src/report/line-chart.ts';
import { summarize } from '../benchmark/statistics.ts';

/** The mean results of an epoch, by the names that `train-supervised` gives them. */
export type Epoch = Readonly<Record<string, number>> & { readonly epoch: number };

/** The epochs of a run; none where there is no file yet. @throws DamagedFileError naming the line. */
export function readEpochs(path: string): Epoch[] {
  return readLines(path).filter(({ event }) => event === 'epoch') as unknown as Epoch[];
}

/** Seconds that a run trained, over all its starts. */
export function wallSecondsOf(runDir: string): number {
  return (readLines(join(runDir, 'metrics.jsonl')).findLast(({ wallSeconds }) => wallSeconds !== undefined)
    ?.wallSeconds ?? 0) as number;
}

function readLines(path: string): Record<string, unknown>[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  // A killed process may have left half a line; its run goes on from before it.
  lines.pop();
  return lines.map((line, i) => {
    try {
      return JSON.parse(line);
    } catch (error) {
      throw new DamagedFileError(path, `line ${i + 1} is not JSON (${(error as Error).message})`);
    }
  });
}

/** Median, lowest and highest of several seeds. */
export interface Spread {
  median: number;
  min: number;
  max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const { median, min, max } = summarize(values);
  return { median, min, max };
}

/** One value over the epochs: the seeds' median, and a band from the lowest to the highest where there are several. */
export function curveOf(runs: readonly (readonly Epoch[])[], key: string, factor = 1): Point[] {
  const epochs = [...new Set(runs.flatMap((run) => run.filter((row) => key in row).map(({ epoch }) => epoch)))];
  return epochs
    .sort((a, b) => a - b)
    .map((epoch) => {
      const rows = runs.flatMap((run) => run.filter((row) => row.epoch === epoch && key in row));
      const { median, min, max } = spreadOf(rows.map((row) => row[key] * factor));
      return { x: epoch, y: median, ...(runs.length > 1 && { low: min, high: max }) };
    });
}

/** The last value of each run. */
export function lastValues(runs: readonly (readonly Epoch[])[], key: string): number[] {
  return runs.flatMap((run) => run.findLast((row) => key in row)?.[key] ?? []);
}
