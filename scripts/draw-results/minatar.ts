// The runs of examples/minatar-sweep.yaml: a curve for each game, and a table of scores with intervals.
import { readFile } from 'node:fs/promises';
import {
  bootstrapInterval,
  interquartileMean,
  probabilityOfImprovement,
  type Scores,
} from '../../src/comparison/index.ts';
import { estimateText } from '../../src/comparison/tables.ts';
import { Generator } from '../../src/random/index.ts';
import type { Series } from '../../src/report/line-chart.ts';

const DATA = 'docs/results/minatar/scores.json';

interface Run {
  readonly game: string;
  readonly normalization: string;
  readonly weightProjection: string;
  readonly layerNorm: string;
  readonly seed: number;
  /** Mean return of the episodes that ended in the last tenth of the run. */
  readonly score: number;
  readonly minutes: number;
  /** The layers at the end of the run: means over units of the length of v or the plain kernel, and of g^2/||v||^2. */
  readonly layers: Readonly<Record<string, { readonly length: number; readonly rateFactor?: number }>>;
  /** Mean returns of the episodes that ended since the step before; null where none did. */
  readonly curve: readonly (number | null)[];
}

interface MinAtarResults {
  /** Agent steps of the points of all curves. */
  readonly steps: readonly number[];
  readonly runs: readonly Run[];
}

/** What sets the arms apart, in the order of the table. */
const ARMS: Readonly<Record<string, Partial<Run>>> = {
  none: { normalization: 'none', layerNorm: 'none' },
  weight: { normalization: 'weight', weightProjection: 'none', layerNorm: 'none' },
  'weight, projected': { normalization: 'weight', weightProjection: 'direction' },
  layer: { normalization: 'none', layerNorm: 'all' },
  'layer + weight': { normalization: 'weight', layerNorm: 'all' },
};

const isOf = (run: Run, arm: Partial<Run>) =>
  Object.entries(arm).every(([key, value]) => run[key as keyof Run] === value);

export async function readMinAtar(): Promise<MinAtarResults> {
  return JSON.parse(await readFile(DATA, 'utf8'));
}

export const gamesOf = ({ runs }: MinAtarResults) => [...new Set(runs.map(({ game }) => game))];

/** A line for each arm: the mean of its seeds, from the lowest to the highest. */
export function curvesOf({ steps, runs }: MinAtarResults, game: string): Series[] {
  return Object.entries(ARMS).map(([name, arm]) => {
    const curves = runs.filter((run) => run.game === game && isOf(run, arm)).map(({ curve }) => curve);
    const points = steps.flatMap((step, i) => {
      const values = curves.flatMap((curve) => curve[i] ?? []);
      if (values.length === 0) return [];
      return [{ x: step / 1000, y: mean(values), low: Math.min(...values), high: Math.max(...values) }];
    });
    return { name, points };
  });
}

/** The table in Markdown: mean and range of each game, and the interquartile mean over all with its interval. */
export function minAtarTable(results: MinAtarResults): string[] {
  const games = gamesOf(results);
  const interval = { random: new Generator(1, 'bootstrap') };
  const normalize = normalizerOf(results);
  const scoresOf = (arm: Partial<Run>) =>
    games.map((game) => results.runs.filter((run) => run.game === game && isOf(run, arm)).map(({ score }) => score));
  const normalized = (arm: Partial<Run>): Scores =>
    scoresOf(arm).map((scores, i) => scores.map((score) => normalize(games[i], score)));
  const estimate = (value: number, [low, high]: readonly [number, number]) => estimateText({ value, low, high });
  const plain = normalized(ARMS.none);
  const rows = Object.entries(ARMS).map(([name, arm]) => {
    const scores = normalized(arm);
    const pair = [scores, plain] as const;
    return [
      name,
      ...scoresOf(arm).map(meanAndRange),
      estimate(interquartileMean(scores), bootstrapInterval([scores], interquartileMean, interval)),
      name === 'none'
        ? ''
        : estimate(probabilityOfImprovement(...pair), bootstrapInterval(pair, probabilityOfImprovement, interval)),
    ];
  });
  const heading = ['', ...games, 'interquartile mean', 'P(better than none)'];
  return markdown([heading, ...rows]);
}

/** The same for the layers of the networks at the end, over all games and seeds. */
export function layersTable({ runs }: MinAtarResults): string[] {
  const layers = Object.keys(runs[0].layers);
  const spread = (values: readonly (number | undefined)[]) =>
    values.includes(undefined) ? '' : meanAndRange(values as readonly number[]);
  const rows = Object.entries(ARMS).map(([name, arm]) => {
    const own = runs.filter((run) => isOf(run, arm)).map((run) => run.layers);
    return [
      name,
      ...layers.map((layer) => spread(own.map((networks) => networks[layer].length))),
      ...layers.map((layer) => spread(own.map((networks) => networks[layer].rateFactor))),
    ];
  });
  const heading = [
    '',
    ...layers.map((layer) => `length, ${layer}`),
    ...layers.map((layer) => `g^2/length^2, ${layer}`),
  ];
  return markdown([heading, ...rows]);
}

function markdown([heading, ...rows]: readonly (readonly string[])[]): string[] {
  return [heading, heading.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`);
}

const meanAndRange = (values: readonly number[]) =>
  `${round(mean(values))} (${round(Math.min(...values))} to ${round(Math.max(...values))})`;

/** 0 is the lowest and 1 the highest point of a game's curves and scores, since games have units of their own. */
function normalizerOf({ runs }: MinAtarResults): (game: string, score: number) => number {
  return (game, score) => {
    const values = runs
      .filter((run) => run.game === game)
      .flatMap((run) => [run.score, ...run.curve.filter((value) => value !== null)]);
    const low = Math.min(...values);
    return (score - low) / (Math.max(...values) - low);
  };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

const round = (value: number) => String(Number(value.toPrecision(3)));
