// What the parts that train with train-supervised share.
import { join } from 'node:path';
import type { Settings, TrainingJob } from '../../src/jobs/index.ts';
import { type Epoch, readEpochs, spreadOf, wallSecondsOf } from './metrics.ts';
import { type Budget, type Choice, seedsOf } from './part.ts';

/** What a run costs. */
export interface Size {
  recipe: string;
  settings: Settings;
  /** Runs of each normalisation. */
  seeds: number;
}

export interface Experiment {
  task: string;
  /** The normalisations that are compared, out of the five that the task knows. */
  normalizations: readonly string[];
  sizes: Readonly<Partial<Record<Budget, Size>>>;
}

export function supervisedJobs({ task, normalizations, sizes }: Experiment, choice: Choice): TrainingJob[] {
  const { recipe, settings, seeds } = sizes[choice.budget]!;
  return seedsOf(choice, seeds).flatMap((seed) =>
    normalizations.map((normalization) => ({
      kind: 'training' as const,
      name: runName(task, normalization, seed),
      command: 'train-supervised' as const,
      base: { task, recipe },
      settings: { normalization, seed, ...(task.endsWith('cifar10') && { dataDir: choice.dataDir }), ...settings },
    })),
  );
}

export interface FinishedRuns {
  /** The runs of each normalisation that has some, in the experiment's order. */
  byArm: ReadonlyMap<string, Epoch[][]>;
  names: string[];
  seeds: number[];
  /** What all these runs took. */
  seconds: number;
}

export async function finishedRuns(
  { task, normalizations, sizes }: Experiment,
  choice: Choice,
  finished: ReadonlySet<string>,
): Promise<FinishedRuns> {
  const seeds = seedsOf(choice, sizes[choice.budget]!.seeds);
  const byArm = new Map<string, Epoch[][]>();
  const names: string[] = [];
  for (const normalization of normalizations) {
    const own = seeds.map((seed) => runName(task, normalization, seed)).filter((name) => finished.has(name));
    names.push(...own);
    if (own.length === 0) continue;
    const runs = await Promise.all(own.map((name) => readEpochs(join(choice.runsPath, name, 'metrics.jsonl'))));
    byArm.set(normalization, runs);
  }
  const times = await Promise.all(names.map((name) => wallSecondsOf(join(choice.runsPath, name))));
  const seconds = times.reduce((sum, time) => sum + time, 0);
  return { byArm, names, seeds, seconds };
}

function runName(task: string, normalization: string, seed: number): string {
  return `${task}-${normalization}-seed${seed}`;
}

/** "12.3 (11.9 to 12.7)": the median of the seeds, and their range where there are several. */
export function spreadText(values: readonly number[], show: (value: number) => string): string {
  if (values.length === 0) return '-';
  const { median, min, max } = spreadOf(values);
  return values.length === 1 ? show(median) : `${show(median)} (${show(min)} to ${show(max)})`;
}
