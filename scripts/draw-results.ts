import { join } from 'node:path';
import { newCommand, runCommand, say } from '../src/cli/index.ts';
import { publishedCurves } from '../src/comparison/published-curves.ts';
import { replaceFileWith } from '../src/files/atomic.ts';
import { lineChart, type Point } from '../src/report/line-chart.ts';
import { readEvents } from '../src/runs/index.ts';
import { trainingScore } from '../src/runs/training-score.ts';

/** Runs in docs/results by their folders, in the order of the legend. */
const ENDURO: Readonly<Record<string, string>> = {
  'enduro-p8-seed1': 'fast',
  'enduro-lr25-seed1': '2x updates',
  'enduro-nips-seed1': '2x, rate 1e-4',
  'enduro-fast-seed1': 'Nature network',
  'enduro-nips-c51-seed1': 'C51',
};

/** Training scores are means of so many episodes. */
const EPISODES = 8;

/** The mean score of the newest episodes, wherever some ended. */
async function trainingScores(folder: string): Promise<Point[]> {
  const returns: number[] = [];
  const means = new Map<number, number>();
  for (const event of await readEvents(join('docs/results', folder, 'metrics.jsonl'))) {
    if (event.kind !== 'episode') continue;
    returns.push(event.numbers.episodeReturn);
    means.set(event.position / 1000, trainingScore(returns, EPISODES)!.mean);
  }
  return [...means].map(([x, y]) => ({ x, y }));
}

const command = newCommand('draw-results', 'Draws the pictures of docs/results.md from the data in docs/results.');

command.action(async () => {
  const ours = Object.entries(ENDURO).map(async ([folder, name]) => ({ name, points: await trainingScores(folder) }));
  const published = publishedCurves('enduro')
    .filter(({ name }) => name === 'Dop. DQN' || name === 'Dop. QR-DQN')
    .map(({ name, points }, i) => ({
      name,
      colour: ['#9a9a9a', '#c4c4c4'][i],
      points: points.filter(({ step }) => step <= 500_000).map(({ step, mean }) => ({ x: step / 1000, y: mean })),
    }));
  const picture = lineChart({
    title: `Enduro: training score, mean of ${EPISODES} episodes (seed 1)`,
    description: 'Scores of five runs of this project over agent steps, and two published curves of Dopamine in grey.',
    x: { label: 'thousand agent steps (4 frames each)' },
    y: { label: 'score' },
    series: [...(await Promise.all(ours)), ...published],
    width: 760,
    height: 380,
  });
  const path = 'docs/images/enduro-learning.svg';
  await replaceFileWith(path, async (handle) => {
    await handle.writeFile(picture);
  });
  say(`drew ${path}`);
});

await runCommand(command);
