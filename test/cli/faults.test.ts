import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type FinishedEpisode, makeVectorEnv } from 'gymnasium-js-bridge';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { EpisodeRecorder, writeRecording } from '../../src/recording/index.ts';
import { runCommand, type Started, sidecarOf, signal, startCommand, testEnvironments, until } from '../processes.ts';
import { checkpointsOf, metricsOf, numbersOf } from './run-folder.ts';

let folder: string;
let runs = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'faults-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const newRun = () => join(folder, `run${runs++}`);
const training = (runDir: string, ...more: string[]) => [
  ...['--run-dir', runDir, '--learning-starts', '100', '--hidden-units', '16', '--log-period-steps', '100'],
  ...more,
];
const cartPole = (runDir: string, ...more: string[]) => training(runDir, '--env-id', 'CartPole-v1', ...more);

/** Waits until the run has come so far, and does something to its sidecar. */
async function atStep(step: number, runDir: string, started: Started, name: NodeJS.Signals): Promise<void> {
  const reached = () => metricsOf(runDir).some((line) => line.agentSteps >= step);
  await until(`agent step ${step}`, reached, started);
  const sidecar = sidecarOf(started.pid);
  expect(sidecar, 'the sidecar').toBeDefined();
  signal(sidecar!, name);
}

describe('a lost sidecar costs no step and changes no number', () => {
  const args = ['--steps', '2500', '--env-timeout-seconds', '5', '--num-envs', '2'];
  const evaluation = (runDir: string) => ['--run', runDir, '--episodes', '100', '--json'];
  /** A run that lost none, and what evaluating it prints. */
  let whole: string;
  let evaluated: string;
  beforeAll(async () => {
    whole = newRun();
    const trained = await runCommand('train-agent', ...cartPole(whole, ...args));
    expect(trained.code, trained.stderr).toBe(0);
    ({ stdout: evaluated } = await runCommand('evaluate-agent', ...evaluation(whole)));
  });

  test.each<[string, NodeJS.Signals]>([
    ['killed', 'SIGKILL'],
    ['stopped, so that it answers no more', 'SIGSTOP'],
  ])('of a training: %s', async (_, name) => {
    const broken = newRun();
    const started = startCommand('train-agent', cartPole(broken, ...args));
    await atStep(500, broken, started, name);
    const { code, stderr } = await started.ended;
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('starting it again and playing on (1 of at most 3 in a row)');
    expect(numbersOf(broken, 'sidecarRestarts')).toEqual(numbersOf(whole, 'sidecarRestarts'));
    const files = (runDir: string) => readFileSync(join(runDir, 'checkpoints/2500/state.safetensors'));
    expect(files(broken).equals(files(whole))).toBe(true);
    const restarts = (runDir: string) => metricsOf(runDir).findLast((line) => 'sidecarRestarts' in line);
    expect([restarts(whole), restarts(broken)]).toMatchObject([{ sidecarRestarts: 0 }, { sidecarRestarts: 1 }]);
    // Saved before it was started again, in a checkpoint that made way for the next one.
    expect(stderr.match(/^checkpoint .+$/gm)!.length).toBeGreaterThan(checkpointsOf(whole).length);
    expect(checkpointsOf(broken)).toEqual(checkpointsOf(whole));
  });

  test.each<[string, NodeJS.Signals]>([
    ['killed', 'SIGKILL'],
    ['stopped, so that it answers no more', 'SIGSTOP'],
  ])('of an evaluation: %s', async (_, name) => {
    const evaluating = startCommand('evaluate-agent', [...evaluation(whole), '--env-timeout-seconds', '5']);
    await until('an episode', () => evaluating.output.stderr.includes('episode'), evaluating);
    signal(sidecarOf(evaluating.pid)!, name);
    const { code, stdout, stderr } = await evaluating.ended;
    expect(code, stderr).toBe(0);
    expect(stdout).toBe(evaluated);
  });

  test.each<[string, NodeJS.Signals]>([
    ['killed', 'SIGKILL'],
    ['stopped', 'SIGSTOP'],
  ])('of a verification: %s', async (_, name) => {
    const mark = join(folder, `mark-${name}`);
    const file = await recordMarking(mark);
    rmSync(mark);
    const args = [file, '--verify', '--env-timeout-seconds', '5'];
    const started = startCommand('replay-episode', args, { BRIDGE_TEST_FILE: mark, PYTHONPATH: registeringPath() });
    await until('a step', () => existsSync(mark), started);
    signal(sidecarOf(started.pid)!, name);
    const { code, stdout, stderr } = await started.ended;
    expect(stderr).toContain('starting it again');
    expect(stdout, stderr).toContain('equal: all 11 frames');
    expect(code).toBe(0);
  });
});

/** A recording names no module to import, so here Python registers the test environments when it starts. */
function registeringPath(): string {
  const path = join(folder, 'registering');
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'sitecustomize.py'), 'import bridge_test_envs\n');
  return [path, testEnvironments].join(delimiter);
}

/** Records an episode of 10 slow steps, each of which makes the file `mark`. */
async function recordMarking(mark: string): Promise<string> {
  vi.stubEnv('BRIDGE_TEST_FILE', mark);
  vi.stubEnv('PYTHONPATH', registeringPath());
  try {
    const env = await makeVectorEnv({ id: 'Marking-v0' });
    const recorder = new EpisodeRecorder(env);
    recorder.start((await env.reset()).observations);
    let episode: FinishedEpisode | undefined;
    while (!episode) {
      const { rewards, observations, finished } = await env.step([2]);
      [episode] = finished;
      recorder.step(2, rewards[0], episode?.finalObservation ?? observations);
    }
    await env.close();
    await writeRecording(`${mark}.episode.safetensors`, recorder.finish(episode));
    return `${mark}.episode.safetensors`;
  } finally {
    vi.unstubAllEnvs();
  }
}

describe('an environment that fails', () => {
  test.each([
    ['raises', 'Raising', 'raised RuntimeError in step: the paint is wet'],
    [
      'leaves Python',
      'Leaving',
      'raised SystemExit in step: it called sys\\.exit\\(3\\); an environment .* raise an error instead',
    ],
  ])('each time it %s: the run is saved and ends with what, where and a traceback on demand', async (_, name, text) => {
    const runDir = newRun();
    const id = `bridge_test_envs:${name}-v0`;
    const args = training(runDir, '--env-id', id, '--steps', '4000', '--debug');
    const { code, stdout, stderr } = await startCommand('train-agent', args).ended;
    expect(code, stderr).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      new RegExp(`^train-agent: the environment ${id} ${text} \\(.*bridge_test_envs\\.py, line \\d+\\)$`, 'm'),
    );
    expect(stderr.match(/starting it again/g)).toHaveLength(3);
    expect(stderr).toContain('Traceback (most recent call last)');
    expect(checkpointsOf(runDir)).toEqual([7]);
  });

  test.each([
    ['NanReward', 'the reward NaN'],
    ['HugeReward', 'the reward 1e+30'],
    ['NanObservation', 'the observation NaN'],
  ])('gives numbers that nobody can learn from: %s', async (name, text) => {
    const runDir = newRun();
    const id = `bridge_test_envs:${name}-v0`;
    const { code, stderr } = await startCommand('train-agent', training(runDir, '--env-id', id)).ended;
    expect(code, stderr).toBe(1);
    expect(stderr).toContain(`train-agent: the environment ${id} gave ${text}`);
    expect(checkpointsOf(runDir)).toEqual([7]);
  });
});

describe('learning that diverges ends with 1, names the place and keeps the good checkpoints', () => {
  test('an agent', async () => {
    const runDir = newRun();
    const args = ['--learning-rate', '1e38', '--steps', '3000', '--checkpoint-period-steps', '40'];
    const { code, stdout, stderr } = await startCommand('train-agent', cartPole(runDir, ...args)).ended;
    expect(code, stderr).toBe(1);
    expect(stdout).toBe('');
    const last = stderr.trim().split('\n').at(-1)!;
    expect(last).toMatch(/^train-agent: .*not finite.*give a --learning-rate below 1e\+38/);
    expect(last).toContain(join(runDir, 'checkpoints', '80'));
    expect(checkpointsOf(runDir)).toEqual([40, 80]);
    for (const line of readFileSync(join(runDir, 'metrics.jsonl'), 'utf8').split('\n')) {
      expect(line).not.toContain('null');
    }
    const { code: evaluated } = await startCommand('evaluate-agent', ['--run', runDir, '--episodes', '1']).ended;
    expect(evaluated).toBe(0);
  });

  test('a supervised network', async () => {
    const runDir = newRun();
    const { code, stdout, stderr } = await startCommand('train-supervised', [
      ...['--task', 'vae-mnist', '--recipe', 'reduced', '--train-examples', '200', '--test-examples', '100'],
      ...['--epochs', '3', '--learning-rate', '1e38', '--run-dir', runDir],
    ]).ended;
    expect(code, stderr).toBe(1);
    expect(stdout).toBe('');
    expect(stderr.trim().split('\n').at(-1)).toMatch(/^train-supervised: .*give a --learning-rate below 1e\+38/);
    expect(checkpointsOf(runDir)).toEqual([]);
  });

  test('a checkpoint from before such checks, with NaN in it, is refused by name', async () => {
    const runDir = newRun();
    const trained = await startCommand('train-agent', cartPole(runDir, '--steps', '300')).ended;
    expect(trained.code, trained.stderr).toBe(0);
    const file = join(runDir, 'checkpoints/300/state.safetensors');
    const bytes = readFileSync(file);
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
    const name = Object.keys(header).find((key) => key.startsWith('online/'))!;
    bytes.writeFloatLE(Number.NaN, 8 + Number(bytes.readBigUInt64LE(0)) + header[name].data_offsets[0]);
    writeFileSync(file, bytes);
    const sums = join(runDir, 'checkpoints/300/checksums.json');
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(sums, JSON.stringify({ ...JSON.parse(readFileSync(sums, 'utf8')), 'state.safetensors': sha256 }));
    for (const [command, ...args] of [
      ['evaluate-agent', '--run', runDir],
      ['train-agent', '--run-dir', runDir, '--resume', '--steps', '400'],
    ]) {
      const { code, stderr } = await startCommand(command, args).ended;
      expect(code, stderr).toBe(2);
      expect(stderr).toContain(`checkpoints/300: tensor "${name}" holds numbers that are not finite`);
    }
    expect(readdirSync(join(runDir, 'checkpoints'))).toEqual(['300']);
  });
});
