import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { descendants, printed, runCommand, runCommands, startCommand } from '../processes.ts';
import { until } from '../until.ts';
import { metricsOf } from './run-folder.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sweep-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sweepOf = (steps: number) => `# two runs
agents: [dqn]
envIds: [CartPole-v1]
seeds: 2
settings: {steps: ${steps}, hiddenUnits: [8, 8], doubleQ: false, learningStarts: 100, replayCapacity: 1000}
`;

test('a sweep trains two at a time, goes on after Ctrl-C, and compares; more steps lengthen its runs', async () => {
  const file = join(folder, 'short.yaml');
  const out = join(folder, 'out');
  const names = [1, 2].map((seed) => `CartPole-v1-dqn-classic-control-seed${seed}`);
  // Long enough to be stopped.
  writeFileSync(file, sweepOf(1_000_000));
  const args = [file, '--out', out, '--jobs', '2'];
  const begun = startCommand('sweep', args, { TF_NUM_INTEROP_THREADS: '7' });
  await printed(begun, `${names[0]}: starts (run 1 of 2)`);
  await printed(begun, `${names[1]}: starts (run 2 of 2)`);
  await until('both have trained', () => names.every((name) => metricsOf(join(out, name)).length > 0));
  const trainers = descendants(begun.child.pid!).filter(({ command }) => command.includes('train-agent'));
  expect(trainers).toHaveLength(2);
  const share = Math.max(1, Math.floor(availableParallelism() / 2));
  for (const { pid } of trainers) {
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')).toEqual(
      expect.arrayContaining([`TF_NUM_INTRAOP_THREADS=${share}`, 'TF_NUM_INTEROP_THREADS=7']), // 7: the user's own
    );
  }
  begun.child.kill('SIGINT');
  const stopped = await begun.ended;
  expect([stopped.code, stopped.stdout], stopped.stderr).toEqual([130, '']);
  expect(stopped.stderr).toContain(`stopped; go on with: npm run sweep -- ${file} --out ${out} --jobs 2`);

  const reached = Math.max(...names.map((name) => Number(metricsOf(join(out, name)).at(-1)!.agentSteps)));
  const steps = reached + 500;
  writeFileSync(file, sweepOf(steps));
  const listed = await runCommand('sweep', file, '--out', out, '--dry-run');
  expect(listed.stdout).toBe(names.map((name) => `begun     ${join(out, name)}\n`).join(''));

  const { code, stdout, stderr } = await runCommand('sweep', ...args, '--json');
  expect(code, stderr).toBe(0);
  const { runs, failures, report, comparison } = JSON.parse(stdout);
  expect([runs, failures]).toEqual([names.map((name) => join(out, name)), {}]);
  expect(comparison.groups).toHaveLength(1);
  expect(readFileSync(report, 'utf8')).toContain('CartPole-v1');
  for (const name of names)
    expect(Number(metricsOf(join(out, name)).at(-1)!.agentSteps)).toBeGreaterThanOrEqual(steps - 1);
  expect(readdirSync(out).sort()).toEqual([...names, 'report.html']);

  // Nothing is trained again.
  const before = readFileSync(join(out, names[0], 'metrics.jsonl'), 'utf8');
  const again = await runCommand('sweep', ...args);
  expect(again.code).toBe(0);
  expect(again.stderr).toContain('2 of 2 runs are there already');
  expect(again.stdout).toMatch(/CartPole-v1 +2 /);
  expect(readFileSync(join(out, names[0], 'metrics.jsonl'), 'utf8')).toBe(before);
}, 180_000);

test('one run of a sweep alone, as a task of an array job makes it; another call tells of all', async () => {
  const file = join(folder, 'array.yaml');
  const out = join(folder, 'array');
  writeFileSync(file, sweepOf(300));
  const names = [1, 2].map((seed) => `CartPole-v1-dqn-classic-control-seed${seed}`);
  const task = (k: number) => runCommand('sweep', file, '--out', out, '--only', String(k));
  const both = await Promise.all([task(1), task(2)]);
  expect(both.map(({ code, stdout }) => [code, stdout])).toEqual(names.map((name) => [0, `${join(out, name)}\n`]));
  expect(readdirSync(out).sort()).toEqual(names);
  const all = await runCommand('sweep', file, '--out', out);
  expect([all.code, all.stdout], all.stderr).toEqual([0, expect.stringMatching(/CartPole-v1 +2 /)]);
  expect(all.stderr).toContain('2 of 2 runs are there already');
});

test('a file that will not do is named in one line with exit code 2, and no folder is made', async () => {
  const out = join(folder, 'none');
  const broken = join(folder, 'broken.yaml');
  writeFileSync(broken, 'agents: [dqn\ngames: ');
  const unknown = join(folder, 'unknown.json');
  writeFileSync(unknown, '{"agents": ["dqn"], "games": ["Pong"], "seeds": 1, "settings": {"learningrate": 1}}');
  const cases: [string, RegExp][] = [
    [join(folder, 'missing.yaml'), /missing\.yaml: cannot be read: there is no such place \(ENOENT\)$/],
    [broken, /broken\.yaml: .* at line \d+, column \d+$/],
    [unknown, /unknown\.json: learningrate 1 is no setting of dqn: did you mean learningRate\?$/],
    [folder, /: cannot be read: it is a folder \(EISDIR\)$/],
  ];
  const endings = await runCommands(cases.map(([file]) => ['sweep', file, '--out', out]))();
  for (const [i, [, expected]] of cases.entries()) {
    const { code, stdout, stderr } = endings[i];
    expect(stderr.trimEnd()).toMatch(expected);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect([code, stdout]).toEqual([2, '']);
  }
  expect(existsSync(out)).toBe(false);
}, 60_000);
