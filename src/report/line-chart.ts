import { scaleLinear, scaleLog } from 'd3-scale';
import {
  area,
  line,
  type SymbolType,
  symbol,
  symbolCircle,
  symbolDiamond,
  symbolSquare,
  symbolTriangle,
} from 'd3-shape';

export interface AxisOptions {
  /** What the axis shows, with its unit: "learning rate", "loss (nats)". */
  label: string;
  /** Default `linear`. On a `log` axis x must be positive; a y of 0 or less is drawn at the bottom edge. */
  scale?: 'linear' | 'log';
  /** The axis ends here or before; larger values are drawn at its end. Default: the largest value. */
  max?: number;
}

export interface Point {
  x: number;
  /** The value; where it is not finite there is none, the line breaks and a cross stands at the top edge. */
  y: number;
  /** The spread around y, drawn as a band; both or neither. */
  low?: number;
  high?: number;
  /** Draws the cross at the top edge though y is finite: some of the runs behind it have no value. */
  lost?: boolean;
}

export interface Series {
  name: string;
  /** In the order of x. */
  points: readonly Point[];
  /** CSS colour. Default: the next of {@link CATEGORY_COLOURS}. */
  colour?: string;
  /** Whether each point has a marker, another shape for each series. Default false. */
  markers?: boolean;
}

export interface LineChartOptions {
  /** One line above the chart. */
  title: string;
  /** What the chart shows, for those who do not see it. */
  description: string;
  x: AxisOptions;
  y: AxisOptions;
  series: readonly Series[];
  /** A line above the legend. */
  legendTitle?: string;
  /** What a cross at the top edge means. Default "diverged". */
  lostLabel?: string;
  /** Width in pixels, legend included. Default 620. */
  width?: number;
  /** Height in pixels. Default 400. */
  height?: number;
}

/** Okabe and Ito's colours that the colour-blind tell apart, the strongest first. */
export const CATEGORY_COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00', '#000000'] as const;

/** Viridis without its palest end: lightness falls evenly, so the order shows in grey too. */
const ORDERED_COLOURS = ['#440154', '#46307e', '#365c8d', '#277f8e', '#1fa187', '#4ac16d', '#9fce2f'];

const SYMBOLS: readonly SymbolType[] = [symbolCircle, symbolSquare, symbolTriangle, symbolDiamond];

/** `count` colours for series that have an order, such as learning rates: dark to light. */
export function orderedColours(count: number): string[] {
  const scale = scaleLinear<string>()
    .domain(ORDERED_COLOURS.map((_, i) => i / (ORDERED_COLOURS.length - 1)))
    .range(ORDERED_COLOURS);
  return Array.from({ length: count }, (_, i) => scale(count === 1 ? 0 : i / (count - 1)));
}

/**
 * Lines with spread bands over two axes, as an SVG document of its own: no scripts, styles or links, so that it can
 * also stand inside HTML. The same options give the same text.
 * @throws Error naming the series where an x is not finite, or not positive on a log axis.
 */
export function lineChart(options: LineChartOptions): string {
  return `${chartAt(options, 0, 0)}\n`;
}

export interface ChartGridOptions {
  title: string;
  description: string;
  /** Row by row, each of the default size. */
  charts: readonly Omit<LineChartOptions, 'width' | 'height'>[];
  /** Charts in a row. Default 2. */
  columns?: number;
}

/** Several charts as one SVG document. */
export function chartGrid({ title, description, charts, columns = 2 }: ChartGridOptions): string {
  const width = Math.min(columns, charts.length) * DEFAULT_WIDTH;
  const height = Math.ceil(charts.length / columns) * DEFAULT_HEIGHT;
  const placed = charts.map((chart, i) =>
    chartAt(chart, (i % columns) * DEFAULT_WIDTH, Math.floor(i / columns) * DEFAULT_HEIGHT),
  );
  return `${svgElement({ title, description, x: 0, y: 0, width, height }, placed)}\n`;
}

const DEFAULT_WIDTH = 620;
const DEFAULT_HEIGHT = 400;
const LEGEND_WIDTH = 130;
const MARGIN = { top: 40, right: 16, bottom: 54, left: 66 };
const CROSS_ROW = 13;
const INK = '#222222';
const GRID = '#e3e3e3';

function chartAt(options: LineChartOptions, left: number, top: number): string {
  const {
    title,
    description,
    series,
    width = DEFAULT_WIDTH,
    height = DEFAULT_HEIGHT,
    lostLabel = 'diverged',
  } = options;
  checkX(options);
  const styled = series.map((one, i) => ({
    ...one,
    colour: one.colour ?? CATEGORY_COLOURS[i % CATEGORY_COLOURS.length],
    symbol: SYMBOLS[i % SYMBOLS.length],
  }));
  const lostSeries = styled.filter(({ points }) => points.some(isLost));
  // Crosses have a row for each series that has some, between the plot's upper edge and its highest value.
  const crossesHeight = lostSeries.length * CROSS_ROW;
  const plot = {
    left: MARGIN.left,
    right: width - MARGIN.right - LEGEND_WIDTH,
    top: MARGIN.top,
    bottom: height - MARGIN.bottom,
  };
  const points = styled.flatMap((one) => one.points);
  const x = makeAxis(
    options.x,
    points.map((point) => point.x),
    [plot.left + 8, plot.right - 8],
  );
  const ys = points.flatMap((point) => [point.y, point.low ?? point.y, point.high ?? point.y]);
  const y = makeAxis(options.y, ys, [plot.bottom, plot.top + crossesHeight + 4]);

  const content = [
    text(title, { x: plot.left, y: 22, size: 15, weight: 'bold' }),
    ...axes(options, x, y, plot),
    ...styled.map((one) => band(one, x, y)),
    ...styled.map((one) => lineOf(one, x, y)),
    ...lostSeries.flatMap(({ points, colour }, row) =>
      points.filter(isLost).map((point) => cross(x.at(point.x), plot.top + (row + 0.5) * CROSS_ROW, colour)),
    ),
    ...legend({ styled, title: options.legendTitle, lostLabel: lostSeries.length > 0 ? lostLabel : undefined }, plot),
  ];
  return svgElement({ title, description, x: left, y: top, width, height }, content);
}

type StyledSeries = Series & { colour: string; symbol: SymbolType };
type Box = Record<'left' | 'right' | 'top' | 'bottom', number>;

interface Axis {
  /** Where a value lies, in pixels. */
  at(value: number): number;
  ticks: number[];
}

function makeAxis(options: AxisOptions, values: readonly number[], range: [number, number]): Axis {
  const { scale = 'linear', max = Number.POSITIVE_INFINITY } = options;
  const isLog = scale === 'log';
  const shown = values.filter((value) => Number.isFinite(value) && value <= max && !(isLog && value <= 0));
  let [low, high] = shown.length > 0 ? [Math.min(...shown), Math.max(...shown)] : [1, 10];
  if (!isLog) {
    if (low === high) [low, high] = [low - 0.5, high + 0.5];
    const linear = scaleLinear([low, high], range).nice(5).clamp(true);
    return { at: linear, ticks: linear.ticks(5) };
  }
  const multiples = Math.log10(high / low) <= 2.2 ? [1, 2, 5] : [1];
  // The axis ends at the nearest 1, 2 or 5 times a power of ten, not at whole decades, which may leave it half empty.
  const steps: number[] = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)) + 1; power++) {
    for (const multiple of [1, 2, 5]) steps.push(Number(`${multiple}e${power}`));
  }
  low = steps.findLast((step) => step <= low)!;
  high = steps.find((step) => step >= high && step > low)!;
  const ticks = steps.filter(
    (step) => step >= low && step <= high && multiples.includes(Number(step.toExponential()[0])),
  );
  const every = Math.ceil(ticks.length / 8);
  const log = scaleLog([low, high], range).clamp(true);
  return { at: (value) => log(Math.max(value, low)), ticks: ticks.filter((_, i) => i % every === 0) };
}

function axes({ x: xOptions, y: yOptions }: LineChartOptions, x: Axis, y: Axis, plot: Box): string[] {
  const middle = (plot.top + plot.bottom) / 2;
  return [
    ...y.ticks.map((tick) => stroke(plot.left, y.at(tick), plot.right, y.at(tick), GRID)),
    ...x.ticks.map((tick) => stroke(x.at(tick), plot.top, x.at(tick), plot.bottom, GRID)),
    stroke(plot.left, plot.bottom, plot.right, plot.bottom, INK),
    stroke(plot.left, plot.top, plot.left, plot.bottom, INK),
    ...x.ticks.map((tick) => text(number(tick), { x: x.at(tick), y: plot.bottom + 18, anchor: 'middle' })),
    ...y.ticks.map((tick) => text(number(tick), { x: plot.left - 7, y: y.at(tick) + 4, anchor: 'end' })),
    text(xOptions.label, { x: (plot.left + plot.right) / 2, y: plot.bottom + 40, anchor: 'middle', size: 13 }),
    text(yOptions.label, { x: 16, y: middle, anchor: 'middle', size: 13, turned: true }),
  ];
}

function lineOf({ points, colour, markers, symbol: shape }: StyledSeries, x: Axis, y: Axis): string {
  const path = line<Point>()
    .defined(hasValue)
    .x((point) => x.at(point.x))
    .y((point) => y.at(point.y))(points);
  const marks = markers
    ? points
        .filter(hasValue)
        .map((point) => marker(shape, x.at(point.x), y.at(point.y), colour))
        .join('')
    : '';
  return `<path d="${path ?? ''}" fill="none" stroke="${colour}" stroke-width="2" stroke-linejoin="round"/>${marks}`;
}

function band({ points, colour }: StyledSeries, x: Axis, y: Axis): string {
  const path = area<Point>()
    .defined((point) => hasValue(point) && Number.isFinite(point.low) && Number.isFinite(point.high))
    .x((point) => x.at(point.x))
    .y0((point) => y.at(point.low!))
    .y1((point) => y.at(point.high!))(points);
  return path ? `<path d="${path}" fill="${colour}" fill-opacity="0.18"/>` : '';
}

function legend(
  { styled, title, lostLabel }: { styled: StyledSeries[]; title: string | undefined; lostLabel: string | undefined },
  plot: Box,
): string[] {
  const left = plot.right + 14;
  let y = plot.top + 6;
  const rows: string[] = [];
  if (title !== undefined) {
    rows.push(text(title, { x: left, y: y + 4, weight: 'bold' }));
    y += 20;
  }
  for (const { name, colour, markers, symbol: shape } of styled) {
    rows.push(
      `<path d="M${left},${y}h22" stroke="${colour}" ` +
        `stroke-width="2"/>${markers ? marker(shape, left + 11, y, colour) : ''}`,
      text(name, { x: left + 28, y: y + 4 }),
    );
    y += 19;
  }
  if (lostLabel !== undefined) rows.push(cross(left + 11, y, INK), text(lostLabel, { x: left + 28, y: y + 4 }));
  return rows;
}

function isLost(point: Point): boolean {
  return point.lost === true || !hasValue(point);
}

function hasValue(point: Point): boolean {
  return Number.isFinite(point.y);
}

function checkX({ title, x, series }: LineChartOptions): void {
  for (const { name, points } of series) {
    const wrong = points.find((point) => !Number.isFinite(point.x) || (x.scale === 'log' && point.x <= 0));
    if (!wrong) continue;
    const wanted = x.scale === 'log' ? 'a positive number, as the axis is logarithmic' : 'a finite number';
    throw new Error(`chart "${title}": series "${name}" has a point at x = ${wrong.x}: give ${wanted}`);
  }
}

interface SvgOptions {
  title: string;
  description: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

function svgElement({ title, description, x, y, width, height }: SvgOptions, content: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${escapeXml(title)}" x="${x}" y="${y}" ` +
      `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif">`,
    `<title>${escapeXml(title)}</title>`,
    `<desc>${escapeXml(description)}</desc>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...content.filter((element) => element !== ''),
    '</svg>',
  ].join('\n');
}

interface TextOptions {
  x: number;
  y: number;
  size?: number;
  anchor?: 'start' | 'middle' | 'end';
  weight?: 'normal' | 'bold';
  /** Whether the text reads upwards. */
  turned?: boolean;
}

function text(content: string, { x, y, size = 12, anchor = 'start', weight = 'normal', turned }: TextOptions): string {
  const place = turned
    ? `transform="translate(${round(x)},${round(y)}) rotate(-90)"`
    : `x="${round(x)}" y="${round(y)}"`;
  return (
    `<text ${place} font-size="${size}" font-weight="${weight}" text-anchor="${anchor}" ` +
    `fill="${INK}">${escapeXml(content)}</text>`
  );
}

function stroke(x1: number, y1: number, x2: number, y2: number, colour: string): string {
  return `<path d="M${round(x1)},${round(y1)}L${round(x2)},${round(y2)}" stroke="${colour}"/>`;
}

function marker(shape: SymbolType, x: number, y: number, colour: string): string {
  return `<path d="${symbol(shape, 44)()}" transform="translate(${round(x)},${round(y)})" fill="${colour}"/>`;
}

function cross(x: number, y: number, colour: string): string {
  const path = `M${round(x - 4)},${round(y - 4)}l8,8m0,-8l-8,8`;
  return `<path class="lost" d="${path}" stroke="${colour}" stroke-width="2.2"/>`;
}

/** "0.001", "20000", "1e-5" */
function number(value: number): string {
  const size = Math.abs(value);
  return value === 0 || (size >= 0.001 && size < 1e5)
    ? String(Number(value.toPrecision(6)))
    : value.toExponential().replace('e+', 'e');
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}

/** Escapes a string for text and for attribute values between double quotes, in XML and HTML. */
export function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
