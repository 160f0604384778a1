// The values of the states over the steps, with the rewards marked and a line where one looks.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { make } from './dom.ts';
import { shortNumber } from './format.ts';
import { isDark } from './palette.ts';
import type { WatchedStep } from './watch-source.ts';

const HEIGHT = 190;
const LIGHT = { value: '#0072b2', total: '#8a8a8a', good: '#11703f', bad: '#b3261e' };
const DARK = { value: '#56b4e9', total: '#8d8d8d', good: '#6fd39b', bad: '#ff9d94' };

export class WatchChart {
  readonly element: HTMLElement;
  private readonly canvas = make('div', { className: 'canvas', role: 'img' });
  private readonly cursor = make('div', { className: 'cursor' });
  private readonly onSeek: (step: number) => void;
  private plot: uPlot | undefined;
  private shape = '';
  private steps: readonly WatchedStep[] = [];
  private step = 0;

  constructor(onSeek: (step: number) => void) {
    this.onSeek = onSeek;
    this.element = make(
      'section',
      { className: 'chart', ariaLabel: 'value over time' },
      make('h3', {}, 'Value over time'),
      make(
        'p',
        { className: 'note' },
        'The value of the best action (blue, left), the return so far (grey, right), rewards as triangles. ' +
          'Click or drag to go to a step.',
      ),
      this.canvas,
    );
    new ResizeObserver(() => {
      this.plot?.setSize(this.size());
      this.moveTo(this.step);
    }).observe(this.canvas);
  }

  /** @param first The number of the first step. */
  draw(first: number, steps: readonly WatchedStep[]): void {
    this.steps = steps;
    const values = steps.map((step) => Math.max(...step.values));
    const totals = steps.map(({ returnSoFar }) => returnSoFar);
    const rewarded = steps.flatMap(({ reward }, i) => (reward === 0 ? [] : [i]));
    this.canvas.ariaLabel =
      `Value of the best action over ${steps.length} steps, from ${shortNumber(Math.min(...values))} to ` +
      `${shortNumber(Math.max(...values))}; ${rewarded.length} of them brought a reward`;
    const data: uPlot.AlignedData = [steps.map((_, i) => first + i), values, totals];
    const shape = `${isDark()} ${getComputedStyle(this.element).color}`;
    if (shape !== this.shape || this.plot === undefined) {
      this.shape = shape;
      this.begin(data);
    } else this.plot.setData(data);
    this.moveTo(this.step);
  }

  /** Puts the line at a step. */
  moveTo(step: number): void {
    this.step = step;
    if (this.plot === undefined) return;
    this.cursor.style.transform = `translateX(${this.plot.valToPos(step, 'x')}px)`;
  }

  private begin(data: uPlot.AlignedData): void {
    this.plot?.destroy();
    const colours = isDark() ? DARK : LIGHT;
    const style = getComputedStyle(this.element);
    const axis = { stroke: style.color, grid: { stroke: style.borderTopColor, width: 1 }, ticks: { show: false } };
    const font = `12px ${style.fontFamily}`;
    const shown = (_: uPlot, splits: number[]) => splits.map(shortNumber);
    const points = { show: false };
    this.plot = new uPlot(
      {
        ...this.size(),
        series: [
          {},
          { stroke: colours.value, width: 1.5, points, scale: 'y' },
          { stroke: colours.total, width: 1.5, points, scale: 'total' },
        ],
        legend: { show: false },
        scales: { x: { time: false } },
        axes: [
          { ...axis, font, values: shown, size: 28, space: 64 },
          { ...axis, font, values: shown, size: 52 },
          { ...axis, font, values: shown, size: 52, side: 1, scale: 'total', grid: { show: false } },
        ],
        cursor: { show: true, y: false, points: { show: false }, drag: { x: false, y: false } },
        hooks: { draw: [(plot) => markRewards(plot, this.steps, colours)] },
      },
      data,
      this.canvas,
    );
    const { over } = this.plot;
    over.append(this.cursor);
    const seek = (event: PointerEvent) => {
      if (event.buttons !== 1) return;
      const { left } = over.getBoundingClientRect();
      this.onSeek(Math.round(this.plot!.posToVal(event.clientX - left, 'x')));
    };
    over.addEventListener('pointerdown', seek);
    over.addEventListener('pointermove', seek);
  }

  private size(): { width: number; height: number } {
    return { width: Math.max(this.canvas.clientWidth, 200), height: HEIGHT };
  }
}

/** A triangle at the foot of each step that brought a reward: upward where it is positive. */
function markRewards(plot: uPlot, steps: readonly WatchedStep[], { good, bad }: typeof LIGHT): void {
  const { ctx, bbox } = plot;
  const size = 5 * devicePixelRatio;
  ctx.save();
  for (const [i, { reward }] of steps.entries()) {
    if (reward === 0) continue;
    const x = plot.valToPos(plot.data[0][i], 'x', true);
    const [foot, tip] = reward > 0 ? [bbox.top + bbox.height, -size] : [bbox.top + bbox.height - size, size];
    ctx.fillStyle = reward > 0 ? good : bad;
    ctx.beginPath();
    ctx.moveTo(x - size * 0.6, foot);
    ctx.lineTo(x + size * 0.6, foot);
    ctx.lineTo(x, foot + 1.6 * tip);
    ctx.fill();
  }
  ctx.restore();
}
