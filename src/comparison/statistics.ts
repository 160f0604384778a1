// Statistics of a few runs on several environments, as Agarwal et al. 2021 ("Deep reinforcement learning at the edge of
// the statistical precipice", arXiv:2108.13264) recommend them and their package rliable computes them.
import { mean, quantile } from '../report/statistics.ts';

/** Normalised scores: a list for each environment, with one score of each run. */
export type Scores = readonly (readonly number[])[];

/** The mean over environments of the mean over runs. */
export function meanScore(scores: Scores): number {
  return mean(scores.map(mean));
}

/** The median over environments of the mean over runs. */
export function medianScore(scores: Scores): number {
  const means = scores.map(mean).sort((a, b) => a - b);
  return quantile(means, 0.5);
}

/**
 * The interquartile mean: of all scores together, without the lowest and the highest quarter (each rounded down to
 * whole scores). It takes single lucky and unlucky runs out, and needs fewer runs than the median to be as certain.
 */
export function interquartileMean(scores: Scores): number {
  const sorted = scores.flat().sort((a, b) => a - b);
  const cut = Math.floor(sorted.length / 4);
  return mean(sorted.slice(cut, sorted.length - cut));
}

/**
 * How likely a run of `a` scores higher than one of `b` on the same environment, drawn at random: the mean over
 * environments of the Mann-Whitney statistic over its largest value; equal scores count one half.
 * @throws RangeError where the two have other environments.
 */
export function probabilityOfImprovement(a: Scores, b: Scores): number {
  if (a.length !== b.length) {
    throw new RangeError(`${a.length} environments and ${b.length} cannot be compared: give scores on the same ones`);
  }
  return mean(
    a.map((scores, i) => {
      const pairs = scores.flatMap((x) => b[i].map((y): number => (x > y ? 1 : x === y ? 0.5 : 0)));
      return mean(pairs);
    }),
  );
}

/** A source of random numbers. */
interface Random {
  integer(n: number): number;
}

/** How uncertain a statistic is. */
export interface IntervalOptions {
  readonly random: Random;
  /** Samples drawn; 2,000 unless given. */
  readonly repetitions?: number;
  /** The share of them that the interval holds; 0.95 unless given. */
  readonly confidence?: number;
}

/**
 * A confidence interval by the stratified bootstrap: runs are drawn again, with replacement, within each environment
 * and each group; the interval holds the middle share of what the statistic then is (the percentile method).
 * @param groups Such as one agent's scores, or two agents'.
 */
export function bootstrapInterval<const G extends readonly Scores[]>(
  groups: G,
  statistic: (...groups: { [K in keyof G]: Scores }) => number,
  { random, repetitions = 2000, confidence = 0.95 }: IntervalOptions,
): [low: number, high: number] {
  const values = Array.from({ length: repetitions }, () => {
    const drawn = groups.map((scores) => scores.map((runs) => runs.map(() => runs[random.integer(runs.length)])));
    return statistic(...(drawn as unknown as { [K in keyof G]: Scores }));
  }).sort((a, b) => a - b);
  const tail = (1 - confidence) / 2;
  return [quantile(values, tail), quantile(values, 1 - tail)];
}
