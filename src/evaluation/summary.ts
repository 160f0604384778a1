/** Statistics of episode returns. */
export interface ReturnSummary {
  meanReturn: number;
  medianReturn: number;
  /** Population standard deviation. */
  stdReturn: number;
  minReturn: number;
  maxReturn: number;
}

/**
 * Statistics of returns.
 * @param returns Unclipped, in any order, at least one.
 */
export function summarizeReturns(returns: readonly number[]): ReturnSummary {
  const sorted = [...returns].sort((a, b) => a - b);
  const meanReturn = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  const middle = sorted.length / 2;
  return {
    meanReturn,
    medianReturn: (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2,
    stdReturn: Math.sqrt(sorted.reduce((sum, value) => sum + (value - meanReturn) ** 2, 0) / sorted.length),
    minReturn: sorted[0],
    maxReturn: sorted.at(-1)!,
  };
}
