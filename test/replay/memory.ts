import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/**
 * Bytes that typed arrays take in this process, garbage collected: what they take is freed a moment after the
 * collection.
 */
export async function takenBytes(): Promise<number> {
  let taken = Number.POSITIVE_INFINITY;
  for (let unchanged = 0; unchanged < 3; ) {
    collectGarbage();
    await setTimeout(10);
    const now = process.memoryUsage().arrayBuffers;
    unchanged = now < taken ? 0 : unchanged + 1;
    taken = now;
  }
  return taken;
}
