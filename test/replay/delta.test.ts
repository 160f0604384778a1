import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyDelta, encodeDelta, longestDelta } from '../../src/replay/delta.ts';

fc.configureGlobal({ seed: 1 }); // the same examples in every run

/** Encodes and decodes; checks the result and the bound on the length, and returns the length. */
function roundTrip(previous: Uint8Array, frame: Uint8Array): number {
  const start = 3;
  const encoded = new Uint8Array(start + longestDelta(frame.length)).fill(77);
  const end = encodeDelta(frame, previous, encoded, start);
  expect(end).toBeLessThanOrEqual(encoded.length);
  expect([...encoded.subarray(0, start)]).toEqual([77, 77, 77]);
  const decoded = Uint8Array.from(previous);
  applyDelta(encoded, start, decoded);
  expect(Buffer.compare(decoded, frame)).toBe(0);
  return end - start;
}

/** A frame of `size` bytes, made of stretches that are alike. */
const patched = fc
  .tuple(
    fc.integer({ min: 1, max: 2000 }),
    fc.array(fc.tuple(fc.nat(2000), fc.nat(600), fc.nat(255)), { maxLength: 12 }),
  )
  .map(([size, stretches]) => {
    const frame = new Uint8Array(size);
    for (const [start, length, value] of stretches) frame.fill(value, start, start + length);
    return frame;
  });

test('any frame comes back from its changes, whatever was before', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 700 }), fc.uint8Array({ maxLength: 700 }), (frame, other) => {
      const previous = new Uint8Array(frame.length);
      previous.set(other.subarray(0, frame.length));
      roundTrip(previous, frame);
    }),
  );
});

test('long stretches that stay or change come back', () => {
  fc.assert(
    fc.property(patched, patched, (frame, other) => {
      const previous = new Uint8Array(frame.length);
      previous.set(other.subarray(0, frame.length));
      roundTrip(previous, frame);
    }),
    { numRuns: 300 },
  );
});

test('stretches at the limits of one byte come back', () => {
  for (const stays of [0, 1, 254, 255, 256, 509, 510, 511, 765]) {
    for (const changes of [1, 254, 255, 256, 510, 511]) {
      for (const after of [0, 1, 256]) {
        const frame = new Uint8Array(stays + changes + after);
        frame.fill(9, stays, stays + changes);
        roundTrip(new Uint8Array(frame.length), frame);
      }
    }
  }
});

test('the same frame again takes 2 bytes, 10 scattered changes 3 each, the worst frame 1.5 times itself', () => {
  const size = 7056;
  const black = new Uint8Array(size);
  expect(roundTrip(black, black)).toBe(2);
  const sparse = new Uint8Array(size);
  for (let i = 0; i < 10; i++) sparse[100 * i] = 5;
  expect(roundTrip(black, sparse)).toBe(10 * 3 + 2);
  const everySecond = Uint8Array.from(black, (_, i) => i % 2);
  expect(roundTrip(black, everySecond)).toBe(1.5 * size + 2);
});
