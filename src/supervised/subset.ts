import type { LabelledImages } from '../datasets/index.ts';

/** The first `count` examples; all for 0 and for more than there are. */
export function firstExamples({ images, labels }: LabelledImages, pixels: number, count: number): LabelledImages {
  if (count === 0 || count >= labels.length) return { images, labels };
  return { images: images.subarray(0, count * pixels), labels: labels.subarray(0, count) };
}
