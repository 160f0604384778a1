// The arithmetic behind the charts of the page.
import { expect, test } from 'vitest';
import type { RunRow } from '../../src/viewer/api.ts';
import { columnsOf, lineOfRun, meanOf, publishedLine, smooth } from '../../src/viewer/page/lines.ts';
import { hashOf, readPlace } from '../../src/viewer/page/place.ts';

const run = (framesPerStep: number | null) => ({ framesPerStep }) as RunRow;
const points = { position: [1, 2, 3], wallSeconds: [null, 60, 120], mean: [5, null, 7] };

test('a run over steps, frames and minutes; values that are not there are left out', () => {
  expect(lineOfRun(run(4), points, 'steps', 0)).toEqual({ x: [1, 3], y: [5, 7] });
  expect(lineOfRun(run(4), points, 'frames', 0)).toEqual({ x: [4, 12], y: [5, 7] });
  expect(lineOfRun(run(null), points, 'frames', 0)).toBeUndefined();
  expect(lineOfRun(run(4), points, 'minutes', 0)).toEqual({ x: [2], y: [7] });
});

test('smoothing is a mean: a constant stays, and the first value stays', () => {
  for (const value of smooth([3, 3, 3], 0.9)) expect(value).toBeCloseTo(3);
  const [first, second] = smooth([1, 4], 0.5);
  expect(first).toBeCloseTo(1);
  expect(second).toBeCloseTo((0.5 * 1 + 4) / 1.5);
});

test('the mean of two lines lies between them, and does not jump where one ends a little earlier', () => {
  const mean = meanOf([
    { x: [0, 100], y: [0, 0] },
    { x: [0, 98], y: [10, 10] },
  ]);
  expect(new Set(mean.y)).toEqual(new Set([5]));
  expect([mean.low?.at(-1), mean.high?.at(-1)]).toEqual([0, 10]);
  const apart = meanOf([
    { x: [0, 100], y: [0, 0] },
    { x: [0, 50], y: [10, 10] },
  ]);
  expect([apart.y[0], apart.y.at(-1)]).toEqual([5, 0]);
});

test('lines are brought to one axis: straight between their points, nothing beyond their ends', () => {
  const { x, lines } = columnsOf([
    { x: [0, 2], y: [0, 20] },
    { x: [1, 3], y: [5, 5] },
  ]);
  expect(x).toEqual([0, 1, 2, 3]);
  expect(lines.map(({ y }) => y)).toEqual([
    [0, 10, 20, null],
    [null, 5, 5, 5],
  ]);
  const many = Array.from({ length: 5000 }, (_, i) => i);
  const single = columnsOf([
    { x: many, y: many },
    { x: [0.123], y: [1] },
  ]);
  expect(single.x.length).toBeLessThan(2100);
  expect(single.lines[1].y.filter((value) => value !== null)).toEqual([1]);
});

test('a published curve ends where the runs end', () => {
  const curve = {
    ...{ name: 'Other', agent: 'dqn' },
    points: [100, 200].map((step) => ({ step, mean: step, low: step - 1, high: step + 1 })),
  };
  expect(publishedLine(curve, 'steps', 150)).toEqual({
    x: [100, 150],
    y: [100, 150],
    low: [99, 149],
    high: [101, 151],
  });
  expect(publishedLine(curve, 'frames', 800)?.x).toEqual([400, 800]);
  expect(publishedLine(curve, 'steps', 50)).toBeUndefined();
  expect(publishedLine(curve, 'minutes', 150)).toBeUndefined();
});

test('an address keeps what is chosen, and one that makes no sense is none', () => {
  const place = readPlace('#/curves?run=a&run=b%20c&curve=x%2Fy&x=minutes&smooth=0.5&mean=no');
  expect(place).toMatchObject({ runs: ['a', 'b c'], curves: ['x/y'], axis: 'minutes', smoothing: 0.5, isMean: false });
  expect(readPlace(hashOf(place))).toEqual(place);
  expect(readPlace(hashOf({ ...place, runs: [] })).runs).toEqual([]);
  expect(readPlace('#/curves?x=parsecs&smooth=7')).toMatchObject({ axis: 'steps', smoothing: 0, runs: undefined });
});
