import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findPython } from '../../envs/src/python.ts';
import {
  type Ending,
  type HasOutput,
  mainRoot,
  processes,
  type Started,
  signal,
  startCommand,
  startGroup,
  startNpm,
  startNpx,
  trainerOf,
  until,
} from '../processes.ts';
import { checkpointsOf, metricsOf } from './run-folder.ts';

// `npm run test:faults` sends more signals, and to more processes.
const isLong = process.env.WEIGHTNORM_FAULTS === 'long';
const MORE_SIGNALS: NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGUSR2'];

let folder: string;
let runs = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'signals-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const newRun = () => join(folder, `run${runs++}`);
/** A run without an end, which has saved nothing yet when it is told to stop. */
const endless = (runDir: string) => [
  ...['--env-id', 'CartPole-v1', '--steps', '100000000', '--run-dir', runDir],
  ...['--checkpoint-period-steps', '100000000', '--log-period-steps', '50'],
];

/** Waits until the run is learning. */
async function learning(runDir: string, started: Started): Promise<void> {
  await until('learning', () => metricsOf(runDir).some((line) => 'loss' in line), started);
}

/** All that belonged to the run is gone, and it goes on from where it was stopped. */
async function expectSaved(runDir: string, started: HasOutput): Promise<void> {
  const belongs = () => processes().filter(({ command }) => command.includes(runDir));
  await until('all processes of the run to end', () => belongs().length === 0, started);
  const [step, ...others] = checkpointsOf(runDir);
  expect(others).toEqual([]);
  const last = metricsOf(runDir).findLast((line) => 'epsilon' in line)!.agentSteps;
  expect(step).toBeGreaterThanOrEqual(last);
  expect(existsSync(join(runDir, 'run.lock'))).toBe(false);
}

async function expectResumable(runDir: string): Promise<void> {
  const [step] = checkpointsOf(runDir);
  const { ended } = startCommand('train-agent', ['--run-dir', runDir, '--resume', '--steps', String(step + 60)]);
  const { code, stderr } = await ended;
  expect(code, stderr).toBe(0);
  expect(checkpointsOf(runDir)).toEqual([step + 60]);
}

describe('a request to stop saves, whoever gets it', () => {
  const toGroup = ({ pid }: Started) => -pid;
  const toNpm = ({ pid }: Started) => pid;
  const toTrainer = ({ pid }: Started) => trainerOf(pid)!;

  const toWhoStarted: [NodeJS.Signals, string, (started: Started) => number, typeof startNpm][] = [
    ['SIGTERM', 'the process group', toGroup, startNpm],
    ['SIGKILL', 'npm', toNpm, startNpm],
    ['SIGINT', 'npx', toNpm, startNpx],
  ];
  const more: typeof toWhoStarted = [
    ['SIGINT', 'the process group', toGroup, startNpm],
    ['SIGHUP', 'the process group', toGroup, startNpm],
    ['SIGTERM', 'npm', toNpm, startNpm],
    ['SIGINT', 'npm', toNpm, startNpm],
    ['SIGTERM', 'npx', toNpm, startNpx],
  ];
  test.each([...toWhoStarted, ...(isLong ? more : [])])('%s to %s', async (name, _, target, startRun) => {
    const runDir = newRun();
    const started = startRun('train-agent', endless(runDir));
    await learning(runDir, started);
    signal(target(started), name);
    await started.ended;
    await expectSaved(runDir, started);
  });

  test.each<NodeJS.Signals>(['SIGTERM', 'SIGHUP', 'SIGUSR1', ...(isLong ? MORE_SIGNALS : [])])(
    '%s to the trainer',
    async (name) => {
      const runDir = newRun();
      const started = startCommand('train-agent', endless(runDir));
      await learning(runDir, started);
      signal(toTrainer(started), name);
      const { code, stdout, stderr } = await started.ended;
      expect(code, stderr).toBe(0);
      expect(stdout).toMatch(/^Stopped at agent step \d+/);
      expect(stderr).not.toContain('Debugger');
      await expectSaved(runDir, started);
      if (name === 'SIGTERM') await expectResumable(runDir);
    },
  );

  test('SIGTERM to the group of a supervised run', async () => {
    const runDir = newRun();
    const started = startNpm('train-supervised', [
      ...['--task', 'vae-mnist', '--recipe', 'reduced', '--train-examples', '200', '--test-examples', '100'],
      ...['--epochs', '100000', '--checkpoint-period-epochs', '100000', '--evaluation-period-epochs', '100000'],
      ...['--log-period-updates', '1', '--run-dir', runDir],
    ]);
    await until('learning', () => metricsOf(runDir).length > 0, started);
    signal(-started.pid, 'SIGTERM');
    const { stdout, stderr } = await started.ended;
    expect(stdout, stderr).toContain('Stopped at epoch');
    expect(checkpointsOf(runDir)).toHaveLength(1);
  });
});

describe('a stopped sidecar does not keep a run from saving at', () => {
  test.each<NodeJS.Signals>(isLong ? ['SIGTERM', 'SIGINT'] : ['SIGTERM'])('%s', async (name) => {
    const runDir = newRun();
    const started = startCommand('train-agent', endless(runDir));
    await learning(runDir, started);
    const sidecar = processes().find(({ parent, command }) => parent === started.pid && command.includes('gymnasium'))!;
    signal(sidecar.pid, 'SIGSTOP');
    signal(started.pid, name);
    const { code, stdout, stderr } = await started.ended;
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^Stopped at agent step \d+/);
    await expectSaved(runDir, started);
    await expectResumable(runDir);
  });
});

describe('output that cannot be written does not end the work', () => {
  const finite = (runDir: string) => [
    ...['--env-id', 'CartPole-v1', '--steps', '400', '--learning-starts', '100', '--run-dir', runDir],
  ];
  const shell = (script: string, runDir: string) =>
    startGroup('bash', [
      '-c',
      `set -o pipefail; node dist/scripts/train-agent.js "$@" ${script}`,
      'bash',
      ...finite(runDir),
    ]);

  test.each([
    ['a reader that leaves', '2>&1 | head -c 5'],
    ['a reader that reads nothing', '2>&1 | true'],
    ['a closed output', '>&- 2>&-'],
    ['a full disk', '> /dev/full 2>&1'],
  ])('%s', async (_, script) => {
    const runDir = newRun();
    const { code, stderr } = await shell(script, runDir).ended;
    expect(code, stderr).toBe(0);
    expect(checkpointsOf(runDir)).toEqual([400]);
  });

  test('a result that is lost is no success', async () => {
    const runDir = newRun();
    const trained = await startCommand('train-agent', finite(runDir)).ended;
    expect(trained.code, trained.stderr).toBe(0);
    const evaluate = `node dist/scripts/evaluate-agent.js --run "${runDir}" --episodes 1 --json`;
    const full = await startGroup('bash', ['-c', `${evaluate} > /dev/full`]).ended;
    expect(full.code).toBe(1);
    expect(full.stderr).toContain('the result cannot be written to standard output (ENOSPC)');
    const closed = await startGroup('bash', ['-c', `${evaluate} | true`]).ended;
    expect(closed.code, closed.stderr).toBe(0);
  });
});

describe('in a terminal', () => {
  /** Runs a shell command in a pseudo-terminal of 80 columns; `then` is "interrupt" (Ctrl-C) or "hang-up". */
  async function inTerminal(command: string, runDir: string, then: 'interrupt' | 'hang-up'): Promise<Ending> {
    const started = startGroup(findPython(), [join(mainRoot, 'test/cli/terminal.py'), then, command]);
    await learning(runDir, started);
    started.child.kill('SIGUSR1'); // asks terminal.py to do it
    return started.ended;
  }
  const words = (runDir: string) =>
    `npm run --silent train-agent -- ${endless(runDir)
      .map((word) => `'${word}'`)
      .join(' ')}`;

  test('Ctrl-C saves, also when tee ends first, and brings the cursor back', async () => {
    const runDir = newRun();
    const ending = await inTerminal(`${words(runDir)} 2>&1 | tee '${runDir}.log'`, runDir, 'interrupt');
    await expectSaved(runDir, { output: ending });
    expect(readFileSync(`${runDir}.log`, 'utf8')).toContain('writing to');

    const plain = newRun();
    const { stdout } = await inTerminal(words(plain), plain, 'interrupt');
    await expectSaved(plain, { output: { stdout, stderr: '' } });
    expect(stdout).toContain('Stopped at agent step');
    expect(stdout.lastIndexOf('\x1b[?25h')).toBeGreaterThan(stdout.lastIndexOf('\x1b[?25l'));
  });

  test('a closed terminal saves', async () => {
    const runDir = newRun();
    const ending = await inTerminal(words(runDir), runDir, 'hang-up');
    await expectSaved(runDir, { output: ending });
  });
});
