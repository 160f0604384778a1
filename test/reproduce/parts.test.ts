import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dqnPresets } from '../../agents/dqn/presets.ts';
import { findAgent } from '../../agents/registry.ts';
import { deviationTable } from '../../scripts/reproduce/deviations.ts';
import { curveOf, readEpochs, wallSecondsOf } from '../../scripts/reproduce/metrics.ts';
import { BUDGETS, type Choice, type Part, seedsOf } from '../../scripts/reproduce/part.ts';
import { figure1 } from '../../scripts/reproduce/parts/figure1.ts';
import { figureDraw, figureVae, figureVaeCifar } from '../../scripts/reproduce/parts/figures.ts';
import { groups } from '../../scripts/reproduce/parts/index.ts';
import { normGrowth } from '../../scripts/reproduce/parts/norm-growth.ts';
import { tableCifar } from '../../scripts/reproduce/parts/table-cifar.ts';
import { tableDqn } from '../../scripts/reproduce/parts/table-dqn.ts';
import type { Job, TrainingJob } from '../../src/jobs/index.ts';
import { resolveSettings } from '../../src/settings/index.ts';
import { findTask, type TaskSettings } from '../../src/supervised/index.ts';
import { runCommand } from '../processes.ts';
import { tagCounts } from '../report/xml.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'parts-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function choiceIn(out: string, options: Partial<Choice> = {}): Choice {
  const budget = options.budget ?? 'quick';
  const folder = join(out, budget);
  return { budget, seeds: undefined, dataDir: 'data', folder, runsPath: join(folder, 'runs'), ...options };
}

/** What every run's config.json holds beside its kind, name and settings. */
const description = { formatVersion: 2, preset: null, version: '0.1.0', commit: null, machine: null, packages: {} };

type Value = (job: TrainingJob, key: string, epoch: number) => number;

/** Leaves what finished jobs leave. */
function leaveRuns(jobs: readonly Job[], { runsPath }: Choice, value: Value): Set<string> {
  const put = (name: string, content: string) => {
    mkdirSync(dirname(join(runsPath, name)), { recursive: true });
    writeFileSync(join(runsPath, name), content);
  };
  for (const job of jobs) {
    const { name } = job;
    if (job.kind === 'question') {
      if (job.command === 'evaluate-agent') {
        const result = { meanReturn: 7, maxReturn: name.includes('weight') ? 21 : 12 };
        put(`${name}.json`, JSON.stringify({ args: job.args, seconds: 1, result }));
      }
    } else if (job.command === 'train-agent') {
      const config = { ...dqnPresets[job.base.preset as keyof typeof dqnPresets].settings, ...job.settings };
      put(`${name}/config.json`, JSON.stringify({ ...description, kind: 'agent', name: 'dqn', settings: config }));
      put(`${name}/checkpoints/${config.steps}/state.json`, '{}');
    } else {
      const task = findTask(job.base.task);
      const { settings } = resolveSettings<TaskSettings>(task, job.base.recipe, job.settings);
      put(`${name}/config.json`, JSON.stringify({ ...description, kind: 'supervised', name: task.name, settings }));
      const lines = Array.from({ length: settings.epochs }, (_, i) => {
        const epoch = i + 1;
        const metrics = ['error', 'testError', 'testBound', 'testBitsPerDimension'].map((key) => [
          key,
          value(job, key, epoch),
        ]);
        return JSON.stringify({
          kind: 'epoch',
          updates: 5 * epoch,
          epoch,
          ...Object.fromEntries(metrics),
          wallSeconds: 10 * epoch,
        });
      });
      put(`${name}/metrics.jsonl`, `{"kind":"progress","updates":5,"loss":2}\n${lines.join('\n')}\n`);
    }
  }
  return new Set(jobs.map(({ name }) => name));
}

/** Weight-normalised runs are the better by half, or by `weight`; each seed is 1 % off the one before. */
const errors =
  (weight = 0.5): Value =>
  ({ settings }, _key, epoch) =>
    (0.8 / epoch) *
    (String(settings.normalization).startsWith('weight') ? weight : 1) *
    (1 + 0.01 * Number(settings.seed));

const resultsOf = async (part: Part, choice: Choice, value: Value) =>
  (await part.results(choice, leaveRuns(part.jobs(choice), choice, value)))!;

describe('metrics', () => {
  test('an epoch is told with the test after it; runs of version 0.1.0 wrote both in one line', async () => {
    const path = join(root, 'metrics.jsonl');
    writeFileSync(
      path,
      [
        { event: 'progress', updates: 5, wallSeconds: 3 },
        { event: 'epoch', epoch: 1, updates: 10, bound: -90, testBound: -95, wallSeconds: 5 },
        { kind: 'epoch', epoch: 2, updates: 20, bound: -80, wallSeconds: 7 },
        { kind: 'evaluation', epoch: 2, updates: 20, testBound: -85, wallSeconds: 8 },
      ]
        .map((line) => `${JSON.stringify(line)}\n`)
        .join(''),
    );
    expect(await readEpochs(path)).toEqual([
      { epoch: 1, updates: 10, bound: -90, testBound: -95 },
      { epoch: 2, updates: 20, bound: -80, testBound: -85 },
    ]);
    expect(await wallSecondsOf(root)).toBe(8);
    expect(await readEpochs(join(root, 'absent'))).toEqual([]);
  });

  test('the curve is the median of the seeds with the range as a band; epochs without a test have no point', () => {
    const run = (offset: number) => [
      { epoch: 1, testError: offset },
      { epoch: 2, error: 1 },
      { epoch: 3, testError: 2 * offset },
    ];
    expect(curveOf([run(1), run(5), run(2)] as never, 'testError', 100)).toEqual([
      { x: 1, y: 200, low: 100, high: 500 },
      { x: 3, y: 400, low: 200, high: 1000 },
    ]);
    expect(curveOf([run(1)] as never, 'testError')).toEqual([
      { x: 1, y: 1 },
      { x: 3, y: 2 },
    ]);
  });
});

describe('the parts', () => {
  test('figure 1 and table 1 share their runs; each holds the numbers of the paper beside ours', async () => {
    const choice = choiceIn(join(root, 'cifar'), { budget: 'hours', dataDir: 'images' });
    const names = (part: Part) => part.jobs(choice).map(({ name }) => name);
    expect(names(tableCifar)).toEqual(expect.arrayContaining(names(figure1)));
    expect([names(figure1).length, names(tableCifar).length]).toEqual([12, 15]);
    for (const job of figure1.jobs(choice)) expect(job).toMatchObject({ settings: { dataDir: 'images' } });

    const figure = await resultsOf(figure1, choice, errors());
    expect(figure.found.join(' ')).toMatch(/Training error of epoch 25: normal 3\.26 %, WN 1\.63 %.*as in the paper/);
    expect(figure.tables[0].rows).toContainEqual(['WN', '1.63 %', '6.10 %', '3.30 %', '1.50 %']);
    expect(figure).toMatchObject({ seeds: [1, 2, 3], seconds: 12 * 250 });
    expect(tagCounts(figure.figure!).svg).toBe(1);
    const worse = await resultsOf(figure1, choice, errors(2));
    expect(worse.found.join(' ')).toContain('NOT below');

    const table = await resultsOf(tableCifar, choice, errors());
    expect(table.tables[0].rows.map((row) => row.at(-1))).toEqual([
      'paper',
      '8.43 %',
      '8.46 %',
      '8.05 %',
      '7.31 %',
      '8.52 %',
    ]);
    expect(table.tables[0].rows[1]).toEqual(['normal', '3.26 % (3.23 % to 3.30 %)', '8.43 %']);
  });

  test('bounds are compared in their own direction', async () => {
    const choice = choiceIn(join(root, 'bounds'), { seeds: 2 });
    const negated: Value = (...args) => -100 * errors()(...args);
    const vae = await resultsOf(figureVae, choice, negated);
    expect(vae.found[0]).toContain('in the paper after about epoch 300: weight norm -85.3, normal -85.84.');
    expect(vae.found[1]).toBe(
      'Weight normalisation ended ahead of the normal parameterisation, as in the paper; it was ahead after 4 of ' +
        'the 4 epochs that were tested. Only the arm with weight norm starts from data (data-dependent ' +
        'initialisation), which is a part of the difference.',
    );
    expect(vae.found[2]).toMatch(/^From the lowest to the highest seed: weight norm 0\.100, normal 0\.200/);
    const draw = await resultsOf(figureDraw, choice, (...args) => 100 * errors()(...args));
    expect(draw.found[1]).toContain('did NOT end ahead');
    expect(draw.found[1]).not.toContain('starts from data'); // as no arm of DRAW does
    expect(draw.tables[0].rows.flat()).toEqual(
      expect.arrayContaining(['-97.5', '-90.5', '-85', '-115', '-95.5', '-89.8']),
    );
    expect(figureVaeCifar.budgets).toEqual(['full']);
    const full = choiceIn(join(root, 'bits'), { budget: 'full', dataDir: 'images' });
    for (const job of figureVaeCifar.jobs(full)) expect(job).toMatchObject({ settings: { dataDir: 'images' } });
    const bits = await resultsOf(figureVaeCifar, full, errors()); // fewer bits are better
    expect(bits.found[1]).toContain('ended ahead of the normal parameterisation, as in the paper');
    expect(bits.found[1]).toContain('Only the arm with weight norm starts from data');
    expect(bits.tables[0].rows[1].at(-1)).toBe('3.64');
  });

  test("table 2 trains three arms, at the paper's rates where it has its settings, and shows its scores", async () => {
    const choice = choiceIn(join(root, 'dqn'));
    const trainingIn = (where: Choice) => tableDqn.jobs(where).filter((job) => job.kind === 'training');
    const training = trainingIn(choice);
    expect(training).toHaveLength(12);
    for (const { settings } of training) {
      expect(settings.learningRate).toBe(settings.normalization === 'none' ? 1e-4 : 3e-4);
    }
    for (const { base, settings } of trainingIn({ ...choice, budget: 'hours' })) {
      expect(base).toEqual({ preset: 'fast', game: expect.any(String) });
      expect(settings).not.toHaveProperty('learningRate'); // the same for all
      expect(settings.learningRateSchedule).toBe('constant'); // that of the numbers in docs/results.md
    }
    const { tables, found } = await resultsOf(tableDqn, choice, errors());
    expect(tables[0].rows).toContainEqual(['Enduro, weight norm', '7.0', '7.0', '21.0', '1448', '-']);
    expect(tables[0].rows).toContainEqual([
      'Breakout, weight norm, data-dependent initialisation',
      ...['7.0', '7.0', '21.0', '403', '-'],
    ]);
    expect(tables[0].rows).toContainEqual(['Seaquest, normal', '7.0', '7.0', '12.0', '7188', '5286']);
    expect(found).toContain(
      'Breakout: weight norm 7.0, with data-dependent initialisation 7.0, normal 7.0; in the paper 403 and 410.',
    );
  });

  test('a part of which some runs are missing tells of the others, and one without any of nothing', async () => {
    const choice = choiceIn(join(root, 'some'));
    const [first] = figureVae.jobs(choice);
    const finished = leaveRuns([first], choice, errors());
    expect((await figureVae.results(choice, finished))!.runs).toEqual([first.name]);
    for (const part of groups.all.parts.filter(({ budgets }) => budgets.includes('quick'))) {
      expect(await part.results(choice, new Set())).toBeUndefined();
    }
  });

  test('deviations are those of the runs, with both values', async () => {
    const choice = choiceIn(join(root, 'deviations'), { budget: 'hours', seeds: 1 });
    const rowsOf = async (part: Part) => {
      const names = [...leaveRuns(part.jobs(choice), choice, errors())].filter((name) => !name.includes('-step'));
      return (await deviationTable(names.map((name) => join(choice.runsPath, name)))).rows;
    };
    const cifar = await rowsOf(tableCifar);
    expect(cifar).toContainEqual(['--width-multiplier', '1', '0.25']);
    expect(cifar).toContainEqual(['--train-examples', 'all', '5000']);
    expect(cifar.map(([name]) => name)).not.toContain('--learning-rate'); // each arm has the paper's
    const dqn = await rowsOf(tableDqn);
    expect(dqn).toContainEqual(['--steps', '50000000', '500000']);
    expect(dqn).toContainEqual(['--optimizer', 'adamax', 'adam']);
    expect(dqn).toContainEqual(['--learning-rate', '0.0001, 0.0003', '0.00025']);
    const full = choiceIn(join(root, 'deviations-full'), { budget: 'full' });
    const names = leaveRuns(figureDraw.jobs(full), full, errors());
    const { rows } = await deviationTable([...names].map((name) => join(full.runsPath, name)));
    expect(rows).toEqual([
      ['setting', 'paper', 'here'],
      ['none', '', ''],
    ]);
  });

  // Else a run that was begun would be refused as one with other settings.
  test('what a run is asked for is what its folder says, letter by letter', () => {
    for (const budget of BUDGETS) {
      const choice = choiceIn(root, { budget });
      for (const job of groups.all.parts.flatMap((part) => (part.budgets.includes(budget) ? part.jobs(choice) : []))) {
        if (job.kind !== 'training') continue;
        const { agent, task, preset, recipe, ...named } = job.base;
        const definition = job.command === 'train-agent' ? findAgent(agent ?? 'dqn') : findTask(task);
        const { settings } = resolveSettings<object>(definition, preset ?? recipe, { ...named, ...job.settings });
        expect(settings, job.name).toMatchObject(job.settings);
      }
    }
  });

  test('--seeds replaces the count of the budget', () => {
    expect(seedsOf(choiceIn(root), 3)).toEqual([1, 2, 3]);
    expect(seedsOf(choiceIn(root, { seeds: 2 }), 3)).toEqual([1, 2]);
  });
});

test('all: one report with a section for each part; those without data are left out and named', async () => {
  const out = join(root, 'all');
  const choice = choiceIn(out, { dataDir: join(root, 'empty') });
  const parts = [figureVae, figureDraw, tableDqn];
  leaveRuns(
    parts.flatMap((part) => part.jobs(choice)),
    choice,
    errors(),
  );
  const args = ['all', '--data-dir', choice.dataDir, '--out', out];
  const { code, stdout, stderr } = await runCommand('reproduce', ...args);
  expect(code, stderr).toBe(2);
  expect(stderr).toContain('quick: too short to judge; shows that everything runs');
  expect(stderr).toMatch(/^norm-growth: done in /m);
  for (const name of ['figure1', 'table-cifar']) {
    expect(stdout).toMatch(new RegExp(`^left out: ${name} needs CIFAR-10, and --data-dir .+empty has none: run`, 'm'));
  }
  const html = readFileSync(join(choice.folder, 'all.html'), 'utf8');
  const sections = [normGrowth, ...parts];
  expect(tagCounts(html)).toMatchObject({ html: 1, h1: 1, h2: sections.length, figure: 3 });
  for (const { title, claim } of sections) {
    expect(html).toContain(title);
    expect(html).toContain(claim.slice(0, 40));
  }
  expect(html).toContain('left out: figure1');
  expect(html).not.toMatch(/NaN|Infinity|undefined|\b(src|href)=|<script/);
  const again = await runCommand('reproduce', ...args, '--json');
  expect(again.stderr).toContain('29 of 29 runs are there already');
  const report = JSON.parse(again.stdout);
  expect(Object.keys(report.parts)).toEqual(sections.map(({ name }) => name));
  expect(report).toMatchObject({ leftOut: ['figure1', 'table-cifar'], files: [join(choice.folder, 'all.html')] });
  expect(report.parts['figure-vae'].numbers.arms[0].points).toHaveLength(4);
});

test.each([
  [['figur1'], /there is no "figur1" to reproduce, did you mean "figure1"\?/],
  [
    ['figure-vae', '--budget', 'week'],
    /'--budget <name>' argument 'week' is invalid\. Allowed choices are quick, hours, full/,
  ],
  [['figure-draw', '--seeds', '0'], /'--seeds <count>' argument '0' is invalid/],
  [
    ['table-cifar', '--data-dir', 'nowhere'],
    /table-cifar needs CIFAR-10, and --data-dir nowhere has none: run "npm run/,
  ],
  [
    ['table-dqn', '--out', '/dev/null'],
    /--out \/dev\/null\/quick: cannot be made: something on the way to it is no folder \(ENOTDIR\)/,
  ],
])('%j ends with one line and exit code 2', async (args, message) => {
  const { code, stdout, stderr } = await runCommand('reproduce', ...args);
  expect(code, stderr).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^reproduce: [^\n]*\n$/);
  expect(stderr).toMatch(message);
});
