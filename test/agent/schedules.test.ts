import { expect, test } from 'vitest';
import { linearDecay } from '../../src/agent/schedules.ts';

test('epsilon falls in a straight line and stays at its ends', () => {
  const epsilon = (step: number) => linearDecay(step, 1, 0.1, 1_000_000);
  expect(epsilon(-50_000)).toBe(1);
  expect(epsilon(0)).toBe(1);
  expect(epsilon(500_000)).toBeCloseTo(0.55, 10);
  expect(epsilon(1_000_000)).toBeCloseTo(0.1, 10);
  expect(epsilon(9_000_000)).toBeCloseTo(0.1, 10);
});
