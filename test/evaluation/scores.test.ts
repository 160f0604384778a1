import { expect, test } from 'vitest';
import { humanNormalizedScore, summarizeReturns } from '../../src/evaluation/index.ts';

test('human-normalised scores are 0 for random play and 1 for the human tester', () => {
  expect(humanNormalizedScore('enduro', 860.5)).toBe(1);
  expect(humanNormalizedScore('pong', -20.7)).toBe(0);
  expect(humanNormalizedScore('breakout', 401.2)).toBeCloseTo(13.87, 2);
  expect(humanNormalizedScore('no_such_game', 1)).toBeUndefined();
});

test('returns are summarised by mean, median, population std and range', () => {
  expect(summarizeReturns([4, 1, 1, 2])).toEqual({
    meanReturn: 2,
    medianReturn: 1.5,
    stdReturn: Math.sqrt(1.5),
    minReturn: 1,
    maxReturn: 4,
  });
  expect(summarizeReturns([3, -1, 7]).medianReturn).toBe(3);
});
