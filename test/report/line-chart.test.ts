import { describe, expect, test } from 'vitest';
import {
  CATEGORY_COLOURS,
  chartGrid,
  type LineChartOptions,
  lineChart,
  orderedColours,
} from '../../src/report/line-chart.ts';
import { tagCounts } from './xml.ts';

const chart: LineChartOptions = {
  title: 'Loss & "rates" <here>',
  description: 'Two lines.',
  x: { label: 'learning rate', scale: 'log' },
  y: { label: 'loss (nats)', scale: 'log' },
  series: [
    {
      name: 'a',
      markers: true,
      points: [
        { x: 0.01, y: 1, low: 0.5, high: 2 },
        { x: 0.1, y: 10, low: 5, high: 20 },
        { x: 1, y: 100, low: 50, high: 200 },
      ],
    },
    {
      name: 'b',
      points: [
        { x: 0.01, y: 3 },
        { x: 0.1, y: Number.NaN },
        { x: 1, y: 4, lost: true },
      ],
    },
  ],
};

/** Coordinates of a path's corners. */
function corners(path: string): [number, number][] {
  return [...path.matchAll(/(-?[\d.]+),(-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
}

/** The paths of the lines (not filled) in one colour, or of the bands (filled). */
function paths(svg: string, attribute: string): string[] {
  return [...svg.matchAll(new RegExp(`<path d="([^"]*)" ${attribute}`, 'g'))].map(([, d]) => d);
}

describe('a line chart', () => {
  const svg = lineChart(chart);

  test('is well-formed, says what it shows, and has no value that is not a number', () => {
    expect(tagCounts(svg)).toMatchObject({ svg: 1, title: 1, desc: 1 });
    expect(svg).toContain('<title>Loss &amp; &quot;rates&quot; &lt;here&gt;</title>');
    expect(svg).toContain('<desc>Two lines.</desc>');
    expect(svg).toContain('>loss (nats)</text>');
    expect(svg).not.toMatch(/NaN|Infinity|undefined|null/);
    expect(lineChart(chart)).toBe(svg);
  });

  test('puts equal factors at equal distances on log axes, in a band with its own edges', () => {
    const [line] = paths(svg, `fill="none" stroke="${CATEGORY_COLOURS[0]}"`);
    const [first, second, third] = corners(line);
    for (const axis of [0, 1]) expect(second[axis] - first[axis]).toBeCloseTo(third[axis] - second[axis], 1);
    expect(second[0]).toBeGreaterThan(first[0]);
    expect(second[1]).toBeLessThan(first[1]); // larger is higher
    const [band] = paths(svg, `fill="${CATEGORY_COLOURS[0]}" fill-opacity`);
    const edges = corners(band); // the upper edge from the left, the lower one back
    expect(edges).toHaveLength(6);
    expect(edges[0][1]).toBeLessThan(first[1]);
    expect(edges[5][1]).toBeGreaterThan(first[1]);
  });

  test('breaks the line and draws a cross where there is no value, and beside one where some runs have none', () => {
    const [line] = paths(svg, `fill="none" stroke="${CATEGORY_COLOURS[1]}"`);
    expect(line.match(/M/g)).toHaveLength(2); // two pieces of one point each
    const crosses = [...svg.matchAll(/class="lost" d="M([\d.]+),([\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
    expect(crosses).toHaveLength(3); // x = 0.1, x = 1, and the legend's
    const lineTop = Math.min(...corners(paths(svg, 'fill="none"')[0]).map(([, y]) => y));
    for (const [, y] of crosses.slice(0, 2)) expect(y).toBeLessThan(lineTop);
    expect(svg).toContain('>diverged</text>');
    const without = lineChart({ ...chart, series: [chart.series[0]] });
    expect(without).not.toContain('class="lost"');
    expect(without).not.toContain('diverged');
  });

  test('is drawn where no point has a value, or all have the same', () => {
    const only = (y: number, scale: 'linear' | 'log') =>
      lineChart({ ...chart, y: { label: 'y', scale }, series: [{ name: 'one', points: [{ x: 1, y }] }] });
    for (const scale of ['linear', 'log'] as const) {
      for (const y of [Number.NaN, 5, 1e-7, 3e9, 0]) {
        const drawn = only(y, scale);
        expect(drawn).not.toMatch(/NaN|Infinity|undefined/);
        expect(drawn.includes('class="lost"')).toBe(Number.isNaN(y));
      }
    }
  });

  test('labels its ticks at 1, 2 and 5 over few decades, and at powers of ten over many', () => {
    const ticks = (ys: number[], scale: 'linear' | 'log') => {
      const points = ys.map((y, i) => ({ x: i + 1, y }));
      const drawn = lineChart({ ...chart, y: { label: 'y', scale }, series: [{ name: 'one', points }] });
      return [...drawn.matchAll(/text-anchor="end"[^>]*>([^<]*)</g)].map(([, label]) => label);
    };
    expect(ticks([0.6, 2.5], 'log')).toEqual(['0.5', '1', '2', '5']);
    expect(ticks([1e-6, 10], 'log')).toEqual(['1e-6', '1e-5', '1e-4', '0.001', '0.01', '0.1', '1', '10']);
    expect(ticks([0, 1], 'linear')).toEqual(['0', '0.2', '0.4', '0.6', '0.8', '1']);
    expect(ticks([-1e6, 1e6], 'linear')).toEqual(['-1e6', '-5e5', '0', '5e5', '1e6']);
  });

  test('ends an axis at its largest value allowed, and draws what is beyond at the edge', () => {
    for (const scale of ['linear', 'log'] as const) {
      const points = [1, 3, 1e9].map((y, i) => ({ x: i + 1, y }));
      const drawn = lineChart({ ...chart, y: { label: 'y', scale, max: 4 }, series: [{ name: 'one', points }] });
      const [[, low], [, middle], [, high]] = corners(paths(drawn, 'fill="none"')[0]);
      expect(middle).toBeLessThan(low);
      expect(high).toBeLessThanOrEqual(middle);
      expect(high).toBeGreaterThan(40); // below the title
      expect(drawn).not.toContain('e9');
    }
  });

  test('refuses an x that it cannot place, naming the series', () => {
    const at = (x: number) => () => lineChart({ ...chart, series: [{ name: 'bad', points: [{ x, y: 1 }] }] });
    expect(at(0)).toThrow(/series "bad" has a point at x = 0: give a positive number/);
    expect(at(Number.NaN)).toThrow(/x = NaN/);
  });
});

test('a grid holds each chart once, in rows', () => {
  const grid = chartGrid({ title: 'All', description: 'Three charts.', charts: [chart, chart, chart] });
  expect(tagCounts(grid)).toMatchObject({ svg: 4, title: 4, desc: 4 });
  const places = [...grid.matchAll(/<svg [^>]* x="(\d+)" y="(\d+)"/g)].map(([, x, y]) => `${x},${y}`);
  expect(places).toEqual(['0,0', '0,0', '620,0', '0,400']);
});

test('ordered colours get lighter one by one, so that grey shows their order', () => {
  for (const count of [1, 2, 5, 10, 30]) {
    const lightness = orderedColours(count).map((colour) => {
      const channels = /^#/.test(colour)
        ? [1, 3, 5].map((i) => Number.parseInt(colour.slice(i, i + 2), 16))
        : colour.match(/\d+/g)!.map(Number);
      return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2];
    });
    expect(lightness).toHaveLength(count);
    for (let i = 1; i < count; i++) expect(lightness[i]).toBeGreaterThan(lightness[i - 1]);
  }
});
