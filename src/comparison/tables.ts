// A comparison as rows of text, for pages and terminals.
import { columns } from '../report/columns.ts';
import type { Comparison, Estimate, GroupResult } from './compare.ts';

/** Longer names do not fit into a legend. */
const LONGEST_NAME = 18;

/** The comparison for a terminal, a line each. */
export function comparisonLines(comparison: Comparison): string[] {
  const { groups, step, score, normalization, improvements } = comparison;
  const names = shortNames(groups);
  const nameOf = new Map(groups.map(({ label }, i) => [label, names[i]]));
  return [
    `after ${step} agent steps, ${score} scores`,
    ...(groups.some(({ label }, i) => label !== names[i])
      ? ['', ...groups.map(({ label }, i) => `${names[i]}  ${label}`)]
      : []),
    '',
    ...columns(scoreRows(comparison, names)),
    '',
    normalization,
    ...columns(aggregateRows(comparison, names)),
    ...(improvements.length > 0 ? [''] : []),
    ...improvements.map(
      ({ of, over, probability }) => `P(${nameOf.get(of)} > ${nameOf.get(over)}) = ${estimateText(probability)}`,
    ),
  ];
}

/** What a legend calls the groups: their labels, or letters where one is too long. */
export function shortNames(groups: readonly Pick<GroupResult, 'label'>[]): string[] {
  if (groups.every(({ label }) => label.length <= LONGEST_NAME)) return groups.map(({ label }) => label);
  return groups.map((_, i) => (i < 26 ? String.fromCharCode(65 + i) : `group ${i + 1}`));
}

/** Rows of a table of scores: a group and an environment each. */
export function scoreRows({ groups }: Comparison, names: readonly string[]): string[][] {
  return [
    ['', 'environment', 'runs', 'mean', 'lowest', 'highest', 'best evaluation, mean'],
    ...groups.flatMap(({ environments }, i) =>
      environments.map(({ environment, scores, mean, best }) => [
        names[i],
        environment,
        String(scores.length),
        ...[mean, Math.min(...scores), Math.max(...scores)].map(scoreText),
        best === undefined ? '-' : scoreText(best),
      ]),
    ),
  ];
}

/** Rows of a table of aggregates. */
export function aggregateRows({ groups }: Comparison, names: readonly string[]): string[][] {
  return [
    ['', 'interquartile mean', 'median', 'mean'],
    ...groups.map(({ aggregate }, i) =>
      aggregate === undefined
        ? [names[i], 'not in every environment', '-', '-']
        : [names[i], ...[aggregate.iqm, aggregate.median, aggregate.mean].map(estimateText)],
    ),
  ];
}

/** "0.45 (0.31 to 0.60)" */
export function estimateText({ value, low, high }: Estimate): string {
  const text = (number: number) => number.toFixed(2);
  return `${text(value)} (${text(low)} to ${text(high)})`;
}

function scoreText(score: number): string {
  return Number(score.toPrecision(4)).toLocaleString('en');
}
