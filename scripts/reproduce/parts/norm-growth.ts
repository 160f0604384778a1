import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type QuestionJob, readAnswer } from '../../../src/jobs/index.ts';
import { CLAIM } from '../norm-growth/findings.ts';
import { CAPTIONS, type Report, table } from '../norm-growth/report.ts';
import { BUDGETS, type Budget, type Choice, type Part, seedsOf } from '../part.ts';

const STEPS: Record<Budget, number> = { quick: 100, hours: 500, full: 2000 };
const SEEDS: Record<Budget, number> = { quick: 1, hours: 3, full: 10 };
const NAME = 'norm-growth';

/** The norm-growth command as a section beside the others: the command of that name does the work. */
export const normGrowth: Part = {
  name: NAME,
  title: 'Section 2.1: how ||v|| grows, and what the learning rate may be',
  claim: CLAIM,
  needsCifar10: false,
  budgets: BUDGETS,
  jobs: (choice) => [job(choice)],
  async results(choice, finished) {
    if (!finished.has(NAME)) return undefined;
    const { result, seconds } = (await readAnswer<Report>(join(choice.runsPath, `${NAME}.json`)))!;
    const { found, findings, settings } = result;
    return {
      found,
      figure: await readFile(join(folderOf(choice), 'norm-growth.svg'), 'utf8'),
      captions: CAPTIONS,
      tables: [{ heading: 'At the end of training', rows: table(findings, settings) }],
      numbers: findings,
      runs: [],
      seeds: settings.seeds,
      seconds,
    };
  },
};

function job(choice: Choice): QuestionJob {
  const options = {
    steps: STEPS[choice.budget],
    seeds: seedsOf(choice, SEEDS[choice.budget]).length,
    out: folderOf(choice),
  };
  return {
    kind: 'question',
    name: NAME,
    command: 'reproduce',
    args: [NAME, ...Object.entries(options).flatMap(([key, value]) => [`--${key}`, String(value)])],
  };
}

function folderOf({ folder }: Choice): string {
  return join(folder, NAME);
}
