import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { optionName } from '../../src/cli/schema-options.ts';
import { printed, runCommand, runCommands, startCommand } from '../processes.ts';
import { until } from '../until.ts';

let folder: string;
let run: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'commands-'));
  run = join(folder, 'enduro');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const metrics = () =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('a run on Enduro, from training to film', () => {
  test('train-agent ends with exit 0, a checkpoint, metrics and a bounded loss', async () => {
    const { code, stdout, stderr } = await runCommand(
      ...['train-agent', '--game', 'Enduro', '--steps', '800', '--learning-starts', '200', '--run-dir', run],
      ...['--log-period-steps', '50', '--max-episode-frames', '400', '--hidden-units', '64'],
    );
    expect(stderr).toContain('TensorFlow 2.21.0 on ');
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('Finished at agent step 800');
    expect(readdirSync(join(run, 'checkpoints'))).toEqual(['800']);
    expect(readdirSync(join(run, 'tensorboard')).some((name) => name.includes('tfevents'))).toBe(true);
    expect(existsSync(join(run, 'run.lock'))).toBe(false);
    const losses = metrics().filter((line) => 'loss' in line);
    expect(losses.length).toBeGreaterThanOrEqual(9);
    for (const { loss } of losses) expect(loss).toBeLessThan(1);
    const episodes = metrics().filter((line) => 'episodeReturn' in line);
    expect(episodes.length).toBeGreaterThanOrEqual(4);
    for (const line of metrics()) expect(line.agentSteps).toBeGreaterThan(0);
    const config = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8'));
    expect(config).toMatchObject({
      ...{ formatVersion: 2, kind: 'agent', name: 'dqn', preset: 'fast', version: '0.1.0' },
      settings: { game: 'Enduro', normalization: 'weight' },
      environment: { settings: { kind: 'atari', id: 'enduro' }, rom: { name: 'enduro.bin' } },
      machine: { cores: expect.any(Number), device: expect.stringMatching(/CPU|GPU/) },
    });
  });

  let recording: string;
  test('evaluate-agent gives the same scores for the same seed, and records', async () => {
    const args = ['--run', run, '--episodes', '2', '--seed', '5', '--max-episode-frames', '800', '--json'];
    const [first, second] = [
      await runCommand('evaluate-agent', ...args, '--record'),
      await runCommand('evaluate-agent', ...args),
    ];
    expect(first.code, first.stderr).toBe(0);
    const scores = JSON.parse(first.stdout);
    expect(scores.episodes).toHaveLength(2);
    expect(scores.episodes[0]).toMatchObject({
      return: expect.any(Number),
      lengthFrames: expect.any(Number),
      seed: expect.any(Number),
    });
    expect(scores.meanReturn).toBe((scores.episodes[0].return + scores.episodes[1].return) / 2);
    expect(scores).toMatchObject({ protocol: 'nature', epsilon: 0.05, checkpointAgentSteps: 800 });
    const withoutRecording = (episodes: { recording?: string }[]) => episodes.map(({ recording, ...rest }) => rest);
    expect(JSON.parse(second.stdout).episodes).toEqual(withoutRecording(scores.episodes));
    recording = scores.episodes[1].recording;
    expect(statSync(recording).size).toBeLessThan(20_000);
  });

  test('replay-episode verifies the recording and films it', async () => {
    const video = join(folder, 'enduro.mp4');
    const { code, stdout, stderr } = await runCommand('replay-episode', recording, '--verify', '--video', video);
    expect(code, stderr + stdout).toBe(0);
    expect(statSync(video).size).toBeGreaterThan(10_000);
  });

  test('--resume goes on to a later step', async () => {
    const { code, stderr } = await runCommand('train-agent', '--run-dir', run, '--resume', '--steps', '900');
    expect(code, stderr).toBe(0);
    expect(readdirSync(join(run, 'checkpoints')).sort()).toEqual(['800', '900']);
  });

  test('a damaged checkpoint is named, and the one before it is used; asked for by name it is exit 2', async () => {
    const file = join(run, 'checkpoints', '900', 'state.safetensors');
    writeFileSync(file, readFileSync(file).subarray(0, 5000));
    const named = `${file}: its content has changed since it was written`;
    const evaluating = ['--run', run, '--episodes', '1', '--max-episode-frames', '400', '--json'];
    const evaluated = await runCommand('evaluate-agent', ...evaluating);
    expect(evaluated.code, evaluated.stderr).toBe(0);
    expect(evaluated.stderr).toContain(named);
    expect(JSON.parse(evaluated.stdout).checkpointAgentSteps).toBe(800);
    const asked = await runCommand('evaluate-agent', ...evaluating, '--checkpoint', '900');
    expect(asked.code).toBe(2);
    expect(asked.stderr.trim().split('\n').at(-1)).toContain(`evaluate-agent: ${named}`);
    const resumed = await runCommand('train-agent', '--run-dir', run, '--resume', '--steps', '840', '--json');
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stderr).toContain(named);
    expect(JSON.parse(resumed.stdout)).toMatchObject({ run, agentSteps: 840, interrupted: false });
  });
});

test('the first Ctrl-C saves and exits with 0, and the run can go on', async () => {
  const stopped = join(folder, 'stopped');
  const args = ['--env-id', 'CartPole-v1', '--steps', '1000000', '--learning-starts', '100', '--run-dir', stopped];
  const started = startCommand('train-agent', args);
  const file = join(stopped, 'metrics.jsonl');
  await until('it had learned', () => existsSync(file) && readFileSync(file, 'utf8').includes('"loss"'), started.child);
  started.child.kill('SIGINT');
  const { code, stdout, stderr } = await started.ended;
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/Stopped at agent step \d+/);
  expect(stdout).toContain('--resume');
  expect(readdirSync(join(stopped, 'checkpoints'))).toHaveLength(1);
});

test('the second Ctrl-C exits at once', async () => {
  const started = startCommand('train-agent', ['--env-id', 'CartPole-v1', '--run-dir', join(folder, 'second')]);
  await printed(started, 'writing to');
  started.child.kill('SIGINT');
  started.child.kill('SIGINT');
  const { code } = await started.ended;
  // Signals of the same number that arrive together count once; then the run was saved.
  expect([0, 130]).toContain(code);
});

describe('bad input gives one line and exit code 2', () => {
  const cases: [string[], string][] = [
    [['train-agent'], 'no environment: name one with --game'],
    [['train-agent', '--game', 'Enduroo', '--run-dir', 'RUN'], 'enduro'],
    [['train-agent', '--game', 'Enduro', '--stpes', '5'], "unknown option '--stpes' (Did you mean --steps?)"],
    [['train-agent', '--game', 'Enduro', '--steps', '0'], '--steps'],
    [['train-agent', '--game', 'Enduro', '--batch-size', '1.5'], '--batch-size'],
    [['train-agent', '--game', 'Enduro', '--normalization', 'wight'], '--normalization'],
    [['train-agent', '--game', 'Enduro', '--epsilon-end', '2'], '--epsilon-end'],
    [['train-agent', '--game', 'Enduro', '--preset', 'natur'], 'did you mean nature?'],
    [['train-agent', '--game', 'Enduro', '--env-id', 'CartPole-v1'], 'exclude each other'],
    [['train-agent', '--game', 'Enduro', '--learning-starts', '3'], '--learning-starts 3 is too early'],
    [
      ['train-agent', '--game', 'Enduro', '--replay-capacity', '900000000', '--run-dir', 'RUN'],
      '--replay-capacity 900000000 needs',
    ],
    [
      ['train-agent', '--game', 'Enduro', '--preset', 'nature', '--hold-exponent', '3', '--run-dir', 'RUN'],
      '--hold-exponent 3 does nothing with --exploration epsilon-greedy',
    ],
    [['train-agent', '--game', 'Enduro', '--longest-hold-steps', '0', '--run-dir', 'RUN'], '--longest-hold-steps'],
    [['train-agent', '--resume'], '--resume needs the folder'],
    [['train-agent', '--resume', '--run-dir', 'RUN'], 'does not exist'],
    [['train-agent', '--env-id', 'Pendulum-v1', '--run-dir', 'RUN'], 'Pendulum-v1'],
    [['train-agent', '--env-id', 'CartPol-v1', '--run-dir', 'RUN'], 'CartPole-v1'],
    [['evaluate-agent'], '--run'],
    [['evaluate-agent', '--run', 'RUN'], 'does not exist'],
    [['evaluate-agent', '--run', 'RUN', '--episodes', '-1'], '--episodes'],
    [['evaluate-agent', '--run', 'RUN', '--protocol', 'mine'], 'nature, machado'],
  ];
  const missing = join(tmpdir(), `no-such-run-${process.pid}`);
  const endings = runCommands(cases.map(([words]) => words.map((word) => (word === 'RUN' ? missing : word))));
  test.each(cases.map(([words, expected], i) => [words, expected, i] as const))('%j', async ([name], expected, i) => {
    const { code, stdout, stderr } = (await endings())[i];
    const line = stderr.trim().split('\n').at(-1);
    expect(line).toContain(expected);
    expect(line!.startsWith(`${name}: `)).toBe(true);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(existsSync(missing)).toBe(false);
  });

  test('a folder that holds something else is not touched', async () => {
    writeFileSync(join(folder, 'notes.txt'), 'mine');
    const before = readdirSync(folder).sort();
    const { code, stderr } = await runCommand('train-agent', '--env-id', 'CartPole-v1', '--run-dir', folder);
    expect(code).toBe(2);
    expect(stderr).toContain('is not empty');
    expect(readdirSync(folder).sort()).toEqual(before);
  });
});

test('--print-config and --help tell of every setting', async () => {
  const config = JSON.parse(
    (await runCommand('train-agent', '--game', 'pong', '--preset', 'nature', '--print-config')).stdout,
  );
  expect(config).toMatchObject({
    game: 'Pong',
    optimizer: 'centered-rmsprop',
    replayCapacity: 1_000_000,
    normalization: 'none',
  });
  const help = (await runCommand('train-agent', '--help')).stdout;
  for (const key of Object.keys(config)) {
    expect(help).toContain(`${optionName(key)} `);
  }
});
