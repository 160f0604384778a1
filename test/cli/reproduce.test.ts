import '../node-backend.ts';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createExperiment, type Measurement } from '../../scripts/reproduce/norm-growth/experiment.ts';
import { describeFindings, findingsOf } from '../../scripts/reproduce/norm-growth/findings.ts';
import { makePlan, runsOf } from '../../scripts/reproduce/norm-growth/plan.ts';
import type { Report } from '../../scripts/reproduce/norm-growth/report.ts';
import { printed, runCommand, startCommand } from '../processes.ts';
import { tagCounts } from '../report/xml.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reproduce-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const FILES = ['norm-growth.csv', 'norm-growth.html', 'norm-growth.svg'];
const read = (out: string, name: string) => readFileSync(join(out, name), 'utf8');

describe('norm-growth with SGD', () => {
  let out: string;
  let report: Report & { files: string[] };
  beforeAll(async () => {
    out = join(folder, 'sgd');
    const args = ['norm-growth', '--steps', '30', '--seeds', '2', '--out', out, '--json'];
    const { code, stdout, stderr } = await runCommand('reproduce', ...args);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^runs 0\/44 \| plain, learning rate 0.001/m);
    report = JSON.parse(stdout);
  });

  test('prints what it writes: the CSV has the rows of the JSON', () => {
    expect(readdirSync(out).sort()).toEqual(FILES);
    expect(report.files.map((file) => file.slice(out.length + 1)).sort()).toEqual(FILES);
    const [header, ...lines] = read(out, 'norm-growth.csv').trim().split('\n');
    expect(header).toBe(
      'parameterisation,optimizer,learning_rate,batch_size,seed,step,loss,relative_norm,effective_learning_rate,' +
        'diverged',
    );
    const finite = (text: string) => (Number.isFinite(Number(text)) ? Number(text) : null); // JSON has no NaN
    const parsed = lines.map((line) => {
      const [parameterisation, optimizer, ...numbers] = line.split(',');
      expect(optimizer).toBe('sgd');
      const [learningRate, batchSize, seed, step, loss, relativeNorm, effectiveLearningRate] = numbers.map(finite);
      const diverged = numbers.at(-1) === 'true';
      return {
        parameterisation,
        learningRate,
        batchSize,
        seed,
        step,
        loss,
        relativeNorm,
        effectiveLearningRate,
        diverged,
      };
    });
    expect(parsed).toEqual(report.rows);
  });

  test('both networks start as the same function with the same data, and ||v|| at 1', () => {
    const starts = report.rows.filter(({ step }) => step === 0);
    expect(starts).toHaveLength(44);
    for (const { seed, loss, relativeNorm } of starts) {
      expect(relativeNorm).toBe(1);
      const reference = starts.find((row) => row.seed === seed)!.loss;
      expect(Math.abs(loss / reference - 1)).toBeLessThan(1e-5);
    }
    expect(starts[0].loss).not.toBe(starts[1].loss); // other seeds, other data
  });

  test('||v|| never shrinks, and grows with the learning rate and the noise; plain rates are as given', () => {
    const { findings, settings, rows } = report;
    const pairs = rows.filter(
      ({ parameterisation, step, diverged }) => parameterisation === 'weight norm' && step > 0 && !diverged,
    );
    expect(findings).toMatchObject({ shrinks: 0, pairs: pairs.length });
    const norms = findings.byLearningRate['weight norm'].slice(0, 7).map(({ relativeNorm }) => relativeNorm!);
    for (let i = 1; i < norms.length; i++) expect(norms[i]).toBeGreaterThan(norms[i - 1]);
    expect(norms.at(-1)).toBeGreaterThan(2); // at learning rate 1
    const byBatch = findings.byBatchSize.map(({ relativeNorm }) => relativeNorm!);
    expect(byBatch).toEqual([...byBatch].sort((a, b) => b - a));
    expect(settings.batchSizes).toEqual([4, 32, 256]);
    for (const { learningRate, effectiveLearningRate } of findings.byLearningRate.plain.slice(0, 7)) {
      expect(effectiveLearningRate! / learningRate).toBeCloseTo(1, 6);
    }
  });

  test('a diverged run is told, kept in the rows and drawn', () => {
    const lost = report.rows.filter(({ diverged }) => diverged);
    expect(lost.length).toBeGreaterThan(0);
    for (const row of lost) {
      expect([row.loss, row.relativeNorm, row.effectiveLearningRate]).toContain(null);
      const { parameterisation, learningRate } = row;
      const summary = report.findings.byLearningRate[parameterisation].find((at) => at.learningRate === learningRate)!;
      expect(summary.diverged).toBeGreaterThan(0);
    }
    expect(report.found.join('\n')).toMatch(/^Diverged .*, plain: \d of 2 seeds at /m);
    expect(read(out, 'norm-growth.svg')).toContain('class="lost"');
  });

  test('the figure and the page are well-formed and need no other file', () => {
    const [svg, html] = [read(out, 'norm-growth.svg'), read(out, 'norm-growth.html')];
    expect(tagCounts(svg)).toMatchObject({ svg: 5, title: 5, desc: 5 });
    expect(tagCounts(html)).toMatchObject({ html: 1, svg: 5, table: 2, figure: 1, li: report.found.length + 4 });
    for (const text of [svg, html]) {
      expect(text).not.toMatch(/NaN|Infinity|undefined/);
      expect(text).not.toMatch(/\b(src|href)=|<script|@import|url\(/);
    }
    expect(html).toContain(report.machine.cpu);
    expect(html).toContain('norm-growth --optimizer sgd --steps 30 --seeds 2');
  });

  test('again it replaces its files, with the same numbers', async () => {
    const csv = read(out, 'norm-growth.csv');
    const args = ['norm-growth', '--steps', '30', '--seeds', '2', '--out', out];
    const { code, stdout, stderr } = await runCommand('reproduce', ...args);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain(report.found[0]);
    expect(stdout).toMatch(/^ +0.001 .* 0\/2/m);
    expect(readdirSync(out).sort()).toEqual(FILES);
    expect(read(out, 'norm-growth.csv')).toBe(csv);
  });
});

test('norm-growth takes Adam, whose rates are smaller', async () => {
  const out = join(folder, 'adam');
  const args = ['norm-growth', '--optimizer', 'adam', '--steps', '3', '--seeds', '1', '--out', out, '--json'];
  const { code, stdout, stderr } = await runCommand('reproduce', ...args);
  expect(code, stderr).toBe(0);
  const { rows, settings }: Report = JSON.parse(stdout);
  expect(settings.learningRates[0]).toBe(0.0001);
  // Adam's first update moves each weight by the learning rate, whatever its gradient; v starts as N(0, 0.05).
  const first = rows.filter(
    (row) => row.parameterisation === 'weight norm' && row.learningRate === 3 && row.step === 1,
  );
  expect(first).toHaveLength(1);
  expect(first[0].relativeNorm / (3 / 0.05)).toBeCloseTo(1, 1);
  expect(read(out, 'norm-growth.svg')).toContain('Adam');
});

test('runs leave no tensor behind, and each starts anew', async () => {
  const before = tf.memory().numTensors;
  const experiment = createExperiment({ optimizer: 'adam', steps: 4, measurements: 2, batchSizes: [8] });
  const plan = { parameterisation: 'weight norm', learningRate: 0.1, batchSize: 8, seed: 1 } as const;
  const first = await experiment.run(plan);
  expect(first.map(({ step }) => step)).toEqual([0, 1, 4]);
  const during = tf.memory().numTensors;
  await experiment.run({ ...plan, parameterisation: 'plain', seed: 2 });
  expect(await experiment.run(plan)).toEqual(first);
  expect(tf.memory().numTensors).toBe(during);
  experiment.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

describe('the sentences', () => {
  const plan = makePlan({ optimizer: 'sgd', steps: 10, seeds: 1 });
  const rowsWhere = (norm: (learningRate: number, batchSize: number) => number, loss: (rate: number) => number) =>
    runsOf(plan).flatMap((run): Measurement[] =>
      [0, 10].map((step) => ({
        ...run,
        step,
        loss: loss(run.learningRate),
        relativeNorm: step === 0 ? 1 : norm(run.learningRate, run.batchSize),
        effectiveLearningRate: run.learningRate,
        diverged: false,
      })),
    );
  const sentences = (rows: Measurement[]) => describeFindings(findingsOf(rows, plan), plan).join('\n');

  test('say where the claim holds', () => {
    const text = sentences(
      rowsWhere(
        (rate, batch) => 1 + rate + 1 / batch,
        () => 1,
      ),
    );
    expect(text).toContain('it grew faster with every larger learning rate. It never shrank');
    expect(text).toContain('noisier gradients made it grow faster');
    expect(text).toContain("Weight normalisation's range is as wide");
  });

  test('and where it does not', () => {
    const text = sentences(
      rowsWhere(
        (rate, batch) => 1 / (1 + rate) + batch,
        (rate) => 1 + rate,
      ),
    );
    expect(text).toContain('it did NOT grow faster with every larger learning rate');
    expect(text).toContain('noisier gradients did NOT always make it grow faster');
    expect(
      sentences(
        rowsWhere(
          () => 0.9,
          () => 1,
        ),
      ),
    ).toContain('It shrank from one measurement to the next in 12 of 12');
  });

  test('count a diverged run as infinitely bad', () => {
    const rows = rowsWhere(
      () => 1,
      () => 1,
    ).map((row) => {
      const diverged = row.step === 10 && row.parameterisation === 'plain' && row.learningRate > 1;
      return diverged ? { ...row, loss: Number.NaN, diverged } : row;
    });
    expect(findingsOf(rows, plan).working.plain.at(-1)).toBe(1);
    expect(sentences(rows)).toContain('plain: 1 of 1 seeds at 3, 1 of 1 seeds at 10, 1 of 1 seeds at 30.');
    expect(sentences(rows)).toContain("Weight normalisation's range is the wider");
  });
});

describe('bad input', () => {
  test.each([
    [[], /name what to reproduce: norm-growth/],
    [['norm-grow'], /there is no "norm-grow" to reproduce, did you mean "norm-growth"\?/],
    [['norm-growth', '--steps', '0'], /'--steps <updates>' argument '0' is invalid. It takes a whole number/],
    [['norm-growth', '--optimizer', 'rmsprop'], /Allowed choices are sgd, adam/],
    [['norm-growth', '--step', '3'], /unknown option '--step' \(Did you mean --steps\?\)/],
  ])('%j ends with one line and exit code 2', async (args, message) => {
    await expectRefusal(args, message);
  });

  test('a folder with other files, or a file in its place, is refused and left alone', async () => {
    const other = join(folder, 'other');
    mkdirSync(other);
    const file = join(other, 'thesis.txt');
    writeFileSync(file, 'mine');
    await expectRefusal(['norm-growth', '--out', other], /other holds other files \(thesis\.txt\): name a new folder/);
    await expectRefusal(['norm-growth', '--out', file], /thesis\.txt cannot be read as a folder \(ENOTDIR\)/);
    await expectRefusal(
      ['norm-growth', '--out', join(file, 'in')],
      /--out .*: cannot be made: something on the way to it is no folder \(ENOTDIR\)/,
    );
    await expectRefusal(
      ['table-dqn', '--out', '/proc/no-such-place'],
      /--out .*: cannot be made: there is no such place/,
    );
    expect(readdirSync(other)).toEqual(['thesis.txt']);
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  async function expectRefusal(args: string[], message: RegExp): Promise<void> {
    const { code, stdout, stderr } = await runCommand('reproduce', ...args);
    expect(code, stderr).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^reproduce: [^\n]*\n$/);
    expect(stderr).toMatch(message);
  }
});

test('--help tells units and defaults', async () => {
  const { code, stdout } = await runCommand('reproduce', 'norm-growth', '--help');
  expect(code).toBe(0);
  expect(stdout).toMatch(/--steps <updates>\s+updates of each run \(default: 500\)/);
  expect(stdout).toMatch(/--seeds <count>[^(]*\(default: 3\)/);
  expect((await runCommand('reproduce', '--help')).stdout).toContain('norm-growth');
});

test('Ctrl-C ends it with exit code 130 and writes nothing', async () => {
  const out = join(folder, 'stopped');
  const started = startCommand('reproduce', ['norm-growth', '--steps', '100000', '--out', out]);
  await printed(started, 'runs 0/66');
  started.child.kill('SIGINT');
  const { code, stdout } = await started.ended;
  expect(code).toBe(130);
  expect(stdout).toBe('');
  expect(existsSync(out) ? readdirSync(out) : []).toEqual([]);
});
