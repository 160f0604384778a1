// What a user's disk, folders and files of strangers do to the commands.
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mainRoot, runCommand, startCommand, startGroup, until } from '../processes.ts';
import { checkpointsOf, metricsOf } from './run-folder.ts';

let folder: string;
let trained: string;
const cartPole = (runDir: string, ...more: string[]) => [
  ...['--env-id', 'CartPole-v1', '--run-dir', runDir, '--learning-starts', '100', '--hidden-units', '16'],
  ...['--log-period-steps', '100', '--checkpoint-period-steps', '100', '--keep-checkpoints', '9', ...more],
];
const lastLine = (text: string) => text.trim().split('\n').at(-1);
/** A copy of a run of 400 agent steps. */
function copy(name: string): string {
  const path = join(folder, name);
  cpSync(trained, path, { recursive: true });
  return path;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hostile-'));
  trained = join(folder, 'trained');
  const { code, stderr } = await runCommand('train-agent', ...cartPole(trained, '--steps', '400'));
  expect(code, stderr).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a run folder that was changed by hand', () => {
  test('a setting that decides what is learned is named, with both values', async () => {
    const runDir = copy('edited');
    const config = join(runDir, 'config.json');
    writeFileSync(config, readFileSync(config, 'utf8').replace('"learningRate": 0.001', '"learningRate": 0.5'));
    const { code, stderr } = await runCommand('train-agent', '--run-dir', runDir, '--resume', '--steps', '500');
    expect(code).toBe(2);
    expect(lastLine(stderr)).toBe(
      `train-agent: ${config}: learningRate 0.5: the run learned with 0.001; put that back, or start a new run`,
    );
    expect(existsSync(join(runDir, 'run.lock'))).toBe(false);
  });

  test('lines of metrics that are gone are told, and the run goes on', async () => {
    const runDir = copy('gap');
    rmSync(join(runDir, 'metrics.jsonl'));
    const { code, stderr } = await runCommand('train-agent', '--run-dir', runDir, '--resume', '--steps', '500');
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/metrics\.jsonl: \d+ bytes of earlier lines are gone; the run goes on/);
    expect(metricsOf(runDir).at(-1)).toMatchObject({ agentSteps: 500 });
  });

  test.each([
    ['run.json', '{}'],
    ['state.json', '{}'],
    ['run.json', 'null'],
  ])('a checkpoint with %s of %s is passed over, and no line of metrics is lost', async (name, text) => {
    const runDir = copy(`state-${name}-${text.length}`);
    writeFileSync(join(runDir, 'checkpoints/400', name), text);
    const before = metricsOf(runDir).filter(({ agentSteps }) => agentSteps <= 300);
    const { code, stderr } = await runCommand('train-agent', '--run-dir', runDir, '--resume', '--steps', '450');
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(`checkpoints/400/${name}: its content has changed`);
    expect(metricsOf(runDir).slice(0, before.length)).toEqual(before);
  });
});

test('--checkpoint goes back to an earlier one; later ones are set aside, and written anew', async () => {
  const runDir = copy('back');
  const before = metricsOf(runDir).filter(({ kind }) => kind !== undefined);
  const args = ['--run-dir', runDir, '--resume', '--checkpoint', '200'];
  const { code, stderr } = await runCommand('train-agent', ...args);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('going back to step 200: the checkpoint of step 300 is now');
  expect(checkpointsOf(runDir)).toEqual([100, 200, 300, 400]);
  const numbers = (lines: Record<string, number>[]) =>
    lines.map(({ wallSeconds, stepsPerSecond, rssBytes, ...rest }) => rest);
  expect(numbers(metricsOf(runDir))).toEqual(numbers(before));
  const wrong = await runCommand('train-agent', ...args.slice(0, 3), '--checkpoint', '250');
  expect(wrong.code).toBe(2);
  expect(lastLine(wrong.stderr)).toContain('has no checkpoint at step 250: there are 100, 200, 300, 400');
});

describe('a folder from a stranger', () => {
  test('makes Python import nothing that it names, unless it is trusted', async () => {
    const runDir = copy('stranger');
    const config = join(runDir, 'config.json');
    writeFileSync(
      config,
      readFileSync(config, 'utf8').replace('"envId": "CartPole-v1"', '"envId": "antigravity:X-v1"'),
    );
    for (const command of [
      ['train-agent', '--run-dir', runDir, '--resume'],
      ['evaluate-agent', '--run', runDir],
    ]) {
      const { code, stderr } = await runCommand(command[0], ...command.slice(1));
      expect(code).toBe(2);
      expect(lastLine(stderr)).toContain('makes Python import and run the module antigravity, which this folder names');
      expect(lastLine(stderr)).toContain('--trust-modules');
    }
    const trusted = await runCommand('evaluate-agent', '--run', runDir, '--trust-modules');
    expect(trusted.stderr).not.toContain('--trust-modules');
  });

  test('prints no control characters: of its name, its settings, its errors', async () => {
    const runDir = join(folder, 'esc\x1b[2Jape');
    cpSync(trained, runDir, { recursive: true });
    const config = join(runDir, 'config.json');
    const text = readFileSync(config, 'utf8');
    const evaluated = await runCommand('evaluate-agent', '--run', runDir, '--episodes', '1', '--record', '--json');
    expect(evaluated.code, evaluated.stderr).toBe(0);
    writeFileSync(config, text.replace('"name": "dqn"', '"name": "d\\u001b]0;qn"'));
    const wrong = await runCommand('evaluate-agent', '--run', runDir);
    expect(wrong.code).toBe(2);
    for (const output of [evaluated.stdout, evaluated.stderr, wrong.stderr]) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      expect(output).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
    }
    expect(wrong.stderr).toContain('esc\\u001b[2Jape');
    expect(JSON.parse(evaluated.stdout).episodes[0].recording).toContain('esc\x1b[2Jape');
  });

  test('a recording says which run played, and not where its folder lay', async () => {
    const { stdout } = await runCommand('evaluate-agent', '--run', trained, '--episodes', '1', '--record', '--json');
    const { recording } = JSON.parse(stdout).episodes[0];
    const shown = await runCommand('replay-episode', recording, '--json');
    expect(JSON.parse(shown.stdout).actor.run).toBe('trained');
  });
});

describe('a place where nothing can be written ends with one line and exit code 2', () => {
  test.each([
    ['/proc/no-such-place', '/proc/no-such-place: cannot be made: there is no such place (ENOENT)'],
    ['x'.repeat(300), 'cannot be made: the name is too long (ENAMETOOLONG)'],
    ['', "option '--run-dir <folder>' argument '' is invalid. It takes a path"],
  ])('--run-dir %s', async (path, message) => {
    const { code, stderr } = await runCommand('train-agent', '--env-id', 'CartPole-v1', '--run-dir', path);
    expect(code, stderr).toBe(2);
    expect(lastLine(stderr)).toContain(message);
  });

  test('below a file', async () => {
    writeFileSync(join(folder, 'file'), '');
    const runDir = join(folder, 'file', 'run');
    const { code, stderr } = await runCommand('train-agent', '--env-id', 'CartPole-v1', '--run-dir', runDir);
    expect(code).toBe(2);
    expect(lastLine(stderr)).toContain('something on the way to it is no folder (ENOTDIR)');
  });

  test('from a working folder that is gone', async () => {
    const gone = join(folder, 'gone');
    mkdirSync(gone);
    const script = join(mainRoot, 'dist/scripts/train-agent.js');
    const shell = `cd '${gone}' && rmdir '${gone}' && exec '${process.execPath}' '${script}' --env-id CartPole-v1`;
    const { code, stderr } = await startGroup('bash', ['-c', shell]).ended;
    expect(code, stderr).toBe(2);
    expect(lastLine(stderr)).toBe('train-agent: the working folder has been deleted: go to another one with cd');
  });
});

test("trouble with what is only looked at does not end a run: TensorBoard's folder is taken away", async () => {
  const runDir = join(folder, 'board');
  const training = startCommand('train-agent', cartPole(runDir, '--steps', '3000', '--record-period-episodes', '2'));
  await until('it learns', () => metricsOf(runDir).length > 3, training);
  // Where recordings would go there is a file.
  rmSync(join(runDir, 'recordings'), { recursive: true, force: true });
  writeFileSync(join(runDir, 'recordings'), '');
  chmodSync(join(runDir, 'recordings'), 0o444);
  const { code, stderr } = await training.ended;
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('recording episodes stops here, the run goes on');
  expect(metricsOf(runDir).at(-1)).toMatchObject({ agentSteps: 3000 });
});

test('an evaluation that is interrupted reports the first episodes, says so and ends with 130', async () => {
  const evaluating = startCommand('evaluate-agent', ['--run', trained, '--episodes', '5000', '--record', '--json']);
  await until('some episodes', () => evaluating.output.stderr.split('\n').length > 40, evaluating);
  evaluating.child.kill('SIGINT');
  const { code, stdout, stderr } = await evaluating.ended;
  expect(code, stderr).toBe(130);
  const { interrupted, episodes, meanReturn } = JSON.parse(stdout);
  expect(interrupted).toBe(true);
  expect(stderr).toContain(`interrupted: the first ${episodes.length} of 5000 episodes, no others`);
  const returns = episodes.map((episode: { return: number }) => episode.return);
  expect(meanReturn).toBeCloseTo(returns.reduce((sum: number, value: number) => sum + value, 0) / returns.length, 6);
  // The first ones, in their order, are those that a whole evaluation finds.
  const whole = await runCommand('evaluate-agent', '--run', trained, '--episodes', String(episodes.length), '--json');
  expect(JSON.parse(whole.stdout).episodes.map((episode: { return: number }) => episode.return)).toEqual(returns);
  for (const [number, { recording, return: score }] of episodes.entries()) {
    if (number % 10 !== 0) continue;
    const shown = JSON.parse((await runCommand('replay-episode', recording, '--json')).stdout);
    expect(recording).toMatch(new RegExp(`episode${number}[.-]`));
    expect(shown.return).toBe(score);
  }
});
