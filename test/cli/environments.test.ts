// What the commands say of environments: one line and exit code 2 where it is the user's to mend.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommands, startCommand } from '../processes.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'environments-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const id = (name: string) => `bridge_test_envs:${name}-v0`;
const trainAgent = (...args: string[]) => startCommand('train-agent', args).ended;

describe('is refused with exit code 2', () => {
  const cases: [string[], string][] = [
    [['--env-id', 'ALE/Pong-v5'], '--env-id ALE/Pong-v5 names an Atari game: give --game Pong'],
    [['--env-id', 'PongNoFrameskip-v4'], '--env-id PongNoFrameskip-v4 names an Atari game: give --game Pong'],
    [['--env-id', 'Pong'], '--env-id Pong names an Atari game: give --game Pong'],
    [['--game', 'CartPole-v1'], '--game CartPole-v1 names no Atari game: give --env-id CartPole-v1'],
    [['--game', 'joust'], 'with several players only'],
    [['--env-id', 'nowhere_at_all:X-v0'], 'no Python module "nowhere_at_all"'],
    [['--env-id', id('NoSpaces')], 'has no action_space that can be used'],
    [['--env-id', id('EmptyShape')], 'which shows nothing'],
    [['--env-id', id('OneAction')], 'has 1 action, so there is nothing to choose'],
    [['--env-id', id('Sized')], 'cannot be made without --env-option: Sized.__init__() missing 1 required positional'],
    [['--env-id', 'CartPole-v1', '--network', 'nature'], 'give --network mlp'],
    [['--env-id', id('Image'), '--env-option', 'shape=[16,16,3]', '--network', 'nature'], 'give --padding same or'],
    [['--env-id', 'CartPole-v1', '--max-noops', '5'], '--max-noops 5 does nothing with --env-id CartPole-v1'],
    [['--env-id', 'CartPole-v1', '--max-episode-frames', '5'], 'give --max-episode-steps'],
    [['--env-id', 'CartPole-v1', '--max-episode-steps', '0'], '--max-episode-steps'],
    [['--game', 'Pong', '--env-option', 'a=1'], '--env-option {"a":1} does nothing with --game Pong'],
    [['--env-id', 'CartPole-v1', '--env-option', 'a'], "argument 'a' is invalid. It takes key=value."],
    [['--env-id', 'CartPole-v1', '--env-option', 'a=1', '--env-option', 'a=2'], '"a" was given before'],
    [['--env-id', 'CartPole-v1', '--n-step', '40000'], 'is too early: 1 environments and 40000-step returns'],
  ];
  const runDir = join(tmpdir(), `refused-${process.pid}`);
  const endings = runCommands(cases.map(([args]) => ['train-agent', ...args, '--run-dir', runDir]));
  test.each(cases.map(([args, expected], i) => [args, expected, i] as const))('%j', async (_, expected, i) => {
    const { code, stdout, stderr } = (await endings())[i];
    const line = stderr.trim().split('\n').at(-1)!;
    expect(line).toContain(expected);
    expect(line.startsWith('train-agent: ')).toBe(true);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(existsSync(runDir)).toBe(false);
  });
});

test('--env-option values are JSON where they parse as such, and are kept for what comes later', async () => {
  const runDir = join(folder, 'sized');
  const options = ['--env-option', 'size=3', '--env-option', 'label=four'];
  const short = ['--steps', '60', '--learning-starts', '40', '--max-episode-steps', '7'];
  const { code, stderr } = await trainAgent('--env-id', id('Sized'), ...options, ...short, '--run-dir', runDir);
  expect(code, stderr).toBe(0);
  const { settings } = JSON.parse(readFileSync(join(runDir, 'config.json'), 'utf8'));
  expect(settings).toMatchObject({ envOptions: { size: 3, label: 'four' }, maxEpisodeSteps: 7 });

  const resumed = await trainAgent('--run-dir', runDir, '--resume', '--trust-modules', '--env-option', 'size=4');
  expect(resumed).toMatchObject({ code: 2, stderr: expect.stringContaining('a resumed run keeps its settings') });

  const evaluation = await startCommand('evaluate-agent', [
    ...['--run', runDir, '--trust-modules', '--episodes', '1', '--max-episode-steps', '5', '--json'],
  ]).ended;
  expect(evaluation.code, evaluation.stderr).toBe(0);
  expect(JSON.parse(evaluation.stdout)).toMatchObject({
    episodes: [{ lengthSteps: 5, truncated: true }],
    settings: { envOptions: { size: 3, label: 'four' }, maxEpisodeSteps: 5 },
  });
  const frames = await startCommand('evaluate-agent', ['--run', runDir, '--trust-modules', '--max-episode-frames', '5'])
    .ended;
  expect(frames).toMatchObject({ code: 2, stderr: expect.stringContaining('give --max-episode-steps') });
});

test('one game has one folder and one set of settings, however it is spelled', async () => {
  const printed = [];
  for (const game of ['breakout', 'Breakout', 'ALE/Breakout-v5']) {
    printed.push((await trainAgent('--game', game, '--print-config')).stdout);
  }
  expect(JSON.parse(printed[0]).game).toBe('Breakout');
  expect(new Set(printed).size).toBe(1);
});
