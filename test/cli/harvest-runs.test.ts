import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCommand } from '../processes.ts';
import { metricsOf } from './run-folder.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'harvest-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const RUNS = ['enduro-nips-seed1', 'enduro-p8-seed1'].map((name) => join('docs/results', name));
const meanReturn = (run: string, after: number, until: number) => {
  const ended = metricsOf(run).filter(
    ({ kind, agentSteps }) => String(kind) === 'episode' && Number(agentSteps) > after && Number(agentSteps) <= until,
  );
  return ended.reduce((sum, { episodeReturn }) => sum + Number(episodeReturn), 0) / ended.length;
};

test.each([
  { options: [], every: 5 },
  { options: ['--averages', '20'], every: 20 },
])('of each run every episode and look at the weights is kept, and one in $every lines of averages', async (kept) => {
  const out = join(folder, `thin-${kept.every}`);
  const { code, stderr } = await runCommand('harvest-runs', `${RUNS[0]}/`, RUNS[1], '--out', out, ...kept.options);
  expect(code, stderr).toBe(0);
  expect(readdirSync(out).sort()).toEqual(['enduro-nips-seed1', 'enduro-p8-seed1']);
  for (const run of RUNS) {
    const copy = join(out, run.slice('docs/results/'.length));
    expect(readFileSync(join(copy, 'config.json'))).toEqual(readFileSync(join(run, 'config.json')));
    const [all, thinned] = [run, copy].map((path) => metricsOf(path));
    const isProgress = ({ kind }: Record<string, number>) => String(kind) === 'progress';
    expect(thinned.filter((line) => !isProgress(line))).toEqual(all.filter((line) => !isProgress(line)));
    expect(thinned.filter(isProgress)).toEqual(all.filter(isProgress).filter((_, i) => i % kept.every === 0));
  }
  const before = readFileSync(join(out, 'enduro-nips-seed1/metrics.jsonl'), 'utf8');
  const again = await runCommand('harvest-runs', RUNS[0], '--out', out);
  expect([again.code, again.stderr]).toEqual([
    2,
    expect.stringMatching(/^harvest-runs: --out .+thin-\d+: .+enduro-nips-seed1 exists\n$/),
  ]);
  expect(readFileSync(join(out, 'enduro-nips-seed1/metrics.jsonl'), 'utf8')).toBe(before);
});

test('what would do nothing, or write one folder over another, is one line with exit code 2', async () => {
  const copy = join(folder, 'enduro-nips-seed1');
  cpSync(RUNS[0], copy, { recursive: true });
  const out = join(folder, 'refused');
  for (const [args, reason] of [
    [[RUNS[0], '--period', '5000'], '--period 5000 does nothing without --curves'],
    [[RUNS[0], '--curves', '--averages', '20'], '--averages 20 does nothing with --curves'],
    [[RUNS[0], copy], `--out ${out}: two runs are named enduro-nips-seed1: rename one`],
  ] as const) {
    const { code, stderr } = await runCommand('harvest-runs', ...args, '--out', out);
    expect([code, stderr]).toEqual([2, `harvest-runs: ${reason}\n`]);
    expect(existsSync(out)).toBe(false);
  }
});

test('curves of several runs are one file, with what differs in their settings', async () => {
  const out = join(folder, 'curves');
  const { code, stderr } = await runCommand(
    ...['harvest-runs', ...RUNS, '--out', out, '--curves', '--period', '50000'],
  );
  expect(code, stderr).toBe(0);
  const { steps, runs } = JSON.parse(readFileSync(join(out, 'scores.json'), 'utf8'));
  expect(steps.slice(0, 2)).toEqual([50_000, 100_000]);
  expect(
    runs.map(({ game, seed, updatePeriodSteps }: Record<string, unknown>) => [game, seed, updatePeriodSteps]),
  ).toEqual([
    ['enduro', 1, 4],
    ['enduro', 1, 8],
  ]);
  for (const [i, { curve, score, layers }] of runs.entries()) {
    expect(curve).toHaveLength(steps.length);
    for (const k of [1, 3]) {
      expect(curve[k]).toBeCloseTo(meanReturn(RUNS[i], steps[k - 1], steps[k]), 0);
    }
    const last = Number(metricsOf(RUNS[i]).at(-1)!.agentSteps);
    expect(score).toBeCloseTo(meanReturn(RUNS[i], last * 0.9, last), 0);
    const look = metricsOf(RUNS[i]).findLast(({ kind }) => String(kind) === 'diagnostics');
    const { learningRate } = JSON.parse(readFileSync(join(RUNS[i], 'config.json'), 'utf8')).settings;
    // The first of these runs was never looked at. Ranks are of dense layers, and q has no ReLU.
    expect(Object.keys(layers)).toEqual(look === undefined ? [] : ['conv1', 'conv2', 'dense1', 'q']);
    for (const [name, layer] of Object.entries<Record<string, number>>(layers)) {
      const rateFactor = look![`${name}/kernel/effectiveLearningRate`] / learningRate;
      const told = [
        look![`${name}/kernel/norm`],
        rateFactor,
        look![`${name}/dormantShare`],
        look![`${name}/featureRank`],
      ];
      const harvested = [layer.length, layer.rateFactor, layer.dormantShare, layer.featureRank];
      expect(harvested).toEqual(told.map((value) => value && expect.closeTo(value, 3)));
    }
  }
});
