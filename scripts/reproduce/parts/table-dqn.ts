// Table 2: DQN with and without weight normalisation, trained here and played by evaluate-agent.
import { join } from 'node:path';
import type { Evaluation } from '../../../src/agent/evaluate.ts';
import { type Job, readAnswer } from '../../../src/jobs/index.ts';
import { wallSecondsOf } from '../metrics.ts';
import { BUDGETS, type Choice, type Part } from '../part.ts';
import { spreadText } from '../supervised.ts';
import { ARMS, type Arm, type ArmJobs, agentJobs, GAMES } from './dqn-runs.ts';

const arms = Object.keys(ARMS) as Arm[];

export const tableDqn: Part = {
  name: 'table-dqn',
  title: 'Table 2: DQN on Atari',
  claim:
    'With weight normalisation DQN reaches higher maximum evaluation scores on Enduro, Seaquest and Space ' +
    'Invaders, and is level on Breakout (Salimans & Kingma 2016, section 5.4, table 2).',
  needsCifar10: false,
  budgets: BUDGETS,
  jobs: (choice) => agentJobs(choice).flatMap(({ training, questions }): Job[] => [training, ...questions]),
  async results(choice, finished) {
    const trained = agentJobs(choice).filter(({ training }) => finished.has(training.name));
    if (trained.length === 0) return undefined;
    const scores = await Promise.all(trained.map((arm) => scoresOf(arm, choice, finished)));
    const played = scores.filter(({ means }) => means.length > 0);
    const cells = (game: string, arm: Arm) => {
      const runs = played.filter((run) => run.game === game && run.arm === arm);
      return {
        best: spreadText(
          runs.map(({ means }) => Math.max(...means)),
          score,
        ),
        last: spreadText(
          runs.map(({ means }) => means.at(-1)!),
          score,
        ),
        highest: runs.length === 0 ? '-' : score(Math.max(...runs.flatMap(({ maxima }) => maxima))),
      };
    };
    return {
      found: Object.entries(GAMES).map(([game, { name, paper }]) => {
        const [normal, weight, data] = arms.map((arm) => cells(game, arm).best);
        return (
          `${name}: weight norm ${weight}, with data-dependent initialisation ${data}, normal ${normal}; ` +
          `in the paper ${paper.weight} and ${paper.none}.`
        );
      }),
      captions: [],
      tables: [
        {
          heading: 'Scores',
          rows: [
            [
              '',
              'best checkpoint, mean',
              'last checkpoint, mean',
              'best episode',
              'paper, maximum',
              'Mnih et al. 2015',
            ],
            ...Object.entries(GAMES).flatMap(([game, { name, paper, mnih }]) =>
              arms.map((arm) => {
                const { best, last, highest } = cells(game, arm);
                const { title, settings } = ARMS[arm];
                const published = String(paper[settings.normalization]);
                return [`${name}, ${title}`, best, last, highest, published, arm === 'none' ? String(mnih) : '-'];
              }),
            ),
          ],
        },
      ],
      numbers: { unit: 'game score', runs: scores, paper: GAMES },
      runs: trained.map(({ training }) => training.name),
      seeds: [...new Set(trained.map(({ training }) => Number(training.settings.seed)))],
      seconds: scores.reduce((sum, { seconds }) => sum + seconds, 0),
    };
  },
};

async function scoresOf(
  { game, arm, training, questions }: ArmJobs,
  { runsPath }: Choice,
  finished: ReadonlySet<string>,
) {
  const names = questions.map(({ name }) => name).filter((name) => finished.has(name));
  const answers = await Promise.all(
    names.map(async (name) => (await readAnswer<Evaluation>(join(runsPath, `${name}.json`)))!),
  );
  return {
    ...{ game, arm, seed: Number(training.settings.seed) },
    /** The agent steps of each checkpoint that was evaluated, and its returns. */
    checkpoints: answers.map(({ result }) => result.checkpointAgentSteps),
    means: answers.map(({ result }) => result.meanReturn),
    minima: answers.map(({ result }) => result.minReturn),
    maxima: answers.map(({ result }) => result.maxReturn),
    seconds: answers.reduce((sum, { seconds }) => sum + seconds, await wallSecondsOf(join(runsPath, training.name))),
  };
}

function score(value: number): string {
  return value.toFixed(1);
}
