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

/** The lines of a run's metrics without what depends on the clock, the process and its faults. */
export function numbersOf(runDir: string): Record<string, unknown>[] {
  const lines = metricsOf(runDir);
  if (lines.length === 0) throw new Error(`${runDir} has no metrics`);
  return lines.map(
    ({ wallSeconds, stepsPerSecond, examplesPerSecond, rssBytes, numTensors, sidecarRestarts, ...rest }) => rest,
  );
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
