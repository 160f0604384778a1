import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTensorFlow, type TensorFlowRuntime } from '../runtime/tensorflow.ts';

/** What TensorFlow's library says whenever it is loaded, whatever log level it is told. */
const NOISE =
  /^WARNING: All log messages before absl::InitializeLog|oneDNN custom operations are on\.|TF_ENABLE_ONEDNN/;

/** Loads TensorFlow for a command, without the lines that it prints each time: they are about nothing of the user's. */
export function startTensorFlow(): TensorFlowRuntime {
  return withoutNoise(NOISE, loadTensorFlow);
}

/**
 * Does work whose native code writes to standard error, and passes on the lines that are not noise. Where standard error
 * is a file, it stays as it is: a second opening of it would write over what standard output wrote there.
 */
function withoutNoise<T>(noise: RegExp, work: () => T): T {
  let original: number;
  try {
    const kind = fstatSync(2);
    if (!kind.isFIFO() && !kind.isCharacterDevice()) return work();
    original = openSync('/proc/self/fd/2', 'a');
  } catch {
    return work(); // a closed terminal, say
  }
  let folder: string;
  try {
    folder = mkdtempSync(join(tmpdir(), 'weightnorm-rl-log-'));
  } catch {
    closeSync(original);
    return work(); // a full disk: then the lines are seen
  }
  const file = join(folder, 'stderr');
  try {
    // The lowest free number is the next one's: closed and opened again, it is 2.
    const collecting = openSync(file, 'w');
    closeSync(2);
    const isCollected = openSync(file, 'a') === 2;
    closeSync(collecting);
    try {
      return work();
    } finally {
      if (isCollected) {
        closeSync(2);
        openSync(`/proc/self/fd/${original}`, 'a');
      }
    }
  } finally {
    const lines = readFileSync(file, 'utf8').split(/(?<=\n)/);
    for (const line of lines) if (line !== '' && !noise.test(line)) writeSync(original, line);
    closeSync(original);
    rmSync(folder, { recursive: true, force: true });
  }
}
