import { type RatioSummary, ratioOf, type Summary, summarize } from '../../src/report/statistics.ts';
import type { Machine } from './machine.ts';
import type { MemoryResult, MemoryRow } from './memory.ts';
import type { Plan, Ratio } from './plan.ts';

/** What a benchmark prints with --json. */
export interface Report {
  benchmark: string;
  work: string;
  machine: Machine & { loadBefore: number; loadAfter: number };
  rounds: number;
  turnMs: number;
  settings: Record<string, unknown>;
  /** Times of one piece of work by variant; `rounds` has one number a round. */
  milliseconds: Record<string, Summary & { title: string; rounds: number[] }>;
  /** Times divided by times: quotients of the medians above. */
  ratios: Record<string, number>;
  /** Statistics of the quotients within each round, by ratio. */
  ratioSpreads: Record<string, Summary>;
  /** Whether each ratio that has a target meets it. */
  targets: Record<string, { atLeast?: number; atMost?: number; met: boolean }>;
  figures: Record<string, number>;
}

export function makeReport(
  benchmark: string,
  plan: Plan,
  times: Readonly<Record<string, readonly number[]>>,
  { machine, turnMs }: Pick<Report, 'machine' | 'turnMs'>,
): Report {
  const milliseconds: Report['milliseconds'] = {};
  for (const { name, title } of plan.variants) {
    milliseconds[name] = { title, ...summarize(times[name]), rounds: [...times[name]] };
  }
  const ratios: Report['ratios'] = {};
  const ratioSpreads: Report['ratioSpreads'] = {};
  const targets: Report['targets'] = {};
  for (const ratio of plan.ratios) {
    const { value, spread }: RatioSummary = ratioOf(times[ratio.above], times[ratio.below]);
    ratios[ratio.name] = value;
    ratioSpreads[ratio.name] = spread;
    if (ratio.target !== undefined) targets[ratio.name] = { ...ratio.target, met: meets(value, ratio.target) };
  }
  const medians = Object.fromEntries(Object.entries(milliseconds).map(([name, { median }]) => [name, median]));
  return {
    benchmark,
    work: plan.work,
    machine,
    rounds: times[plan.variants[0].name].length,
    turnMs,
    settings: { ...plan.settings },
    milliseconds,
    ratios,
    ratioSpreads,
    targets,
    figures: plan.figures?.(medians) ?? {},
  };
}

/** The report as tables for a terminal. */
export function formatReport(report: Report, plan: Plan): string {
  const scale = plan.unit === 'us' ? 1000 : 1;
  const times = plan.variants.map(({ name, title }) => {
    const { median, lowerQuartile, upperQuartile, min, max } = report.milliseconds[name];
    const show = (ms: number) => digits(ms * scale);
    return [
      title,
      show(median),
      `${show(lowerQuartile)} - ${show(upperQuartile)}`,
      `${show(min)} - ${show(max)}`,
      digits(1000 / median),
    ];
  });
  const ratios = plan.ratios.map(({ name, title, target }) => {
    const { lowerQuartile, upperQuartile, min, max } = report.ratioSpreads[name];
    return [
      title,
      digits(report.ratios[name]),
      `${digits(lowerQuartile)} - ${digits(upperQuartile)}`,
      `${digits(min)} - ${digits(max)}`,
      target === undefined ? '' : `${describeTarget(target)}: ${report.targets[name].met ? 'met' : 'missed'}`,
    ];
  });
  const figures = Object.entries(report.figures).map(([name, value]) => [name, digits(value)]);
  const parts = [
    `${report.benchmark}: ${report.work}`,
    describe(report),
    '',
    ...table([['', `${plan.unit}, median`, 'quartiles', 'range', 'per second'], ...times]),
  ];
  if (ratios.length > 0)
    parts.push('', ...table([['time / time', 'of medians', 'quartiles of rounds', 'range', 'target'], ...ratios]));
  if (figures.length > 0) parts.push('', ...table(figures));
  return `${parts.join('\n')}\n`;
}

export const memoryHeader = memoryLine(['updates', 'numTensors', 'RSS MB', 'seconds']);

export function formatMemoryRow({ updates, numTensors, rssMegabytes, seconds }: MemoryRow): string {
  return memoryLine([updates, numTensors, rssMegabytes.toFixed(1), seconds.toFixed(0)]);
}

export function formatMemoryVerdict({ constant, tensorGrowth, rssGrowth }: MemoryResult): string {
  const tensors = tensorGrowth === 0 ? 'numTensors is constant' : `numTensors varies by ${tensorGrowth}`;
  return (
    `${constant ? 'constant' : 'NOT constant'} after warm-up (the first tenth): ${tensors}, RSS grows by ` +
    `${(rssGrowth * 100).toFixed(2)} % (at most 2 %)`
  );
}

function memoryLine(cells: (string | number)[]): string {
  return cells.map((cell) => String(cell).padStart(10)).join('  ');
}

function meets(value: number, target: NonNullable<Ratio['target']>): boolean {
  return 'atLeast' in target ? value >= target.atLeast : value <= target.atMost;
}

function describeTarget(target: NonNullable<Ratio['target']>): string {
  return 'atLeast' in target ? `at least ${digits(target.atLeast)}` : `at most ${digits(target.atMost)}`;
}

function describe({ machine, rounds, turnMs }: Report): string {
  const { cpu, cores, device, tensorflow, node, loadBefore, loadAfter } = machine;
  return [
    `${cpu}, ${cores} cores; TensorFlow ${tensorflow} on ${device}, Node ${node}`,
    `${rounds} rounds of ${turnMs} ms turns; load ${loadBefore} before, ${loadAfter} after`,
  ].join('\n');
}

/** Three significant digits, and no fewer than the whole number has. */
function digits(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** Columns padded to their widest cell, the first to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd(),
  );
}
