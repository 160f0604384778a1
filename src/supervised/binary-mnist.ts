// MNIST of zeros and ones, as the generative models take it.

import { binarise, DEFAULT_DATA_DIR, loadLarochelleMnist, loadMnist } from '../datasets/index.ts';
import { choice } from '../settings/index.ts';

export const binarisation = choice(
  'fixed: each pixel drawn once, from a seed of its own; larochelle: the files of Larochelle in --data-dir',
  ['fixed', 'larochelle'],
);

const PIXELS = 28 * 28;
/** The same images for every run, so that bounds of different seeds are about the same test set. */
const BINARISATION_SEED = 1;

/** One byte a pixel, 0 or 1; only the first so many images of each set, all for 0. */
export async function loadBinaryMnist({
  dataDir,
  binarisation: kind,
  trainExamples,
  testExamples,
}: {
  dataDir: string | null;
  binarisation: 'fixed' | 'larochelle';
  trainExamples: number;
  testExamples: number;
}): Promise<{ train: Uint8Array; test: Uint8Array }> {
  const first = (images: Uint8Array, count: number) => (count === 0 ? images : images.subarray(0, count * PIXELS));
  if (kind === 'larochelle') {
    const { train, test } = await loadLarochelleMnist({ dataDir: dataDir ?? DEFAULT_DATA_DIR });
    return { train: first(train, trainExamples), test: first(test, testExamples) };
  }
  const { train, test } = await loadMnist({ dataDir: dataDir ?? undefined });
  return {
    train: binarise(first(train.images, trainExamples), BINARISATION_SEED, 'train'),
    test: binarise(first(test.images, testExamples), BINARISATION_SEED, 'test'),
  };
}
