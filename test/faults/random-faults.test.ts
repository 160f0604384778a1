// Random faults of real processes and files. `npm test` tries a few; `npm run test:faults` tries many.
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CartPole, vectorize } from 'gymnasium-js-bridge';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resume, train } from '../../agents/index.ts';
import { Generator } from '../../src/random/index.ts';
import { metricsOf, numbersOf } from '../cli/run-folder.ts';
import {
  processes,
  runCommand,
  type Started,
  sidecarOf,
  signal,
  startCommand,
  startNpm,
  trainerOf,
  until,
} from '../processes.ts';

const isLong = process.env.WEIGHTNORM_FAULTS === 'long';
const KILLS = isLong ? 50 : 2;
const DAMAGES = isLong ? 50 : 3;
/** On a slow machine the kills that are left after this are left out, and named: the whole stays below ten minutes. */
const LONGEST_MS = 7 * 60_000;
const startMs = performance.now();
const SEED = Number(process.env.WEIGHTNORM_FAULTS_SEED ?? 1);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'random-faults-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Without what the faults change. */
const numbers = (runDir: string) => numbersOf(runDir, 'examplesPerSecond', 'numTensors', 'sidecarRestarts');
const finalState = (runDir: string) => {
  const steps = readdirSync(join(runDir, 'checkpoints')).filter((name) => /^\d+$/.test(name));
  return readFileSync(join(runDir, 'checkpoints', String(Math.max(...steps.map(Number))), 'state.safetensors'));
};

interface Scenario {
  name: string;
  command: 'train-agent' | 'train-supervised';
  args: string[];
  hasSidecar: boolean;
}
const scenarios: Scenario[] = [
  {
    name: 'CartPole',
    command: 'train-agent',
    hasSidecar: true,
    args: [
      ...['--env-id', 'CartPole-v1', '--num-envs', '2', '--exploration', 'temporally-extended', '--steps', '3000'],
      ...['--learning-starts', '100', '--hidden-units', '16', '--log-period-steps', '50', '--env-timeout-seconds', '5'],
      ...['--checkpoint-period-steps', '500', '--replay-capacity', '1000'],
    ],
  },
  {
    name: 'Pong',
    command: 'train-agent',
    hasSidecar: true,
    args: [
      ...['--game', 'Pong', '--num-envs', '2', '--sticky-action-probability', '0.25', '--max-episode-frames', '400'],
      ...['--learning-starts', '100', '--hidden-units', '8', '--batch-size', '4', '--update-period-steps', '20'],
      ...['--steps', '800', '--log-period-steps', '40', '--replay-capacity', '600', '--env-timeout-seconds', '5'],
      ...['--checkpoint-period-steps', '200'],
    ],
  },
  {
    name: 'VAE',
    command: 'train-supervised',
    hasSidecar: false,
    args: [
      ...['--task', 'vae-mnist', '--recipe', 'reduced', '--maps', '2,2,2', '--dense-units', '16'],
      ...['--latent-units', '4', '--flow-units', '8', '--batch-size', '20', '--train-examples', '300'],
      ...['--test-examples', '50', '--epochs', '5'],
      ...['--log-period-updates', '4', '--initialization-examples', '100'],
    ],
  },
  {
    name: 'Rainbow',
    command: 'train-agent',
    hasSidecar: true,
    args: [
      ...['--agent', 'rainbow', '--env-id', 'CartPole-v1', '--num-envs', '2', '--steps', '1500'],
      ...['--learning-starts', '100', '--hidden-units', '16', '--log-period-steps', '50', '--env-timeout-seconds', '5'],
      ...['--checkpoint-period-steps', '300', '--replay-capacity', '1000'],
    ],
  },
  {
    name: 'PQN',
    command: 'train-agent',
    hasSidecar: true,
    args: [
      ...['--agent', 'pqn', '--env-id', 'CartPole-v1', '--num-envs', '4', '--steps', '4000', '--rollout-steps', '16'],
      ...['--hidden-units', '16', '--log-period-steps', '100', '--env-timeout-seconds', '5'],
      ...['--checkpoint-period-steps', '700', '--exploration', 'temporally-extended'],
    ],
  },
];

/** Whom a fault hits, and with what. */
const faults: [target: 'trainer' | 'sidecar' | 'npm' | 'group', name: NodeJS.Signals][] = [
  ...(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL'] as const).map((name) => ['trainer', name] as const),
  ...(['SIGKILL', 'SIGSTOP', 'SIGTERM'] as const).map((name) => ['sidecar', name] as const),
  ...(['SIGTERM', 'SIGINT', 'SIGKILL'] as const).map((name) => ['npm', name] as const),
  ...(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL'] as const).map((name) => ['group', name] as const),
].map(([target, name]) => [target, name]);

describe('random kills', () => {
  const unbroken = new Map<Scenario, string>();
  const reference = async (scenario: Scenario) => {
    let runDir = unbroken.get(scenario);
    if (runDir === undefined) {
      runDir = join(folder, `${scenario.name}-whole`);
      unbroken.set(scenario, runDir);
      const { code, stderr } = await runCommand(scenario.command, ...scenario.args, '--run-dir', runDir);
      expect(code, stderr).toBe(0);
    }
    return runDir;
  };
  /** Sends a signal to whom it is for; false where that one has ended meanwhile. */
  const strike = (started: Started, target: (typeof faults)[number][0], name: NodeJS.Signals) => {
    const pid = {
      trainer: () => trainerOf(started.pid) ?? started.pid,
      sidecar: () => sidecarOf(started.pid),
      npm: () => started.pid,
      group: () => -started.pid,
    }[target]();
    if (pid !== undefined) signal(pid, name);
  };

  test.for(Array.from({ length: KILLS }, (_, i) => i))(
    'number %i: nothing is lost, nothing is left',
    async (i, { skip }) => {
      skip(performance.now() - startMs > LONGEST_MS, 'seven minutes are over');
      const random = new Generator(SEED, `kill ${i}`);
      const scenario = scenarios[i % scenarios.length];
      const possible = faults.filter(([target]) => scenario.hasSidecar || target !== 'sidecar');
      const [target, name] = possible[random.integer(possible.length)];
      const whole = await reference(scenario);
      const lines = numbers(whole).length;
      const runDir = join(folder, `${scenario.name}-${i}`);
      const args = [...scenario.args, '--run-dir', runDir];
      const started = target === 'npm' ? startNpm(scenario.command, args) : startCommand(scenario.command, args);
      const about = `${scenario.name}, ${name} to the ${target}`;
      const after = 1 + random.integer(Math.max(1, lines - 3));
      await until(`${about}: ${after} lines`, () => metricsOf(runDir).length >= after, started);
      strike(started, target, name);
      const { code, stdout, stderr } = await started.ended;
      if (code === 0) expect(stdout, `${about}\n${stderr}`).toMatch(/^(Stopped|Finished) at /m);
      await until(
        `${about}: no process is left`,
        () => processes().every(({ group }) => group !== started.pid),
        started,
      );

      const resumed = await runCommand(scenario.command, '--run-dir', runDir, '--resume');
      expect(resumed.code, `${about}\n${resumed.stderr}`).toBe(0);
      expect(resumed.stdout).toContain('Finished at');
      expect(numbers(runDir), about).toEqual(numbers(whole));
      expect(finalState(runDir).equals(finalState(whole)), about).toBe(true);
      rmSync(runDir, { recursive: true });
    },
  );
});

describe('damaged checkpoints', () => {
  const env = () => vectorize(() => new CartPole(), { numEnvs: 2 });
  const settings = { learningStarts: 60, hiddenUnits: [8], batchSize: 8, logPeriodSteps: 50, keepCheckpoints: 9 };
  let whole: string;
  beforeAll(async () => {
    whole = join(folder, 'checkpoints-whole');
    const run = await train({ ...settings, env: env(), steps: 300, checkpointPeriodSteps: 100, runDir: whole });
    await run.finish();
  });

  test.each(Array.from({ length: DAMAGES }, (_, i) => i))('number %i: named, and the one before is used', async (i) => {
    const random = new Generator(SEED, `damage ${i}`);
    const runDir = join(folder, `damaged-${i}`);
    cpSync(whole, runDir, { recursive: true });
    const newest = join(runDir, 'checkpoints/300');
    const files = readdirSync(newest, { recursive: true, encoding: 'utf8' }).filter((file) =>
      statSync(join(newest, file)).isFile(),
    );
    const file = join(newest, files[random.integer(files.length)]);
    const { size } = statSync(file);
    const how = random.integer(5);
    if (how === 0) {
      const bytes = readFileSync(file);
      bytes[random.integer(size)] ^= 1 << random.integer(8);
      writeFileSync(file, bytes);
    } else if (how === 1) truncateSync(file, random.integer(size));
    else if (how === 2) rmSync(file);
    else if (how === 3) writeFileSync(file, '{}');
    else writeFileSync(file, '');
    const notes: string[] = [];
    const run = await resume({ runDir, env: env(), note: (line) => notes.push(line) });
    expect(run.position, `${file}, ${how}`).toBe(200);
    expect(notes.join('\n')).toContain(newest);
    await run.finish();
    expect(numbers(runDir)).toEqual(numbers(whole));
    expect(finalState(runDir).equals(finalState(whole))).toBe(true);
    rmSync(runDir, { recursive: true });
  });
});

/** Whether this process may mount a small file system. */
function canMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), 'mount-probe-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', probe], { stdio: 'ignore' });
    execFileSync('umount', [probe], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}

describe.skipIf(!canMount())('a disk of a few kilobytes (needs root, to mount one)', () => {
  let disk: string;
  beforeAll(() => {
    disk = join(folder, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=120k', 'tmpfs', disk]);
  });
  afterAll(() => execFileSync('umount', [disk]));

  test('ends a run with one line that names path and mend; with space it goes on to the same numbers', async () => {
    const scenario = scenarios[0];
    const [whole, runDir] = [join(folder, 'disk-whole'), join(disk, 'run')];
    const unbroken = await runCommand(scenario.command, ...scenario.args, '--run-dir', whole);
    expect(unbroken.code, unbroken.stderr).toBe(0);
    const { code, stdout, stderr } = await runCommand(scenario.command, ...scenario.args, '--run-dir', runDir);
    expect(code, stderr).toBe(1);
    expect(stdout).toBe('');
    expect(stderr.trim().split('\n').at(-1)).toMatch(
      /^train-agent: .*disk\/run.*: .* cannot be written: the disk is full: free some space \(ENOSPC\)$/,
    );
    execFileSync('mount', ['-o', 'remount,size=20m', disk]);
    const resumed = await runCommand(scenario.command, '--run-dir', runDir, '--resume');
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(numbers(runDir)).toEqual(numbers(whole));
    expect(finalState(runDir).equals(finalState(whole))).toBe(true);
  });
});
