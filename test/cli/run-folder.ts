// What tests read from the folder of a run.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Lines of a run's metrics; none before there are any. */
export function metricsOf(runDir: string): Record<string, number>[] {
  const path = join(runDir, 'metrics.jsonl');
  if (!existsSync(path)) return [];
  const whole = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return whole.map((line) => JSON.parse(line));
}

const OF_CLOCK_AND_PROCESS = ['wallSeconds', 'stepsPerSecond', 'rssBytes'];

/** The lines of a run's metrics without what depends on the clock and the process, and without what else is named. */
export function numbersOf(runDir: string, ...without: string[]): Record<string, unknown>[] {
  const lines = metricsOf(runDir);
  if (lines.length === 0) throw new Error(`${runDir} has no metrics`);
  const left = [...OF_CLOCK_AND_PROCESS, ...without];
  return lines.map((line) => Object.fromEntries(Object.entries(line).filter(([key]) => !left.includes(key))));
}

/** The steps or updates of a run's checkpoints, in their order. */
export function checkpointsOf(runDir: string): number[] {
  const path = join(runDir, 'checkpoints');
  return existsSync(path)
    ? readdirSync(path)
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
        .sort((a, b) => a - b)
    : [];
}
