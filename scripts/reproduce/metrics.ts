import { join } from 'node:path';
import type { Point } from '../../src/report/line-chart.ts';
import { summarize } from '../../src/report/statistics.ts';
import { readEvents } from '../../src/runs/events.ts';

/** The mean results of an epoch, and what was found on the test set after it, by the names of the task. */
export type Epoch = Readonly<Record<string, number>> & { readonly epoch: number };

/** The epochs of a run; none where there is no file yet. @throws DamagedFileError naming the line. */
export async function readEpochs(path: string): Promise<Epoch[]> {
  const epochs = new Map<number, Record<string, number>>();
  for (const { kind, position, numbers } of await readEvents(path)) {
    if (kind !== 'epoch' && kind !== 'evaluation') continue;
    epochs.set(numbers.epoch, { ...epochs.get(numbers.epoch), updates: position, ...numbers });
  }
  return [...epochs.values()] as Epoch[];
}

/** Seconds that a run trained, over all its starts. */
export async function wallSecondsOf(runDir: string): Promise<number> {
  const events = await readEvents(join(runDir, 'metrics.jsonl'));
  return events.findLast(({ wallSeconds }) => wallSeconds !== undefined)?.wallSeconds ?? 0;
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
