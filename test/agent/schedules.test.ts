import { describe, expect, test } from 'vitest';
import { isScheduled, linearDecay, type RateSchedule, scheduledRate } from '../../src/agent/schedules.ts';

test('epsilon falls in a straight line and stays at its ends', () => {
  const epsilon = (step: number) => linearDecay(step, 1, 0.1, 1_000_000);
  expect(epsilon(-50_000)).toBe(1);
  expect(epsilon(0)).toBe(1);
  expect(epsilon(500_000)).toBeCloseTo(0.55, 10);
  expect(epsilon(1_000_000)).toBeCloseTo(0.1, 10);
  expect(epsilon(9_000_000)).toBeCloseTo(0.1, 10);
});

describe('learning rates', () => {
  const schedule = (given: Partial<RateSchedule>): RateSchedule => ({
    ...{ learningRate: 0.4, learningRateSchedule: 'constant', learningRateWarmupSteps: 0, learningRateEnd: 0.1 },
    ...{ steps: 1200, learningStarts: 200 },
    ...given,
  });
  const rates = (given: Partial<RateSchedule>, elapsed: number[], period?: number) =>
    elapsed.map((steps) => scheduledRate(steps, schedule(given), period));
  const expectRates = (actual: number[], expected: number[]) => {
    expect(actual).toHaveLength(expected.length);
    for (const [i, rate] of actual.entries()) expect(rate).toBeCloseTo(expected[i], 12);
  };

  test('stay where nothing moves them', () => {
    expect(rates({}, [-200, 0, 500, 5000])).toEqual([0.4, 0.4, 0.4, 0.4]);
    expect([schedule({}), schedule({ learningRateWarmupSteps: 1 })].map(isScheduled)).toEqual([false, true]);
    expect(isScheduled(schedule({ learningRateSchedule: 'cosine' }))).toBe(true);
  });

  test('fall in a straight line, or as half a cosine, from the start of learning to the end of the run', () => {
    expectRates(rates({ learningRateSchedule: 'linear' }, [-9, 0, 500, 1000, 2000]), [0.4, 0.4, 0.25, 0.1, 0.1]);
    const [quarter, rest] = [(1 + Math.SQRT1_2) / 2, (1 - Math.SQRT1_2) / 2];
    expectRates(rates({ learningRateSchedule: 'cosine' }, [0, 250, 500, 750, 1000, 1001]), [
      ...[0.4, 0.1 + 0.3 * quarter, 0.25, 0.1 + 0.3 * rest, 0.1, 0.1],
    ]);
  });

  test('rise from 0 first; the fall begins after that', () => {
    const warm = { learningRateWarmupSteps: 100 };
    expectRates(rates(warm, [-200, 0, 49, 99, 100, 900]), [0, 0.004, 0.2, 0.4, 0.4, 0.4]);
    expectRates(rates({ ...warm, learningRateSchedule: 'linear' }, [99, 100, 550, 1000]), [0.4, 0.4, 0.25, 0.1]);
    // Rates that last for 50 agent steps, such as those of rollouts.
    expectRates(rates(warm, [0, 50, 100], 50), [0.2, 0.4, 0.4]);
    expectRates(rates({ learningRateWarmupSteps: 1000, learningRateSchedule: 'linear' }, [499, 999]), [0.2, 0.4]);
  });
});
