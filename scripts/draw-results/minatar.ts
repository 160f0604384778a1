// The runs of examples/minatar-*sweep.yaml: a curve for each game, and a table of scores with intervals.
import {
  bootstrapInterval,
  interquartileMean,
  probabilityOfImprovement,
  type Scores as ScoresOfGames,
} from '../../src/comparison/index.ts';
import { estimateText } from '../../src/comparison/tables.ts';
import { Generator } from '../../src/random/index.ts';
import { mean } from '../../src/report/statistics.ts';
import { type Arms, gamesOf, isOf, type Layer, markdown, type Run, type Scores } from './scores.ts';

/** What sets the arms apart, in the order of the table. */
const ARMS: Arms = {
  none: { normalization: 'none', layerNorm: 'none' },
  weight: { normalization: 'weight', weightProjection: 'none', layerNorm: 'none' },
  'weight, projected': { normalization: 'weight', weightProjection: 'direction' },
  layer: { normalization: 'none', layerNorm: 'all' },
  'layer + weight': { normalization: 'weight', layerNorm: 'all' },
};

/** The agents by their folders in docs/results, with the arms that were run. */
export const MINATAR: Readonly<Record<string, { agent: string; arms: Arms }>> = {
  minatar: { agent: 'DQN', arms: ARMS },
  'minatar-qr-dqn': {
    agent: 'QR-DQN',
    arms: {
      none: { ...ARMS.none, learningRate: 0.00025 },
      'none, 2x rate': { ...ARMS.none, learningRate: 0.0005 },
      weight: ARMS.weight,
      'weight, projected': ARMS['weight, projected'],
      layer: ARMS.layer,
      'layer + weight': ARMS['layer + weight'],
    },
  },
  'minatar-qr-dqn-1m': { agent: 'QR-DQN', arms: { none: ARMS.none, weight: ARMS.weight, layer: ARMS.layer } },
};

/** A game as it is written: 'Space Invaders' for 'SpaceInvaders'. */
export const nameOf = (game: string) => game.replace(/(?<=[a-z])(?=[A-Z])/g, ' ');

/** The table in Markdown: mean and range of each game, and the interquartile mean over all with its interval. */
export function minAtarTable(results: Scores, arms: Arms): string[] {
  const games = gamesOf(results);
  const interval = { random: new Generator(1, 'bootstrap') };
  const normalizers = games.map((game) => normalizerOf(results, game));
  const scoresOf = (arm: Partial<Run>) =>
    games.map((game) => results.runs.filter((run) => run.game === game && isOf(run, arm)).map(({ score }) => score));
  const normalized = (arm: Partial<Run>): ScoresOfGames => scoresOf(arm).map((scores, i) => scores.map(normalizers[i]));
  const estimate = (value: number, [low, high]: readonly [number, number]) => estimateText({ value, low, high });
  const plain = normalized(arms.none);
  const rows = Object.entries(arms).map(([name, arm]) => {
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
  const heading = ['', ...games.map(nameOf), 'interquartile mean', 'P(better than none)'];
  return markdown([heading, ...rows]);
}

/** What is said of layers, in the order of the columns. */
const OF_LAYERS = {
  length: 'length',
  rateFactor: 'g^2/length^2',
  dormantShare: 'dormant share',
  featureRank: 'feature rank',
} satisfies Record<keyof Layer, string>;

/** The same for the layers of the networks at the end, over all games and seeds; without what no run tells of. */
export function layersTable({ runs }: Scores, arms: Arms): string[] {
  const columns = Object.entries(OF_LAYERS).flatMap(([key, words]) =>
    Object.keys(runs[0].layers).map((layer) => ({
      heading: `${words}, ${layer}`,
      values: (of: readonly Run[]) => of.flatMap(({ layers }) => layers[layer]?.[key as keyof Layer] ?? []),
    })),
  );
  const told = columns.filter(({ values }) => values(runs).length > 0);
  const rows = Object.entries(arms).map(([name, arm]) => {
    const own = runs.filter((run) => isOf(run, arm));
    return [
      name,
      ...told.map(({ values }) => {
        const found = values(own);
        return found.length === 0 ? '' : meanAndRange(found);
      }),
    ];
  });
  return markdown([['', ...told.map(({ heading }) => heading)], ...rows]);
}

const meanAndRange = (values: readonly number[]) =>
  `${round(mean(values))} (${round(Math.min(...values))} to ${round(Math.max(...values))})`;

/** 0 is the lowest and 1 the highest point of a game's curves and scores, since games have units of their own. */
function normalizerOf({ runs }: Scores, game: string): (score: number) => number {
  const values = runs
    .filter((run) => run.game === game)
    .flatMap((run) => [run.score, ...run.curve.filter((value) => value !== null)]);
  const low = Math.min(...values);
  const high = Math.max(...values);
  return (score) => (score - low) / (high - low);
}

const round = (value: number) => String(Number(value.toPrecision(3)));
