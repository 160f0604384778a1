import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Generator } from '../../src/random/index.ts';
import { DeltaFrames } from '../../src/replay/delta-frames.ts';
import { bytesOf, type FrameArray, newFrames } from '../../src/replay/frame-store.ts';
import { takenBytes } from './memory.ts';

fc.configureGlobal({ seed: 1 }); // the same examples in every run

type Change = 'same' | 'few' | 'stretch' | 'all';

/** The next frame of a lane: what it is made of is drawn from `random`, bit patterns of NaN included. */
function nextFrame(previous: FrameArray, change: Change, random: Generator): FrameArray {
  const frame = previous.slice();
  const bytes = bytesOf(frame);
  const alter = (from: number, count: number) => {
    for (let i = from; i < Math.min(bytes.length, from + count); i++) bytes[i] = random.integer(256);
  };
  if (change === 'few') for (let i = 0; i < 3; i++) alter(random.integer(bytes.length), 1);
  if (change === 'stretch') alter(random.integer(bytes.length), random.integer(bytes.length) + 1);
  if (change === 'all') alter(0, bytes.length);
  return frame;
}

test('whatever is appended, every run of held frames is read bit for bit, also long after the ring is full', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom<Change>('same', 'few', 'few', 'few', 'stretch', 'all'), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 90 }),
      fc.integer({ min: 1, max: 300 }),
      fc.constantFrom<'uint8' | 'float32'>('uint8', 'float32'),
      fc.constantFrom(0, 1, 123_456_789_012),
      fc.nat(1000),
      (changes, rows, frameSize, dtype, firstRow, seed) => {
        const store = new DeltaFrames({ rows, frameSize, dtype });
        const random = new Generator(seed, 'frames');
        const appended: FrameArray[] = [];
        let frame = newFrames(dtype, frameSize);
        for (let i = 0; i < 3 * rows + 20; i++) {
          frame = nextFrame(frame, changes[i % changes.length], random);
          appended.push(frame.slice());
          store.append(firstRow + i, frame);
          const held = Math.min(rows, i + 1);
          const from = i + 1 - held + random.integer(held);
          const to = Math.min(i, from + random.integer(8));
          const wrong: number[] = [];
          let next = from;
          store.read(firstRow + from, firstRow + to, (read, row) => {
            if (row !== firstRow + next || Buffer.compare(bytesOf(read), bytesOf(appended[next])) !== 0)
              wrong.push(row);
            next += 1;
          });
          expect([wrong, next]).toEqual([[], to + 1]);
        }
      },
    ),
    { numRuns: 50 },
  );
});

/** Frames of Atari's size, each a little different from the one before, or in every byte. */
class Stream {
  private readonly random = new Generator(5, 'stream');
  private readonly frame = new Uint8Array(7056);
  private row = 0;

  appendTo(store: DeltaFrames, count: number, differing: 'little' | 'everywhere'): void {
    for (let i = 0; i < count; i++) {
      const flip = 1 + this.random.integer(255);
      if (differing === 'everywhere') for (let j = 0; j < this.frame.length; j++) this.frame[j] ^= flip;
      else for (let j = 0; j < 200; j++) this.frame[this.random.integer(7056)] ^= flip;
      store.append(this.row++, this.frame);
    }
  }
}

test('overwritten many times the frames take no more memory than when they were first complete', async () => {
  const rows = 1000;
  const stream = new Stream();
  const before = await takenBytes();
  const store = new DeltaFrames({ rows, frameSize: 7056, dtype: 'uint8' });
  stream.appendTo(store, rows, 'little');
  const complete = (await takenBytes()) - before;
  expect(complete).toBeLessThan(0.25 * rows * 7056);
  stream.appendTo(store, 9 * rows, 'little');
  const later = (await takenBytes()) - before;
  expect(later).toBeLessThan(complete + 1.5e6); // a few chunks, begun or waiting
  store.read(10 * rows - 1, 10 * rows - 1, () => {});
});

test('frames that do not compress take at most 2 % more than uncompressed', async () => {
  const rows = 3000;
  const stream = new Stream();
  const before = await takenBytes();
  const store = new DeltaFrames({ rows, frameSize: 7056, dtype: 'uint8' });
  for (let lap = 0; lap < 2; lap++) {
    stream.appendTo(store, rows, 'everywhere');
    stream.appendTo(store, rows / 2, 'little');
    stream.appendTo(store, rows, 'everywhere');
  }
  const taken = (await takenBytes()) - before;
  const slack = 3 * 64 * 7057 + 16 * 7057; // chunks begun at both ends, rows behind the oldest
  expect(taken).toBeGreaterThan(0.95 * rows * 7056);
  expect(taken).toBeLessThan(1.02 * rows * 7056 + slack);
  store.read(5 * rows - 1, 5 * rows - 1, () => {});
});
