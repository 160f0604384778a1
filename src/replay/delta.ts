/*
 * A frame as the changes since the one before, in a series of
 *   skip   1 byte: how many bytes stay as they were
 *   count  1 byte: how many bytes follow that replace what is there
 *   the replacing bytes
 * Longer stretches take several of these, and "skip 0, count 0" ends the series.
 */

const LONGEST = 255;

/** Bytes that the changes of a frame may take at most: every second byte has changed. */
export function longestDelta(frameBytes: number): number {
  return Math.ceil(frameBytes * 1.5) + 5;
}

/** Writes what makes `frame` out of `previous` into `target` from `start` on, and returns where it ends. */
export function encodeDelta(frame: Uint8Array, previous: Uint8Array, target: Uint8Array, start: number): number {
  const size = frame.length;
  let out = start;
  let position = 0;
  for (;;) {
    let skip = -position;
    while (position < size && frame[position] === previous[position]) position++;
    if (position === size) break;
    skip += position;
    for (; skip > LONGEST; skip -= LONGEST) {
      target[out++] = LONGEST;
      target[out++] = 0;
    }
    const runEnd = Math.min(size, position + LONGEST);
    target[out++] = skip;
    const countAt = out++;
    const runStart = out;
    while (position < runEnd && frame[position] !== previous[position]) target[out++] = frame[position++];
    target[countAt] = out - runStart;
  }
  target[out++] = 0;
  target[out++] = 0;
  return out;
}

/** Makes the next frame out of the one in `frame`, by the changes in `source` from `start` on. */
export function applyDelta(source: Uint8Array, start: number, frame: Uint8Array): void {
  let position = 0;
  let at = start;
  for (;;) {
    const skip = source[at++];
    const count = source[at++];
    if (skip === 0 && count === 0) return;
    position += skip;
    for (const end = at + count; at < end; ) frame[position++] = source[at++];
  }
}
