import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mainRoot, runCommand, runCommands } from '../processes.ts';

const fixture = (name: string) => join(mainRoot, 'test/fixtures/runs-0.1.0', name);

let folder: string;
let first: string;
let second: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'compare-'));
  [first, second] = ['one', 'two'].map((name) => join(folder, name));
  for (const path of [first, second]) cpSync(fixture('cartpole'), path, { recursive: true });
  const config = JSON.parse(readFileSync(join(second, 'config.json'), 'utf8'));
  config.config.seed = 77;
  writeFileSync(join(second, 'config.json'), JSON.stringify(config));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('two real runs are one group: a table that fits a terminal, a page, and JSON', async () => {
  const out = join(folder, 'report.html');
  const { code, stdout, stderr } = await runCommand('compare-runs', first, `${second}/`, '--out', out);
  expect(code, stderr).toBe(0);
  expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80 + out.length);
  expect(stdout).toMatch(/^after 340 agent steps, training scores/);
  expect(readFileSync(out, 'utf8')).toContain('CartPole-v1');

  const kept = readFileSync(out, 'utf8');
  const again = await runCommand('compare-runs', first, '--out', out);
  expect([again.code, again.stderr]).toEqual([2, `compare-runs: --out ${out}: the file exists; --force replaces it\n`]);
  expect(readFileSync(out, 'utf8')).toBe(kept);

  const answered = await runCommand('compare-runs', first, second, '--json');
  const { groups, step } = JSON.parse(answered.stdout);
  expect(step).toBe(340);
  expect(groups).toHaveLength(1);
  expect(groups[0].runs.map(({ seed }: { seed: number }) => seed).sort()).toEqual([1, 77]);
}, 60_000);

test('what cannot be compared is named in one line, exit code 2', async () => {
  const supervised = fixture('vae-mnist');
  const nothing = join(folder, 'nothing');
  const cases: [string[], RegExp][] = [
    [[], /missing required argument 'run'/],
    [[nothing], new RegExp(`run folder ${nothing}`)],
    [[supervised], /it is the run of the supervised task vae-mnist; runs of agents are compared/],
    [[first, '--step', '1000'], /ends at agent step 340, before 1000/],
    [[first, '--score', 'evaluation'], /was not evaluated by agent step 340/],
    [[first, '--score', 'clipped'], /It is evaluation or training/],
    [[first, '--out', join(folder, 'report.pdf')], /the name must end in \.html/],
    [[first, '--force'], /--force goes with --out/],
    [[first, '--out', join(nothing, 'report.html')], /nothing/],
  ];
  const endings = await runCommands(cases.map(([args]) => ['compare-runs', ...args]))();
  for (const [i, { code, stdout, stderr }] of endings.entries()) {
    const [args, expected] = cases[i];
    expect(stderr, args.join(' ')).toMatch(expected);
    expect(stderr.trimEnd().split('\n'), stderr).toHaveLength(1);
    expect([code, stdout], args.join(' ')).toEqual([2, '']);
  }
  expect(existsSync(join(folder, 'report.pdf'))).toBe(false);
}, 60_000);
