import { describe, expect, test } from 'vitest';
import { interleave } from '../../scripts/benchmark/rounds.ts';
import { ratioOf, summarize } from '../../src/report/statistics.ts';

describe('a summary', () => {
  test('has the quartiles that NumPy gives', () => {
    // numpy.percentile([7, 1, 3, 10, 4], [50, 25, 75]) == [4, 3, 7]; of [1, 2, 3, 10]: [2.5, 1.75, 4.75]
    expect(summarize([7, 1, 3, 10, 4])).toEqual({ median: 4, lowerQuartile: 3, upperQuartile: 7, min: 1, max: 10 });
    expect(summarize([10, 3, 1, 2])).toEqual({
      median: 2.5,
      lowerQuartile: 1.75,
      upperQuartile: 4.75,
      min: 1,
      max: 10,
    });
  });

  test('of one number is that number, and of none an error', () => {
    expect(summarize([5])).toEqual({ median: 5, lowerQuartile: 5, upperQuartile: 5, min: 5, max: 5 });
    expect(() => summarize([])).toThrow('nothing to summarize');
  });

  test('leaves its input in order', () => {
    const values = [3, 1, 2];
    summarize(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe('a ratio', () => {
  test('is the quotient of the medians, its spread that of the quotients within rounds', () => {
    // A slow second round doubles both: the quotients within rounds do not see it.
    const { value, spread } = ratioOf([20, 40, 22], [10, 20, 10]);
    expect(value).toBe(2.2);
    expect(spread).toMatchObject({ median: 2, min: 2, max: 2.2 });
  });

  test('needs rounds of both', () => {
    expect(() => ratioOf([1, 2], [1])).toThrow('2 rounds of one variant and 1 of the other');
  });
});

describe('interleaved rounds', () => {
  const recorder = (durations: Record<string, number>) => {
    const turns: string[] = [];
    const variants = Object.entries(durations).map(([name, ms]) => ({
      name,
      title: name,
      turn: (turnMs: number) => {
        turns.push(`${name} ${turnMs}`);
        return ms + turns.length;
      },
    }));
    return { turns, variants };
  };

  test('give every variant one turn a round, every other one backwards, and leave the warm-up out', async () => {
    const { turns, variants } = recorder({ a: 100, b: 200 });
    const heard: number[] = [];
    const times = await interleave(variants, { rounds: 2, turnMs: 5, onRound: (round) => heard.push(round) });
    expect(turns).toEqual(['b 5', 'a 5', 'a 5', 'b 5', 'b 5', 'a 5']);
    expect(times).toEqual({ a: [103, 106], b: [204, 205] });
    expect(heard).toEqual([0, 1, 2]);
  });

  test('stop after three rounds when the time is up', async () => {
    const { variants } = recorder({ a: 1 });
    const { a } = await interleave(variants, { rounds: 50, turnMs: 5, maxMs: 0 });
    expect(a).toHaveLength(3);
  });
});
