import type { TaskEvaluateOptions } from './task.ts';

/**
 * A whole test set in batches of one size, as a compiled step takes them: the last begins earlier, and `fresh` is where
 * its unseen examples start.
 */
export function* testBatches(
  count: number,
  batchSize: number,
  onProgress?: TaskEvaluateOptions['onProgress'],
): Generator<{ start: number; fresh: number }> {
  for (let done = 0; done < count; ) {
    const start = Math.min(done, count - batchSize);
    yield { start, fresh: done - start };
    done = start + batchSize;
    onProgress?.(done, count);
  }
}
