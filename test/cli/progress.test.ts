import { expect, test } from 'vitest';
import { printable } from '../../src/cli/printable.ts';
import { barLine } from '../../src/cli/progress.ts';

const run = {
  ...{ done: 123_456, total: 1_000_000, unit: 'agent steps' },
  parts: ['score 356, mean 310.5', '240 steps/s', '1 h 2 min left', 'loss 0.0123', 'epsilon 0.93', '1234 episodes'],
};

test.each([40, 60, 80, 100, 120, 200])('the bar fits %i columns, and the score comes first', (width) => {
  const line = barLine({ ...run, width });
  expect(line.length).toBeLessThan(width);
  expect(line).toContain('123456/1000000');
  if (width >= 60) expect(line).toContain('score 356, mean 310.5');
  if (width >= 80) expect(line).toContain('240 steps/s');
  if (width === 200) for (const part of run.parts) expect(line).toContain(part);
});

test('a bar that is done is full, whatever it counts', () => {
  expect(barLine({ done: 10, total: 10, unit: 'updates', parts: [], width: 80 })).toBe('████████ 10/10 updates');
  expect(barLine({ done: 0, total: 0, unit: 'updates', parts: [], width: 80 })).toBe('░░░░░░░░ 0/0 updates');
});

test('control characters are shown and not obeyed; line breaks, tabs and all other letters stay', () => {
  expect(printable('a\x1b[2Jb\x07\x7f\u009b31m\r\n\tü漢🙂')).toBe(
    'a\\u001b[2Jb\\u0007\\u007f\\u009b31m\\u000d\n\tü漢🙂',
  );
  expect(printable('right\u202eleft')).toBe('right\\u202eleft');
  const json = JSON.stringify({ name: '\u009b\u2028\x1b' });
  expect(JSON.parse(printable(json))).toEqual(JSON.parse(json));
});
