// The runs of `reproduce table-dqn --budget hours`: a curve for each game, and a table of evaluations.
import { readFile } from 'node:fs/promises';
import type { Series } from '../../src/report/line-chart.ts';
import { ARMS as ARMS_OF_TABLE, type Arm, GAMES } from '../reproduce/parts/dqn-runs.ts';
import { type Arms, curvesOf, hasSeeds, markdown, publishedSeries, type Scores } from './scores.ts';

const DATA = 'docs/results/table-dqn/evaluations.json';

const ARMS: Arms = {
  normal: ARMS_OF_TABLE.none.settings,
  'weight norm': ARMS_OF_TABLE.weight.settings,
  'data-dep. init': ARMS_OF_TABLE['weight-data'].settings,
};

/** What `reproduce table-dqn --json` has of each run in `numbers`: its returns at each checkpoint. */
interface Evaluated extends Record<'checkpoints' | 'means' | 'minima' | 'maxima', readonly number[]> {
  readonly game: string;
  readonly arm: Arm;
  readonly seed: number;
}

/** Training scores of the arms, and published ones in grey, up to where the runs ended. */
export function tableCurves(scores: Scores, game: string): Series[] {
  return [
    ...curvesOf(scores, game, ARMS).filter(({ points }) => points.length > 0),
    ...publishedSeries(game, scores.steps.at(-1)!),
  ];
}

/** The table in Markdown: evaluated means at each checkpoint, beside what was published. */
export async function evaluationsTable(): Promise<string[]> {
  const runs: Evaluated[] = JSON.parse(await readFile(DATA, 'utf8'));
  const steps = [...new Set(runs.flatMap(({ checkpoints }) => checkpoints))].sort((a, b) => a - b);
  const rows = Object.entries(GAMES).flatMap(([game, { name, paper }]) => {
    const own = runs.filter((run) => run.game === game);
    const several = hasSeeds(own);
    return own.map(({ arm, seed, checkpoints, means, minima, maxima }) => [
      `${name}, ${ARMS_OF_TABLE[arm].title}${several ? `, seed ${seed}` : ''}`,
      ...steps.map((step) => {
        const i = checkpoints.indexOf(step);
        return i === -1 ? '' : `${means[i]} (${minima[i]} to ${maxima[i]})`;
      }),
      String(paper[ARMS_OF_TABLE[arm].settings.normalization]),
    ]);
  });
  const heading = ['', ...steps.map((step) => step.toLocaleString('en')), 'paper, maximum'];
  return markdown([heading, ...rows]);
}
