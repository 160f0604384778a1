// The simulation against closed forms where it has them, and the command.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Parts, simulate } from '../../scripts/scale/simulate.ts';
import { runCommand } from '../processes.ts';

const parts: Parts = {
  ...{ environments: 4, workerCores: 4, emulatorMs: 2, jitter: 0, roundTripMs: 1, bytes: 10_000, megabits: 100 },
  ...{ updateMs: 8, updatePeriod: 4, actingMs: 1, actingStateMs: 0.5, isShared: false },
};

test('without jitter it is arithmetic', () => {
  // 2 ms of emulators, 1 + 3.2 ms of network, 8 ms of learning meanwhile, then 3 ms of choosing.
  expect(simulate(parts, 1)).toMatchObject({ bound: 'learning', emulatorShare: 2 / 11 });
  expect(simulate(parts, 1).stepsPerSecond).toBeCloseTo(4000 / 11, 6);
  const quick = { ...parts, updateMs: 1 };
  expect(simulate(quick, 1)).toMatchObject({ bound: 'network' });
  expect(simulate(quick, 1).stepsPerSecond).toBeCloseTo(4000 / (2 + 1 + 3.2 + 3), 6);
  expect(simulate({ ...quick, megabits: 1e6, emulatorMs: 9 }, 2)).toMatchObject({ bound: 'emulators' });
  // Five environments go through four cores in two rounds.
  expect(simulate({ ...quick, environments: 5 }, 1).stepsPerSecond).toBeCloseTo(5000 / (4 + 1 + 4 + 3.5), 6);
  const shared = simulate({ ...parts, isShared: true }, 1);
  expect(shared.stepsPerSecond).toBeCloseTo(4000 / (2 + 8 + 3), 6);
});

test('more workers are never slower where the network has room, and never faster than learning', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200 }),
      fc.double({ min: 0.01, max: 50, noNaN: true }),
      (workers, updateMs) => {
        const wide = { ...parts, updateMs, megabits: 1e7, actingStateMs: 0 };
        const [fewer, more] = [workers, workers + 1].map((count) => simulate(wide, count).stepsPerSecond);
        expect(more).toBeGreaterThanOrEqual(fewer * 0.999);
        expect(more).toBeLessThanOrEqual((1000 * wide.updatePeriod) / updateMs);
        expect(simulate(wide, workers).asynchronousStepsPerSecond).toBeLessThanOrEqual(4000 / updateMs);
      },
    ),
    { seed: 1, numRuns: 50 },
  );
});

test('the slowest of many workers is waited for', () => {
  const jittery = { ...parts, jitter: 0.3, updateMs: 0.1, emulatorMs: 20, megabits: 1e7 };
  const each = (workers: number) => simulate(jittery, workers).stepsPerSecond / workers;
  expect(each(100)).toBeLessThan(0.8 * each(1));
});

test('the command prints a table, or JSON', async () => {
  const { code, stdout, stderr } = await runCommand('simulate-scale', '--update-ms', '0.5');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.split('\n')).toHaveLength(13);
  expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  const one = await runCommand('simulate-scale', '--shared', '--json');
  expect(JSON.parse(one.stdout).rows).toHaveLength(1);
});

test.each(['--round-trip-ms', '--bytes', '--megabits'])(
  '--shared has no network, so that %s is refused',
  async (name) => {
    const { code, stderr } = await runCommand('simulate-scale', '--shared', name, '2');
    expect(code).toBe(2);
    expect(stderr).toBe(`simulate-scale: ${name} does nothing with --shared: there is no network\n`);
  },
);
