// Curves and scores of many runs in one file, as `harvest-runs --curves` writes it.
import { readFile } from 'node:fs/promises';
import { publishedCurves } from '../../src/comparison/published-curves.ts';
import type { Series } from '../../src/report/line-chart.ts';
import { mean } from '../../src/report/statistics.ts';

/** What the network of a run had become; means over the units of a layer. */
export interface Layer {
  /** The length of v, or of the plain kernel. */
  readonly length: number;
  /** g^2/||v||^2, with weight norm. */
  readonly rateFactor?: number | undefined;
  /** The share of units of a ReLU that hardly do anything. */
  readonly dormantShare?: number | undefined;
  /** In how many directions the features of a dense layer spread. */
  readonly featureRank?: number | undefined;
}

export interface Run {
  readonly game: string;
  readonly normalization: string;
  readonly initialization?: string;
  readonly weightProjection?: string;
  readonly layerNorm?: string;
  readonly learningRate?: number;
  readonly seed: number;
  /** Mean return of the episodes that ended in the last tenth of the run. */
  readonly score: number;
  readonly minutes: number;
  /** The layers at the last look at the weights. */
  readonly layers: Readonly<Record<string, Layer>>;
  /** Mean returns of the episodes that ended since the step before; null where none did. */
  readonly curve: readonly (number | null)[];
}

/** What sets arms apart, by their names in a legend, in the order of a table. */
export type Arms = Readonly<Record<string, Partial<Run>>>;

export interface Scores {
  /** Agent steps of the points of all curves. */
  readonly steps: readonly number[];
  readonly runs: readonly Run[];
}

export async function readScores(name: string): Promise<Scores> {
  return JSON.parse(await readFile(`docs/results/${name}/scores.json`, 'utf8'));
}

export const gamesOf = ({ runs }: Scores) => [...new Set(runs.map(({ game }) => game))];

/** Whether there are runs of several seeds. */
export const hasSeeds = (runs: readonly { seed: number }[]) => runs.some(({ seed }) => seed !== runs[0].seed);

/** Whether a run is of an arm; a setting that does not differ between the runs of a file is not in it. */
export const isOf = (run: Run, arm: Partial<Run>) =>
  Object.entries(arm).every(([key, value]) => (run[key as keyof Run] ?? value) === value);

/** A line for each arm: the mean of its seeds, from the lowest to the highest where there are several. */
export function curvesOf({ steps, runs }: Scores, game: string, arms: Arms): Series[] {
  return Object.entries(arms).map(([name, arm]) => {
    const curves = runs.filter((run) => run.game === game && isOf(run, arm)).map(({ curve }) => curve);
    const points = steps.flatMap((step, i) => {
      const values = curves.flatMap((curve) => curve[i] ?? []);
      if (values.length === 0) return [];
      const band = curves.length > 1 && { low: Math.min(...values), high: Math.max(...values) };
      return [{ x: step / 1000, y: mean(values), ...band }];
    });
    return { name, points };
  });
}

/** Two curves that Dopamine published, in grey, up to an agent step. */
export function publishedSeries(game: string, lastStep: number): Series[] {
  return publishedCurves(game)
    .filter(({ name }) => name === 'Dop. DQN' || name === 'Dop. QR-DQN')
    .map(({ name, points }, i) => ({
      name,
      colour: ['#9a9a9a', '#c4c4c4'][i],
      points: points.filter(({ step }) => step <= lastStep).map(({ step, mean }) => ({ x: step / 1000, y: mean })),
    }));
}

/** Rows of a table in Markdown, the heading first. */
export function markdown([heading, ...rows]: readonly (readonly string[])[]): string[] {
  return [heading, heading.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`);
}
