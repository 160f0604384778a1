// The runs of `reproduce table-dqn --budget hours`: a curve for each game, and a table of evaluations.
import { readFile } from 'node:fs/promises';
import { publishedCurves } from '../../src/comparison/published-curves.ts';
import type { Series } from '../../src/report/line-chart.ts';
import { ARMS as ARMS_OF_TABLE, type Arm, GAMES } from '../reproduce/parts/dqn-runs.ts';
import { type Arms, curvesOf, markdown, type Scores } from './scores.ts';

const DATA = 'docs/results/table-dqn/evaluations.json';
const PUBLISHED = ['Dop. DQN', 'Dop. QR-DQN'];

const ARMS: Arms = {
  normal: ARMS_OF_TABLE.none.settings,
  'weight norm': ARMS_OF_TABLE.weight.settings,
  'data-dep. init': ARMS_OF_TABLE['weight-data'].settings,
};

/** What `reproduce table-dqn --json` says of a run: the mean and the best return at each checkpoint. */
interface Evaluations {
  readonly checkpoints: readonly number[];
  readonly runs: readonly { game: string; arm: Arm; seed: number; means: number[]; maxima: number[] }[];
}

/** Training scores of the arms, and published ones in grey, up to where the runs ended. */
export function tableCurves(scores: Scores, game: string): Series[] {
  const last = scores.steps.at(-1)!;
  const published = publishedCurves(game.replace('-', '_')).filter(({ name }) => PUBLISHED.includes(name));
  return [
    ...curvesOf(scores, game, ARMS),
    ...published.map(({ name, points }, i) => ({
      name,
      colour: ['#9a9a9a', '#c4c4c4'][i],
      points: points.filter(({ step }) => step <= last).map(({ step, mean }) => ({ x: step / 1000, y: mean })),
    })),
  ];
}

/** The table in Markdown: evaluated means at each checkpoint, beside what was published. */
export async function evaluationsTable(): Promise<string[]> {
  const { checkpoints, runs }: Evaluations = JSON.parse(await readFile(DATA, 'utf8'));
  const rows = runs.map(({ game, arm, seed, means, maxima }) => {
    const { name, paper, mnih } = GAMES[game];
    const { title, settings } = ARMS_OF_TABLE[arm];
    return [
      `${name}, ${title}, seed ${seed}`,
      ...means.map((value) => value.toFixed(1)),
      String(Math.max(...maxima)),
      `${paper[settings.normalization]}${arm === 'none' ? `; ${mnih}` : ''}`,
    ];
  });
  const heading = ['', ...checkpoints.map((step) => step.toLocaleString('en')), 'best episode', 'paper; Mnih et al.'];
  return markdown([heading, ...rows]);
}
