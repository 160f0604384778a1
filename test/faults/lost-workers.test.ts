// Runs whose emulators are in workers: two processes over CURVE, killed at random moments. `npm test` kills a few
// times, `npm run test:faults` ten times.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CartPole, type VectorEnv, vectorize } from 'gymnasium-js-bridge';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { train } from '../../agents/index.ts';
import { Generator } from '../../src/random/index.ts';
import { metricsOf, numbersOf } from '../cli/run-folder.ts';
import { addressIn, newKeys, sessionOf, startWorker } from '../envs/workers.ts';
import { processes, runCommand, runCommands, signal, startCommand, until } from '../processes.ts';

const KILLS = process.env.WEIGHTNORM_FAULTS === 'long' ? 10 : 2;
const SEED = Number(process.env.WEIGHTNORM_FAULTS_SEED ?? 1);
const LINES = 20;
const enduro = [
  ...['--game', 'Enduro', '--num-envs', '3', '--sticky-action-probability', '0.25', '--max-episode-frames', '400'],
  ...['--learning-starts', '100', '--hidden-units', '8', '--batch-size', '4', '--update-period-steps', '20'],
  ...['--steps', '900', '--log-period-steps', String(900 / LINES), '--replay-capacity', '600'],
  ...['--checkpoint-period-steps', '300'],
];

const keys = newKeys();
let folder: string;
let expected: ReturnType<typeof results>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lost-workers-'));
  const runDir = join(folder, 'one-sidecar');
  const { code, stderr } = await runCommand('train-agent', ...enduro, '--run-dir', runDir);
  expect(code, stderr).toBe(0);
  expected = results(runDir);
  expect(expected.lines.length).toBeGreaterThanOrEqual(LINES);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The numbers of a run, and its last checkpoint. */
function results(runDir: string) {
  const lines = numbersOf(runDir, 'examplesPerSecond', 'numTensors', 'sidecarRestarts');
  const steps = readdirSync(join(runDir, 'checkpoints')).filter((name) => /^\d+$/.test(name));
  const newest = join(runDir, 'checkpoints', String(Math.max(...steps.map(Number))), 'state.safetensors');
  return { lines, state: readFileSync(newest).toString('base64') };
}

test(`two workers, ${KILLS} of whose processes are killed, train to the numbers of one sidecar`, async () => {
  const random = new Generator(SEED, 'lost workers');
  const runDir = join(folder, 'two-workers');
  const trainer = startCommand('train-agent', [
    ...[...enduro, '--run-dir', runDir, '--env-workers', '2', '--env-listen', 'tcp://127.0.0.1:*'],
    ...['--env-keys', keys.trainerFile],
  ]);
  await until('the trainer listens', () => addressIn(trainer.output.stderr) !== undefined, trainer);
  const address = addressIn(trainer.output.stderr)!;
  const workers = [startWorker(address, keys.workerFile), startWorker(address, keys.workerFile)];
  const moments = Array.from({ length: KILLS }, () => 1 + random.integer(LINES - 4)).sort((a, b) => a - b);
  for (const [i, moment] of moments.entries()) {
    await until(`${moment} lines`, () => metricsOf(runDir).length >= moment, trainer);
    const which = random.integer(2);
    if (i % 2 === 0) {
      await until('the worker has a process', () => sessionOf(workers[which]!) !== undefined, workers[which]!);
      signal(sessionOf(workers[which]!)!, 'SIGKILL');
    } else {
      // The whole worker, as when its machine is lost; another one is started later.
      for (const { pid, group } of processes()) if (group === workers[which]!.pid) signal(pid, 'SIGKILL');
      workers[which] = startWorker(address, keys.workerFile);
    }
  }
  const { code, stdout, stderr } = await trainer.ended;
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('Finished at agent step 900');
  expect(stderr).toMatch(/the worker on \S+ \(process \d+\) was lost during "\w+": its connection has ended; starting/);
  expect(results(runDir)).toEqual(expected);
});

test('three sidecars on this machine train to the numbers of one', async () => {
  const runDir = join(folder, 'three-sidecars');
  const { code, stderr } = await runCommand('train-agent', ...enduro, '--run-dir', runDir, '--env-workers', '3');
  expect(code, stderr).toBe(0);
  expect(results(runDir)).toEqual(expected);
});

test('a program divides environments too, and hears where that does nothing', async () => {
  const given = { numEnvs: 2, steps: 40, learningStarts: 20, hiddenUnits: [8], batchSize: 4, logPeriodSteps: 10 };
  const episodes = async (more: { workers?: number; env?: VectorEnv }) => {
    const seen: unknown[] = [];
    const onEvent = ({ kind, numbers }: { kind: string; numbers: object }) =>
      void (kind === 'episode' && seen.push(numbers));
    await (await train({ env: 'CartPole-v1', ...given, ...more, trackers: [{ onEvent }] })).finish();
    return seen;
  };
  const expectedEpisodes = await episodes({});
  expect(expectedEpisodes.length).toBeGreaterThan(0);
  expect(await episodes({ workers: 2 })).toEqual(expectedEpisodes);
  const env = vectorize(() => new CartPole(), { numEnvs: 2 });
  await expect(episodes({ workers: 2, env })).rejects.toThrow('"workers" does nothing beside "env"');
});

const cartPole = ['--env-id', 'CartPole-v1', '--run-dir', '/nowhere/run'];
const listen = ['--env-listen', 'tcp://127.0.0.1:*'];
const mistakes: [string[], string][] = [
  [['--env-keys', 'x.key'], '--env-keys x.key does nothing without --env-listen'],
  [['--env-wait-seconds', '5'], '--env-wait-seconds 5 does nothing without --env-listen'],
  [
    listen,
    '--env-listen tcp://127.0.0.1:* needs --env-keys FOLDER/trainer.key: make one with "npx gymnasium-js-bridge',
  ],
  [['--env-listen', '7777', '--env-keys', 'x'], 'It takes tcp://ADDRESS:PORT, such as tcp://*:7777.'],
  [['--env-workers', '2', '--print-config'], '--env-workers and --env-listen do nothing with --print-config'],
  [['--env-workers', '0'], 'It takes a whole number of at least 1.'],
  [['--env-workers', '2', '--num-envs', '1'], '--num-envs 1 leaves some of the 2 workers without an environment'],
  [[...listen, '--env-keys', '/nowhere/x.key'], 'the key file /nowhere/x.key cannot be read: ENOENT'],
];
const endings = runCommands(mistakes.map(([args]) => ['train-agent', ...cartPole, ...args]));
test.each(mistakes.map(([args, text], i) => [args, text, i] as const))(
  'options that cannot be are one line: %j',
  async (_, text, i) => {
    const { code, stdout, stderr } = (await endings())[i]!;
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    const last = stderr.trim().split('\n').at(-1)!;
    expect(last).toMatch(/^train-agent: /);
    expect(last).toContain(text);
  },
);

test('a trainer that no worker comes to ends with one line, at once where Ctrl-C ends the wait', async () => {
  const waiting = [
    '--env-listen',
    'tcp://127.0.0.1:*',
    '--env-keys',
    keys.trainerFile,
    '--run-dir',
    join(folder, 'none'),
  ];
  const start = (...more: string[]) => startCommand('train-agent', ['--env-id', 'CartPole-v1', ...waiting, ...more]);
  const [late, stopped] = [start('--env-wait-seconds', '0.05'), start()];
  await until('the trainer listens', () => addressIn(stopped.output.stderr) !== undefined, stopped);
  signal(stopped.pid, 'SIGINT');
  const lastLine = (text: string) => text.trim().split('\n').at(-1);
  const [{ code, stderr }, interrupted] = await Promise.all([late.ended, stopped.ended]);
  expect(code).toBe(1);
  expect(lastLine(stderr)).toMatch(/^train-agent: no worker came to tcp:\S+ within 0\.05 s: start one with "npx /);
  expect(interrupted.code).toBe(130);
  expect(lastLine(interrupted.stderr)).toBe('train-agent: stopped before its first step: nothing has changed');
  expect(existsSync(join(folder, 'none'))).toBe(false);
});
