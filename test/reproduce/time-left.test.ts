import fc from 'fast-check';
import { expect, test } from 'vitest';
import { secondsLeft } from '../../src/jobs/time-left.ts';

const training = (seconds: number) => ({ kind: 'training', seconds });
const question = (seconds: number) => ({ kind: 'question', seconds });
const queued = (runs: number) => Array<string>(runs).fill('training');

test('two at a time, the first of thirty is finished: half of what thirty take one by one is left', () => {
  const first = { finished: [training(100)], running: [training(100)], queued: queued(28), atOnce: 2 };
  expect(secondsLeft(first)).toBe(1400);
  expect(secondsLeft({ ...first, running: [training(100), training(0)], queued: queued(27) })).toBe(1400);
  expect(secondsLeft({ ...first, running: [training(150), training(50)], queued: queued(27) })).toBe(1375);
});

test('nothing is known before the first is finished, and a slow last run ends now', () => {
  expect(secondsLeft({ finished: [], running: [training(500)], queued: queued(2), atOnce: 1 })).toBeUndefined();
  expect(secondsLeft({ finished: [training(9)], running: [training(10)], queued: [], atOnce: 8 })).toBe(0);
});

test('questions and trainings have times of their own', () => {
  const finished = [training(1000), question(10), training(2000)];
  expect(secondsLeft({ finished, running: [], queued: ['question', 'question', 'training'], atOnce: 1 })).toBe(1520);
  expect(secondsLeft({ finished: [question(10)], running: [], queued: ['training'], atOnce: 1 })).toBe(10);
});

test('no more places than jobs: the longest one bounds the time, and one place takes the sum', () => {
  const jobs = fc.array(fc.constantFrom('training', 'question'), { minLength: 1, maxLength: 20 });
  const seconds = fc.double({ min: 0, max: 1e4, noNaN: true });
  fc.assert(
    fc.property(jobs, seconds, seconds, fc.integer({ min: 1, max: 30 }), (kinds, long, short, atOnce) => {
      const finished = [training(long), question(short)];
      const left = (places: number) => secondsLeft({ finished, running: [], queued: kinds, atOnce: places })!;
      const each = kinds.map((kind) => (kind === 'training' ? long : short));
      expect(left(1)).toBeCloseTo(
        each.reduce((sum, value) => sum + value, 0),
        6,
      );
      expect(left(atOnce)).toBeLessThanOrEqual(left(1));
      expect(left(atOnce)).toBeGreaterThanOrEqual(Math.max(...each));
      expect(left(kinds.length)).toBeCloseTo(Math.max(...each), 6);
    }),
  );
});
