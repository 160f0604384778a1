/** From `start` to `end` in a straight line over `duration` steps; constant before step 0 and after. */
export function linearDecay(step: number, start: number, end: number, duration: number): number {
  const progress = Math.min(1, Math.max(0, step / duration));
  return start + (end - start) * progress;
}
