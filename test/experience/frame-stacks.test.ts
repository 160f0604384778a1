import { expect, test } from 'vitest';
import { FrameStacks } from '../../src/experience/index.ts';

test('the states that environments are in are stacked like those that are sampled', () => {
  const stacks = new FrameStacks(2, 3, [1], 'uint8');
  stacks.push(0, Uint8Array.of(1), true);
  stacks.push(1, Uint8Array.of(9), true);
  stacks.push(0, Uint8Array.of(2), false);
  expect([...stacks.states]).toEqual([0, 1, 2, 0, 0, 9]);
  stacks.push(0, Uint8Array.of(3), false);
  stacks.push(0, Uint8Array.of(4), false);
  stacks.push(1, Uint8Array.of(8), true);
  expect([...stacks.states]).toEqual([2, 3, 4, 0, 0, 8]);
  expect([...stacks.newest(0)]).toEqual([4]);
});
