import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Report } from '../../scripts/benchmark/report.ts';
import { KERNEL_NORMALIZATIONS, OUTPUT_NORMALIZATIONS } from '../../src/weightnorm/index.ts';
import { printed, runCommand, startCommand } from '../processes.ts';
import { until } from '../until.ts';

const isLong = process.env.WEIGHTNORM_PROGRAMS === 'long';
const NEEDS_ASKING = 'measures for some ten seconds: npm run test:programs';

async function report(...args: string[]): Promise<Report> {
  const { code, stdout, stderr } = await runCommand('benchmark', ...args, '--json');
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('warming up');
  return JSON.parse(stdout);
}

function checkTimes({ milliseconds }: Report, rounds: number): void {
  for (const { rounds: times, median, min, max } of Object.values(milliseconds)) {
    expect(times).toHaveLength(rounds);
    for (const ms of times) expect(ms).toBeGreaterThan(0);
    expect(min).toBe(Math.min(...times));
    expect(max).toBe(Math.max(...times));
    const sorted = [...times].sort((a, b) => a - b);
    expect(median).toBeCloseTo((sorted[Math.floor((rounds - 1) / 2)] + sorted[Math.ceil((rounds - 1) / 2)]) / 2, 9);
  }
}

describe('benchmark', () => {
  test('learner prints one object whose ratios are quotients of the medians beside them', async () => {
    const result = await report('learner', '--rounds', '2', '--turn-seconds', '0.01');
    checkTimes(result, 2);
    const { milliseconds, ratios, ratioSpreads, targets, settings, figures } = result;
    expect(Object.keys(milliseconds)).toEqual(expect.arrayContaining(['eager', 'compiled', 'plain', 'floor']));
    const quotient = (above: string, below: string) => milliseconds[above].median / milliseconds[below].median;
    expect(ratios).toMatchObject({
      eagerOverCompiled: quotient('eager', 'compiled'),
      weightNormOverPlain: quotient('compiled', 'plain'),
      compiledOverFloor: quotient('compiled', 'floor'),
    });
    expect(ratios).not.toHaveProperty('torchOverCompiled'); // without --peers
    const [first, second] = [0, 1].map((i) => milliseconds.eager.rounds[i] / milliseconds.compiled.rounds[i]);
    expect(ratioSpreads.eagerOverCompiled).toMatchObject({
      min: Math.min(first, second),
      max: Math.max(first, second),
    });
    expect(targets.eagerOverCompiled).toEqual({ atLeast: 2, met: ratios.eagerOverCompiled >= 2 });
    expect(settings).toMatchObject({ batchSize: 32, numActions: 9, updateFlops: 2_183_266_304 });
    expect(figures.matrixPeakGflopPerSecond).toBeCloseTo(2_183_266_304 / milliseconds.floor.median / 1e6, 6);
    expect(result.machine).toMatchObject({ tensorflow: '2.21.0', loadBefore: expect.any(Number) });
  });

  test('agents compares the update of each with that of dqn', async ({ skip }) => {
    skip(!isLong, NEEDS_ASKING);
    const result = await report('agents', '--rounds', '1', '--turn-seconds', '0.001');
    checkTimes(result, 1);
    const others = ['dqnDueling', 'dqnNoisy', 'c51', 'qrDqn', 'rainbow', 'iqn8'];
    expect(Object.keys(result.milliseconds)).toEqual(['dqn', ...others, 'pqn']);
    expect(Object.keys(result.ratios)).toEqual(others.map((name) => `${name}OverDqn`));
    // Double DQN: 5 forward passes' worth, less the first layer's input gradient; PQN 3, of a minibatch of 256.
    const { dqnMillionMultiplyAdds, pqnMillionMultiplyAdds, iqn8MillionMultiplyAdds } = result.figures;
    expect(dqnMillionMultiplyAdds).toBeCloseTo((32 * (5 * 9_347_584 - 3_276_800)) / 1e6, 6);
    expect(pqnMillionMultiplyAdds).toBeCloseTo((256 * (3 * 9_347_584 - 3_276_800)) / 1e6, 6);
    expect(iqn8MillionMultiplyAdds).toBeGreaterThan(dqnMillionMultiplyAdds);
  });

  test('acting prints a table of times, ratios and the machine', async ({ skip }) => {
    skip(!isLong, NEEDS_ASKING);
    const { code, stdout, stderr } = await runCommand(
      'benchmark',
      'acting',
      '--rounds',
      '1',
      '--turn-seconds',
      '0.001',
    );
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^compiled, weight norm, 8 at once +\d/m);
    expect(stdout).toMatch(/^eager \/ compiled, 1 at once +\d/m);
    expect(stdout).toContain('1 rounds of 1 ms turns');
  });

  test('kernels measures every operation, whose work adds up to that of an update but for the last layer', async () => {
    const result = await report('kernels', '--rounds', '1', '--turn-seconds', '0.001');
    checkTimes(result, 1);
    const { milliseconds, figures } = result;
    const lastLayerFlops = 2 * 32 * 4 * 512 * 9;
    const flops = figures.floorMilliseconds * figures.matrixPeakGflopPerSecond * 1e6;
    expect(flops / (2_183_266_304 - lastLayerFlops)).toBeCloseTo(1, 9);
    expect(figures.sumOverFloor).toBeCloseTo(figures.sumMilliseconds / figures.floorMilliseconds, 9);
    const conv1Flops = 2 * 32 * 3_276_800;
    const share = conv1Flops / (milliseconds.conv1Forward.median * figures.matrixPeakGflopPerSecond * 1e6);
    expect(figures.conv1ForwardPercentOfPeak).toBeCloseTo(100 * share, 6);
  });

  test('normalizations measures each one, compiled and in training, over none', async ({ skip }) => {
    skip(!isLong, NEEDS_ASKING);
    const result = await report('normalizations', '--rounds', '1', '--turn-seconds', '0.001');
    checkTimes(result, 1);
    const { milliseconds, ratios } = result;
    const titles = Object.values(milliseconds).map(({ title }) => title);
    expect(titles).toEqual(['none', ...KERNEL_NORMALIZATIONS, ...OUTPUT_NORMALIZATIONS, 'weight+mean-only-batch']);
    const [none, ...others] = Object.keys(milliseconds);
    expect(Object.keys(ratios)).toEqual(others.map((name) => `${name}OverNone`));
    for (const name of others)
      expect(ratios[`${name}OverNone`]).toBe(milliseconds[name].median / milliseconds[none].median);
  });

  test('sidecar measures the bridge, Python and the emulator alone', async ({ skip }) => {
    skip(!isLong, NEEDS_ASKING);
    const result = await report('sidecar', '--rounds', '1', '--turn-seconds', '0.02');
    checkTimes(result, 1);
    const { milliseconds, ratios } = result;
    expect(ratios.directOverBridge8).toBe(milliseconds.direct8.median / milliseconds.bridge8.median);
    expect(milliseconds).toHaveProperty('ale');
  });

  test('memory counts tensors and resident memory in tenths, and its exit code is its verdict', async () => {
    const { code, stdout, stderr } = await runCommand(
      ...['benchmark', 'memory', '--updates', '100', '--batch-size', '1', '--json'],
    );
    expect(stderr).toContain('numTensors is constant');
    const { rows, tensorGrowth, constant } = JSON.parse(stdout);
    expect(code).toBe(constant ? 0 : 1);
    expect(tensorGrowth).toBe(0);
    expect(rows).toHaveLength(10);
    // Four environments, so four updates a step.
    expect(rows.at(-1).updates).toBeGreaterThanOrEqual(100);
    expect(rows.at(-1).updates).toBeLessThan(104);
    expect(rows.at(-1).rssMegabytes).toBeGreaterThan(100);
  });

  test.each([
    [['flying'], /Allowed choices are learner, agents, kernels, normalizations, cifar10, acting/],
    [['learner', '--rounds', '0'], /a whole number from 1 to 100000/],
    [['learner', '--updates', '200'], /--updates 200 does not go with "learner"/],
    [['learner', '--width-multiplier', '0.5'], /--width-multiplier 0.5 does not go with "learner"/],
    [['cifar10', '--width-multiplier', '0'], /--width-multiplier.* from 0\.02 to 8/],
  ])('%j ends with one line and exit code 2', async (args, message) => {
    const { code, stdout, stderr } = await runCommand('benchmark', ...args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^benchmark: [^\n]*\n$/);
    expect(stderr).toMatch(message);
  });

  test('Ctrl-C ends it with exit code 130, and its children', async () => {
    const benchmark = startCommand('benchmark', ['sidecar', '--rounds', '1000']);
    await printed(benchmark, 'starting emulators');
    let children: string[] = [];
    const started = () => {
      children = readFileSync(`/proc/${benchmark.pid}/task/${benchmark.pid}/children`, 'utf8').trim().split(' ');
      return children.length;
    };
    await until('two children ran', () => started() >= 2, benchmark.child);
    benchmark.child.kill('SIGINT');
    const { code, stdout } = await benchmark.ended;
    expect(code).toBe(130);
    expect(stdout).toBe('');
    await until('they ended', () => !children.some(isRunning));
  });
});

function isRunning(pid: string): boolean {
  try {
    // State Z: it has ended, and waits for its parent to hear of it.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
