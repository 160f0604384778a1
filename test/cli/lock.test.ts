// Two processes and one run folder, through the real command.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCommand, startCommand, until } from '../processes.ts';
import { metricsOf } from './run-folder.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cartPole = (runDir: string, steps: number) => [
  ...['--env-id', 'CartPole-v1', '--run-dir', runDir, '--steps', String(steps), '--learning-starts', '100'],
  ...['--hidden-units', '16', '--log-period-steps', '100'],
];
const lastLine = (text: string) => text.trim().split('\n').at(-1);

test('a run in progress is not resumed by a second process, whatever it asks for but --force-unlock', async () => {
  const runDir = join(folder, 'busy');
  const training = startCommand('train-agent', cartPole(runDir, 1_000_000));
  await until('it learns', () => metricsOf(runDir).length > 3, training);
  const second = await runCommand('train-agent', '--run-dir', runDir, '--resume');
  expect(second.code).toBe(2);
  expect(lastLine(second.stderr)).toBe(
    `train-agent: run folder ${runDir} is in use by process ${training.pid}: wait for it, or end it`,
  );
  training.child.kill('SIGINT');
  expect((await training.ended).code).toBe(0);
});

test('the lock of another host is refused with its name and age; --force-unlock takes it', async () => {
  const runDir = join(folder, 'shared');
  const trained = await runCommand('train-agent', ...cartPole(runDir, 300));
  expect(trained.code, trained.stderr).toBe(0);
  const lock = join(runDir, 'run.lock');
  const since = new Date(Date.now() - 5 * 3_600_000).toISOString();
  writeFileSync(lock, JSON.stringify({ host: 'node-17', space: 'x', pid: 4242, started: '1', since }));
  const before = readFileSync(join(runDir, 'metrics.jsonl'), 'utf8');
  const refused = await runCommand('train-agent', '--run-dir', runDir, '--resume', '--steps', '400');
  expect(refused.code).toBe(2);
  expect(lastLine(refused.stderr)).toMatch(
    /is in use by process 4242 on the host node-17, since .* \(5 h ago\): end it there; .* give --force-unlock$/,
  );
  expect(readFileSync(join(runDir, 'metrics.jsonl'), 'utf8')).toBe(before);
  const args = ['--run-dir', runDir, '--resume', '--steps', '400', '--force-unlock', '--json'];
  const forced = await runCommand('train-agent', ...args);
  expect(forced.code, forced.stderr).toBe(0);
  expect(JSON.parse(forced.stdout)).toMatchObject({ run: runDir, agentSteps: 400, interrupted: false });

  const alone = await runCommand('train-agent', ...cartPole(join(folder, 'new'), 300), '--force-unlock');
  expect(alone.code).toBe(2);
  expect(lastLine(alone.stderr)).toContain('--force-unlock goes with --resume');
});
