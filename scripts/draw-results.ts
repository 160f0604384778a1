import { join } from 'node:path';
import { newCommand, runCommand, say, writeResult } from '../src/cli/index.ts';
import { replaceFileWith } from '../src/files/atomic.ts';
import { lineChart, type Point, type Series } from '../src/report/line-chart.ts';
import { readEvents } from '../src/runs/index.ts';
import { trainingScore } from '../src/runs/training-score.ts';
import { layersTable, MINATAR, minAtarTable, nameOf } from './draw-results/minatar.ts';
import { curvesOf, gamesOf, hasSeeds, publishedSeries, readScores } from './draw-results/scores.ts';
import { evaluationsTable, tableCurves } from './draw-results/table-dqn.ts';
import { GAMES } from './reproduce/parts/dqn-runs.ts';

/** Names of series by their folders in docs/results, in the order of the legend. */
type Runs = Readonly<Record<string, string>>;

const DEFAULT_SETTINGS: Runs = {
  'enduro-linear2m-seed1': 'seed 1',
  'enduro-linear2m-seed2': 'seed 2',
  'enduro-linear2m-seed3': 'seed 3',
};

const CONSTANT_RATE: Runs = {
  'enduro-p8-seed1': '2 cores, seed 1',
  'enduro-p8-seed2': '2 cores, seed 2',
  'enduro-h200-seed1': 'H200, seed 1',
  'enduro-h200-seed2': 'H200, seed 2',
  'enduro-h200-seed3': 'H200, seed 3',
};

const LONG: Runs = {
  'enduro-long-seed1': 'seed 1',
  'enduro-long-seed3': 'seed 3',
  'enduro-annealed-seed1': 'seed 1, rate to 0',
  'enduro-annealed-seed3': 'seed 3, rate to 0',
};

const TRIED: Runs = {
  'enduro-p8-seed1': 'fast',
  'enduro-lr25-seed1': '2x updates',
  'enduro-nips-seed1': '2x, rate 1e-4',
  'enduro-fast-seed1': 'Nature network',
  'enduro-nips-c51-seed1': 'C51',
};

const PONG_AND_BREAKOUT: Runs = {
  'pong-1m-seed1': 'Pong, seed 1',
  'pong-1m-seed2': 'Pong, seed 2',
  'pong-1m-seed3': 'Pong, seed 3',
  'pong-1m-alone-seed1': 'Pong, alone',
  'breakout-n10-seed1': 'Breakout',
};

/** The kernels of the network whose lengths are drawn. */
const KERNELS = ['conv1', 'conv2', 'dense1', 'q'];

/** Training scores are means of so many episodes; those of long runs of more. */
const EPISODES = 8;
const LONG_EPISODES = 30;

const events = (folder: string) => readEvents(join('docs/results', folder, 'metrics.jsonl'));

/** The mean score of the newest episodes, wherever some ended. */
async function trainingScores(folder: string, episodes: number): Promise<Point[]> {
  const returns: number[] = [];
  const means = new Map<number, number>();
  for (const event of await events(folder)) {
    if (event.kind !== 'episode') continue;
    returns.push(event.numbers.episodeReturn);
    means.set(event.position / 1000, trainingScore(returns, episodes)!.mean);
  }
  return [...means].map(([x, y]) => ({ x, y }));
}

const scoresOf = (runs: Runs, episodes = EPISODES): Promise<Series[]> =>
  Promise.all(
    Object.entries(runs).map(async ([folder, name]) => ({ name, points: await trainingScores(folder, episodes) })),
  );

/** A number of the diagnostics of each kernel over the run, as a multiple of the first one. */
async function growth(folder: string, quantity: string): Promise<Series[]> {
  const looks = (await events(folder)).flatMap((event) => (event.kind === 'diagnostics' ? [event] : []));
  return KERNELS.map((name) => {
    const values = looks.map(({ numbers }) => numbers[`${name}/kernel/${quantity}`]!);
    return { name, points: looks.map(({ position }, i) => ({ x: position / 1000, y: values[i]! / values[0]! })) };
  });
}

const STEPS = 'thousand agent steps (4 frames each)';

async function draw(name: string, options: Parameters<typeof lineChart>[0]): Promise<void> {
  const path = `docs/images/${name}.svg`;
  await replaceFileWith(path, async (handle) => {
    await handle.writeFile(lineChart({ width: 760, height: 380, ...options }));
  });
  say(`drew ${path}`);
}

const command = newCommand('draw-results', 'Draws the pictures of docs/results.md from the data in docs/results.');

command.action(async () => {
  const score = { x: { label: STEPS }, y: { label: 'score' } };
  await draw('enduro-learning', {
    title: `Enduro with the default settings: training score, mean of ${LONG_EPISODES} episodes`,
    description: 'Scores of three runs over agent steps, and two published curves of Dopamine in grey.',
    ...score,
    series: [...(await scoresOf(DEFAULT_SETTINGS, LONG_EPISODES)), ...publishedSeries('enduro', 2_000_000)],
  });
  await draw('enduro-constant', {
    title: `Enduro at a constant rate: training score, mean of ${EPISODES} episodes`,
    description: 'Scores of runs of this project over agent steps, and two published curves of Dopamine in grey.',
    ...score,
    series: [...(await scoresOf(CONSTANT_RATE)), ...publishedSeries('enduro', 600_000)],
  });
  await draw('enduro-long', {
    title: `Enduro, long runs: training score, mean of ${LONG_EPISODES} episodes`,
    description: 'Scores of two runs of this project, how they went on, and two published curves of Dopamine in grey.',
    ...score,
    series: [...(await scoresOf(LONG, LONG_EPISODES)), ...publishedSeries('enduro', 2_375_000)],
  });
  await draw('enduro-tried', {
    title: `Enduro: training score, mean of ${EPISODES} episodes (seed 1)`,
    description: 'Scores of five runs of this project with other settings over agent steps.',
    ...score,
    series: await scoresOf(TRIED),
  });
  await draw('pong-breakout-learning', {
    title: `Pong and Breakout: training score, mean of ${EPISODES} episodes`,
    description: 'Scores of four runs of Pong and one of Breakout over agent steps.',
    ...score,
    series: await scoresOf(PONG_AND_BREAKOUT),
  });
  for (const [name, quantity, what] of [
    ['enduro-norms', 'norm', '||v||'],
    ['enduro-effective-rate', 'effectiveLearningRate', 'effective rate'],
  ] as const) {
    await draw(name, {
      title: `Enduro at a constant rate: ${what} of each layer, over its first value`,
      description: `How ${what} of four kernels changes over agent steps, in multiples of its first value.`,
      x: { label: STEPS },
      y: { label: 'times that at the first look' },
      series: await growth('enduro-long-seed1', quantity),
    });
  }
  const tables = [await evaluationsTable()];
  for (const [folder, { agent, arms }] of Object.entries(MINATAR)) {
    const scores = await readScores(folder);
    for (const game of gamesOf(scores)) {
      const name = nameOf(game);
      await draw(`${folder}-${game.toLowerCase()}`, {
        title: `MinAtar ${name}, ${agent}: training returns, mean of three seeds and their range`,
        description: `Returns of ${agent} in ${name} over agent steps with several normalizations of the Q-network.`,
        x: { label: 'thousand agent steps' },
        y: { label: 'return' },
        series: curvesOf(scores, game, arms),
      });
    }
    tables.push(minAtarTable(scores, arms));
    if (Object.keys(scores.runs[0].layers).length > 0) tables.push(layersTable(scores, arms));
  }
  const table = await readScores('table-dqn');
  for (const game of gamesOf(table)) {
    const { name } = GAMES[game.replace('_', '-')];
    const seeds = hasSeeds(table.runs.filter((run) => run.game === game)) ? 'mean of seeds and range' : 'seed 1';
    await draw(`table-dqn-${game}`, {
      title: `${name}: training returns with and without weight norm (${seeds})`,
      description: `Returns in ${name} over agent steps, and two published curves of Dopamine in grey.`,
      ...score,
      series: tableCurves(table, game),
    });
  }
  await writeResult(`${tables.map((rows) => rows.join('\n')).join('\n\n')}\n`);
});

await runCommand(command);
