/**
 * The learning rate at `progress`, in [0, 1): rises from 0 during `warmUp`, stays, and falls to 0 from `decayStart` on;
 * both are shares of the run.
 */
export function learningRateAt(
  progress: number,
  { learningRate, warmUp, decayStart }: { learningRate: number; warmUp: number; decayStart: number },
): number {
  const rising = warmUp > 0 ? progress / warmUp : 1;
  const falling = decayStart < 1 ? (1 - progress) / (1 - decayStart) : 1;
  return learningRate * Math.max(0, Math.min(1, rising, falling));
}
