export interface Summary {
  median: number;
  lowerQuartile: number;
  upperQuartile: number;
  min: number;
  max: number;
}

/** Summarises at least one number. */
export function summarize(values: readonly number[]): Summary {
  if (values.length === 0) throw new RangeError('There is nothing to summarize: give at least one number');
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    lowerQuartile: quantile(sorted, 0.25),
    upperQuartile: quantile(sorted, 0.75),
    min: sorted[0],
    max: sorted[sorted.length - 1],
  };
}

/** The arithmetic mean; NaN of nothing. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Interpolated linearly between order statistics, as NumPy does by default (Hyndman and Fan 1996, definition 7). */
export function quantile(sorted: readonly number[], share: number): number {
  const position = (sorted.length - 1) * share;
  const below = Math.floor(position);
  const above = Math.ceil(position);
  return sorted[below] + (sorted[above] - sorted[below]) * (position - below);
}

export interface RatioSummary {
  /** The quotient of the two medians. */
  value: number;
  /** Statistics of the quotients within each round: what the machine's drift does to both at once cancels in them. */
  spread: Summary;
}

/** Ratio of two variants that took turns: entry i of both is from round i. */
export function ratioOf(above: readonly number[], below: readonly number[]): RatioSummary {
  if (above.length !== below.length) {
    throw new RangeError(`${above.length} rounds of one variant and ${below.length} of the other cannot be compared`);
  }
  return {
    value: summarize(above).median / summarize(below).median,
    spread: summarize(above.map((value, round) => value / below[round])),
  };
}
