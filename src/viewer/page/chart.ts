// One chart: uPlot for the lines, a table below it for the names and numbers.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { button, make, setText, table } from './dom.ts';
import { shortNumber } from './format.ts';
import { columnsOf, type Line } from './lines.ts';
import type { LineStyle } from './palette.ts';

/** A line with its name and looks. */
export interface NamedLine {
  readonly name: string;
  readonly style: LineStyle;
  readonly line: Line;
}

const HEIGHT = 240;
/** Charts over the same axis show the same place. */
const sync = uPlot.sync('runs');

export class Chart {
  readonly element: HTMLElement;
  private readonly title: string;
  private readonly canvas = make('div', { className: 'canvas', role: 'img' });
  private readonly legend = make('div', { className: 'legend', tabIndex: 0, role: 'region' });
  private readonly empty = make('p', { className: 'empty' }, 'None of the chosen runs has this.');
  private readonly resized: ResizeObserver;
  private plot: uPlot | undefined;
  private atCursor: HTMLElement[] = [];
  private shape = '';
  private isZoomed = false;

  constructor(title: string, onRemove: () => void) {
    this.title = title;
    this.legend.ariaLabel = `lines of ${title}`;
    this.element = make(
      'section',
      { className: 'chart', ariaLabel: title, data: { curve: title } },
      make('header', {}, make('h3', {}, title), button('×', onRemove, `Remove the chart of ${title}`)),
      this.canvas,
      this.empty,
      this.legend,
    );
    this.resized = new ResizeObserver(() => this.plot?.setSize(this.size()));
    this.resized.observe(this.canvas);
  }

  /** Draws lines; where only points have come, the chart stays what it is. */
  draw(lines: readonly NamedLine[], xLabel: string): void {
    this.empty.hidden = lines.length > 0;
    this.canvas.hidden = lines.length === 0;
    this.legend.hidden = lines.length === 0;
    this.canvas.ariaLabel = `${this.title} over ${xLabel}: ${lines.length} lines, whose numbers are in the table below`;
    const columns = columnsOf(lines.map(({ line }) => line));
    const data: uPlot.AlignedData = [
      columns.x,
      ...columns.lines.flatMap(({ y, low, high }) => (low && high ? [y, low, high] : [y])),
    ];
    const styles = lines.map(({ name, style, line }) => [name, style, line.low !== undefined, line.x.length === 1]);
    const ink = getComputedStyle(this.element).color;
    const shape = JSON.stringify([styles, xLabel, ink]);
    if (shape !== this.shape) {
      this.shape = shape;
      this.begin(lines, data, xLabel);
    } else if (this.isZoomed) {
      this.plot?.setData(data, false);
      this.plot?.redraw();
    } else this.plot?.setData(data);
    this.showNumbers(lines);
  }

  remove(): void {
    this.end();
    this.resized.disconnect();
    this.element.remove();
  }

  private end(): void {
    if (this.plot !== undefined) sync.unsub(this.plot);
    this.plot?.destroy();
    this.plot = undefined;
  }

  private begin(lines: readonly NamedLine[], data: uPlot.AlignedData, xLabel: string): void {
    this.end();
    this.isZoomed = false;
    if (lines.length === 0) return;
    const series: uPlot.Series[] = [{}];
    const bands: uPlot.Band[] = [];
    const columnOf: number[] = [];
    for (const { style, line } of lines) {
      columnOf.push(series.length);
      series.push({
        stroke: style.colour,
        dash: [...style.dash],
        width: 2,
        points: { show: line.x.length === 1, size: 7, fill: style.colour },
      });
      if (line.low === undefined) continue;
      const edge = { stroke: 'transparent', width: 0, points: { show: false } };
      series.push(edge, edge);
      bands.push({ series: [series.length - 1, series.length - 2], fill: `${style.colour}2e` });
    }
    const colours = getComputedStyle(this.element);
    const [ink, grid] = [colours.color, colours.borderTopColor];
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
    const font = `12px ${colours.fontFamily}`;
    const shown = (_: uPlot, splits: number[]) => splits.map(shortNumber);
    const options: uPlot.Options = {
      ...this.size(),
      series,
      bands,
      legend: { show: false },
      scales: { x: { time: false } },
      axes: [
        { ...axis, font, values: shown, label: xLabel, labelFont: font, labelSize: 18, size: 34, space: 64 },
        { ...axis, font, values: shown, size: 62 },
      ],
      cursor: { sync: { key: sync.key, setSeries: false }, points: { size: 7 }, focus: { prox: -1 } },
      hooks: {
        setCursor: [(plot) => this.showAtCursor(plot, columnOf)],
        setSelect: [
          (plot) => {
            if (plot.select.width > 0) this.isZoomed = true;
          },
        ],
      },
    };
    this.plot = new uPlot(options, data, this.canvas);
    this.plot.over.addEventListener('dblclick', () => {
      this.isZoomed = false;
    });
    sync.sub(this.plot);
  }

  private size(): { width: number; height: number } {
    return { width: Math.max(this.canvas.clientWidth, 200), height: HEIGHT };
  }

  private showNumbers(lines: readonly NamedLine[]): void {
    const shown = this.legend.querySelectorAll<HTMLElement>('tbody tr');
    const rows = lines.map(({ line: { y } }) => [y[y.length - 1], Math.min(...y), Math.max(...y)].map(shortNumber));
    const names = lines.map(({ name }) => name);
    if (names.join('\n') === this.legend.dataset.names && shown.length === lines.length) {
      for (const [i, cells] of rows.entries()) {
        for (const [j, text] of cells.entries()) setText(shown[i].children[j + 1], text);
        const mark = shown[i].querySelector<HTMLElement>('.mark');
        if (mark) paint(mark, lines[i].style);
      }
      return;
    }
    this.legend.dataset.names = names.join('\n');
    this.atCursor = lines.map(() => make('span', {}, ''));
    const body = lines.map(({ name, style }, i) => {
      const mark = make('span', { className: 'mark' });
      paint(mark, style);
      return [make('span', { className: 'named' }, mark, name), ...rows[i], this.atCursor[i]];
    });
    this.legend.replaceChildren(table(['line', 'last', 'lowest', 'highest', 'at cursor'], body));
  }

  private showAtCursor(plot: uPlot, columnOf: readonly number[]): void {
    const { idx } = plot.cursor;
    for (const [i, element] of this.atCursor.entries()) {
      const value = idx === null || idx === undefined ? undefined : plot.data[columnOf[i]]?.[idx];
      setText(element, value === undefined || value === null ? '' : shortNumber(value));
    }
  }
}

/** Gives a mark the colour and the dashes of its line. */
export function paint(mark: HTMLElement, { colour, dash }: LineStyle): void {
  mark.style.setProperty('--line', colour);
  mark.classList.toggle('dashed', dash.length > 0);
}
