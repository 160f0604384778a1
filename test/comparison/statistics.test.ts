import { describe, expect, test } from 'vitest';
import {
  bootstrapInterval,
  interquartileMean,
  meanScore,
  medianScore,
  probabilityOfImprovement,
} from '../../src/comparison/index.ts';
import { Generator } from '../../src/random/index.ts';
import rliable from './rliable.json' with { type: 'json' };

const random = () => new Generator(1, 'bootstrap');

describe('as rliable computes them (rliable.json, made by rliable_oracle.py)', () => {
  test.each(rliable.cases.map((values) => [values.name, values] as const))('%s', (_, { a, b, expected }) => {
    // rliable has runs in rows and environments in columns.
    const [ours, others] = [a, b].map((rows) => rows[0].map((_value, i) => rows.map((row) => row[i])));
    expect(meanScore(ours!)).toBeCloseTo(expected.mean, 10);
    expect(medianScore(ours!)).toBeCloseTo(expected.median, 10);
    expect(interquartileMean(ours!)).toBeCloseTo(expected.iqm, 10);
    expect(probabilityOfImprovement(ours!, others!)).toBeCloseTo(expected.improvement, 10);
    // Intervals are drawn: equal but for the noise of 20,000 and 50,000 samples.
    const interval = bootstrapInterval([ours!], interquartileMean, { random: random(), repetitions: 20_000 });
    const width = expected.iqmInterval[1] - expected.iqmInterval[0];
    for (const end of [0, 1] as const) {
      expect(Math.abs(interval[end] - expected.iqmInterval[end])).toBeLessThan(0.06 * width + 1e-12);
    }
    const improvement = bootstrapInterval([ours!, others!], probabilityOfImprovement, {
      random: random(),
      repetitions: 20_000,
    });
    for (const end of [0, 1] as const) {
      expect(Math.abs(improvement[end] - expected.improvementInterval[end])).toBeLessThan(0.04);
    }
  });
});

test('the interquartile mean is that of the middle half', () => {
  expect(
    interquartileMean([
      [100, 1, 2, -50],
      [3, 4, 5, 6],
    ]),
  ).toBe((2 + 3 + 4 + 5) / 4);
  expect(interquartileMean([[1, 2, 9]])).toBe(4); // a quarter of three runs is none
});

test('equal scores count one half', () => {
  expect(probabilityOfImprovement([[1, 2]], [[1, 2]])).toBe(0.5);
  expect(probabilityOfImprovement([[3], [0]], [[1], [1]])).toBe(0.5);
  expect(() => probabilityOfImprovement([[1]], [[1], [2]])).toThrow('1 environments and 2 cannot be compared');
});

test('the bootstrap draws within environments, and the same for the same seed', () => {
  const scores = [
    [0, 0, 0],
    [10, 10, 10],
  ];
  expect(bootstrapInterval([scores], meanScore, { random: random(), repetitions: 50 })).toEqual([5, 5]);
  const spread = [[1, 2, 3, 4]];
  const drawn = () => bootstrapInterval([spread], meanScore, { random: random(), repetitions: 200 });
  expect(drawn()).toEqual(drawn());
  expect(drawn()[0]).toBeLessThan(2.5);
  expect(drawn()[1]).toBeGreaterThan(2.5);
});
