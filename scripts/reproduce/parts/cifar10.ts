// The arms that figure 1 and table 1 share, and their runs.
import type { Epoch } from '../metrics.ts';
import { BUDGETS, type Part, type PartResults } from '../part.ts';
import { type Experiment, finishedRuns, supervisedJobs } from '../supervised.ts';

export interface Arm {
  name: string;
  /** Training error read off figure 1, %, by epoch. */
  figure?: Readonly<Record<number, number>>;
  /** Test error of table 1, %. */
  testError: number;
}

export const ARMS: Readonly<Record<string, Arm>> = {
  none: { name: 'normal', figure: { 30: 7.1, 50: 4.6, 100: 3.0 }, testError: 8.43 },
  weight: { name: 'WN', figure: { 30: 6.1, 50: 3.3, 100: 1.5 }, testError: 8.46 },
  batch: { name: 'BN', figure: { 30: 5.2, 50: 3.0, 100: 1.4 }, testError: 8.05 },
  'weight+mean-only-batch': { name: 'WN + MOBN', figure: { 30: 6.3, 50: 3.5, 100: 1.7 }, testError: 7.31 },
  'mean-only-batch': { name: 'MOBN', testError: 8.52 },
};
export const FIGURE_ARMS = Object.keys(ARMS).filter((arm) => ARMS[arm].figure !== undefined);

const sizes: Experiment['sizes'] = {
  quick: {
    recipe: 'paper',
    seeds: 1,
    settings: { widthMultiplier: 0.1, epochs: 4, trainExamples: 2500, testExamples: 1000, evaluationPeriodEpochs: 100 },
  },
  hours: {
    recipe: 'paper',
    seeds: 3,
    settings: { widthMultiplier: 0.25, epochs: 25, trainExamples: 5000, evaluationPeriodEpochs: 10 },
  },
  full: { recipe: 'paper', seeds: 1, settings: { evaluationPeriodEpochs: 10 } },
};

export type Runs = ReadonlyMap<string, Epoch[][]>;
export type Told = Omit<PartResults, 'runs' | 'seeds' | 'seconds'>;

/** A part that tells what it sees in the runs of some arms. */
export function cifar10Part(
  about: Pick<Part, 'name' | 'title' | 'claim'>,
  normalizations: readonly string[],
  tell: (byArm: Runs) => Told,
): Part {
  const experiment: Experiment = { task: 'cifar10', normalizations, sizes };
  return {
    ...about,
    needsCifar10: true,
    budgets: BUDGETS,
    jobs: (choice) => supervisedJobs(experiment, choice),
    async results(choice, finished) {
      const { byArm, names, seeds, seconds } = await finishedRuns(experiment, choice, finished);
      return byArm.size === 0 ? undefined : { ...tell(byArm), runs: names, seeds, seconds };
    },
  };
}

export function percent(value: number): string {
  return `${value.toFixed(2)} %`;
}
