// From the points of runs to the lines of a chart: pure functions.
import type { PublishedCurve } from '../../comparison/published-curves.ts';
import type { CurveColumns } from '../../runs/curve.ts';
import type { RunRow } from '../api.ts';
import type { AxisName } from './place.ts';

/** A line over a horizontal axis, x rising. */
export interface Line {
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** A band around it; both or neither. */
  readonly low?: readonly number[] | undefined;
  readonly high?: readonly number[] | undefined;
}

/** A chart's columns: x, and of each line y, low and high, null where it is not. */
export interface Columns {
  readonly x: number[];
  readonly lines: {
    readonly y: (number | null)[];
    readonly low?: (number | null)[];
    readonly high?: (number | null)[];
  }[];
}

/** In those who published. */
const FRAMES_PER_STEP = 4;
/** Points on the axis of a mean over seeds. */
const MEAN_POINTS = 500;
/** The share of an axis that is little. */
const LITTLE = 0.05;
/** More are finer than a screen. */
const MOST_X = 2000;

/** How many of an axis' units one position of a run is; undefined where the run knows nothing of them. */
export function unitsPerStep(run: RunRow, axis: AxisName): number | undefined {
  if (axis === 'steps') return 1;
  return axis === 'frames' ? (run.framesPerStep ?? undefined) : undefined;
}

/** The line of one run; undefined where it has nothing to show over this axis. */
export function lineOfRun(run: RunRow, points: CurveColumns, axis: AxisName, smoothing: number): Line | undefined {
  const factor = unitsPerStep(run, axis);
  const kept: number[] = [];
  const x: number[] = [];
  for (let i = 0; i < points.position.length; i++) {
    const seconds = points.wallSeconds[i];
    const at =
      axis === 'minutes' ? (seconds === null ? undefined : seconds / 60) : factor && points.position[i] * factor;
    if (at === undefined || points.mean[i] === null) continue;
    x.push(at);
    kept.push(i);
  }
  if (x.length === 0) return undefined;
  const column = (values: readonly (number | null)[]) => kept.map((i) => values[i] as number);
  // A band of single values behind a smoothed line would say nothing of it.
  const hasBand = smoothing === 0 && points.low !== undefined && points.high !== undefined;
  return {
    x,
    y: smooth(column(points.mean), smoothing),
    ...(hasBand && { low: column(points.low), high: column(points.high) }),
  };
}

/** The exponential moving average, corrected for having begun at 0. */
export function smooth(values: readonly number[], weight: number): number[] {
  if (weight === 0) return [...values];
  let average = 0;
  let trust = 0;
  return values.map((value) => {
    average = weight * average + (1 - weight) * value;
    trust = weight * trust + (1 - weight);
    return average / trust;
  });
}

/**
 * The mean of lines wherever one of them is, within a band from the lowest to the highest. One that begins a little
 * later or ends a little earlier than another counts as going on straight: else the mean would jump there for no
 * reason.
 */
export function meanOf(lines: readonly Line[]): Line {
  if (lines.length === 1) return lines[0];
  const x = evenly(lines, MEAN_POINTS);
  const reach = (x[x.length - 1] - x[0]) * LITTLE;
  const values = lines.map(({ x: own, y }) => {
    const [first, last] = [own[0], own[own.length - 1]];
    const held = x.map((place) => {
      if (place < first && first - place <= reach) return first;
      return place > last && place - last <= reach ? last : place;
    });
    return at({ x: own, y }, held, y);
  });
  const there = x.map((_, i) => values.map((column) => column[i]).filter((value) => value !== null));
  const kept = x.map((_, i) => i).filter((i) => there[i].length > 0);
  const column = (of: (values: readonly number[]) => number) => kept.map((i) => of(there[i]));
  return {
    x: kept.map((i) => x[i]),
    y: column((all) => all.reduce((sum, value) => sum + value, 0) / all.length),
    low: column((all) => Math.min(...all)),
    high: column((all) => Math.max(...all)),
  };
}

/** A published curve up to where the runs end. */
export function publishedLine({ points }: PublishedCurve, axis: AxisName, end: number): Line | undefined {
  if (axis === 'minutes') return undefined;
  const all = points.map(({ step }) => step * (axis === 'frames' ? FRAMES_PER_STEP : 1));
  const x = all.filter((place) => place <= end);
  if (x.length === 0) return undefined;
  if (x.length < all.length) x.push(end);
  const column = (of: (point: PublishedCurve['points'][number]) => number) => {
    const values = points.map(of);
    return at({ x: all, y: values }, x, values).filter((value) => value !== null);
  };
  return { x, y: column(({ mean }) => mean), low: column(({ low }) => low), high: column(({ high }) => high) };
}

/** Brings lines to one axis; between two points of a line it is straight. */
export function columnsOf(lines: readonly Line[]): Columns {
  let x = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
  if (x.length > MOST_X) {
    const single = lines.filter((line) => line.x.length === 1).map((line) => line.x[0]);
    x = [...new Set([...evenly(lines, MOST_X), ...single])].sort((a, b) => a - b);
  }
  return {
    x,
    lines: lines.map((line) => ({
      y: at(line, x, line.y),
      ...(line.low && line.high && { low: at(line, x, line.low), high: at(line, x, line.high) }),
    })),
  };
}

/** So many places from where the first line begins to where the last one ends. */
function evenly(lines: readonly Line[], count: number): number[] {
  const low = Math.min(...lines.map((line) => line.x[0]));
  const high = Math.max(...lines.map((line) => line.x[line.x.length - 1]));
  return Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));
}

/** A line's values at rising places; null before its first point and after its last. */
function at(line: Line, places: readonly number[], values: readonly number[]): (number | null)[] {
  const { x } = line;
  const last = x.length - 1;
  let i = 0;
  return places.map((place) => {
    if (place < x[0] || place > x[last]) return null;
    while (i < last && x[i + 1] <= place) i += 1;
    if (i === last || x[i] === place) return values[i];
    const share = (place - x[i]) / (x[i + 1] - x[i]);
    return values[i] + share * (values[i + 1] - values[i]);
  });
}
