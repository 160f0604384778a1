/** A width times a factor, at least 1. */
export function widened(factor: number): (width: number) => number {
  return (width) => Math.max(1, Math.round(width * factor));
}
