// What the network says of each action: a row each, with a bar, a number and, where it has one, a distribution.
import type { Distribution, WatchedFacts } from '../watch-api.ts';
import { make, setText, table, tickBox } from './dom.ts';
import { shortNumber, visible } from './format.ts';
import type { WatchedStep } from './watch-source.ts';

interface Row {
  readonly element: HTMLElement;
  readonly bar: HTMLElement;
  readonly value: HTMLElement;
  readonly gap: HTMLElement;
  readonly mark: HTMLElement;
  readonly curve: HTMLCanvasElement;
}

const CURVE = { width: 100, height: 26 };
/** Pixels of a curve's canvas for one of the page, enough for fine screens. */
const FINE = 2;

export class WatchValues {
  readonly element: HTMLElement;
  private readonly list = make('div', {
    className: 'values scrolling',
    tabIndex: 0,
    role: 'region',
    ariaLabel: 'values',
  });
  private readonly caption = make('p', { className: 'note' });
  private rows: Row[] = [];
  private isZoomed = false;
  /** Draws the same once more. */
  private again = () => {};

  constructor() {
    const zoom = tickBox('Bars from the lowest to the highest of this step', false, (isTicked) => {
      this.isZoomed = isTicked;
      this.again();
    });
    this.element = make(
      'section',
      { ariaLabel: 'action values' },
      make('h3', {}, 'Action values'),
      this.list,
      this.caption,
      zoom,
    );
  }

  begin({ actions, distribution }: WatchedFacts): void {
    const hasCurves = distribution.kind !== 'none';
    const parts = actions.map(() => ({
      bar: make('span', { className: 'bar' }),
      value: make('span'),
      gap: make('span'),
      mark: make('span', { className: 'chosen' }),
      curve: make('canvas', {
        className: 'curve',
        ariaHidden: 'true',
        width: CURVE.width * FINE,
        height: CURVE.height * FINE,
      }),
    }));
    const body = parts.map(({ bar, value, gap, mark, curve }, i) => [
      visible(actions[i]),
      make('span', { className: 'bar-box', ariaHidden: 'true' }, bar),
      value,
      gap,
      mark,
      ...(hasCurves ? [curve] : []),
    ]);
    const heading = { none: [], probabilities: ['probabilities'], quantiles: ['share below'] };
    const head = ['action', 'bar', 'value', 'below best', 'which', ...heading[distribution.kind]];
    const element = table(head, body);
    this.rows = parts.map((part, i) => ({ ...part, element: element.tBodies[0].rows[i] }));
    this.list.replaceChildren(element);
    this.caption.textContent = '';
    this.caption.hidden = !hasCurves;
  }

  /** @param range The lowest and the highest value of all steps. */
  draw(
    step: WatchedStep,
    range: readonly [number, number],
    distribution: Distribution,
    curves: readonly Float32Array[] | undefined,
  ): void {
    this.again = () => this.draw(step, range, distribution, curves);
    const { values, action } = step;
    const [low, high] = this.isZoomed ? [Math.min(...values), Math.max(...values)] : range;
    const best = values.indexOf(Math.max(...values));
    for (const [i, { element, bar, value, gap, mark }] of this.rows.entries()) {
      const share = high > low ? (values[i] - low) / (high - low) : 1;
      bar.style.width = `${(100 * share).toFixed(2)}%`;
      setText(value, shortNumber(values[i]));
      setText(gap, i === best ? '' : shortNumber(values[best] - values[i]));
      const words = [...(i === action ? ['chosen'] : []), ...(i === best ? ['best'] : [])];
      setText(mark, words.join(', '));
      element.classList.toggle('is-chosen', i === action);
    }
    if (distribution.kind === 'none') return;
    if (curves === undefined) {
      // Those of another step would be wrong here.
      for (const { curve } of this.rows) curve.getContext('2d')!.clearRect(0, 0, curve.width, curve.height);
      return;
    }
    const [from, to] = rangeOf(distribution, curves);
    setText(
      this.caption,
      `Over returns from ${shortNumber(from)} to ${shortNumber(to)}; the upright line is the value.`,
    );
    for (const [i, { curve, element }] of this.rows.entries()) {
      drawCurve(curve, getComputedStyle(element), distribution, curves[i], { from, to, mean: values[i] });
    }
  }
}

/** The returns that all curves of a step are drawn over. */
function rangeOf(distribution: Distribution, curves: readonly Float32Array[]): readonly [number, number] {
  if (distribution.kind === 'probabilities') return [distribution.low, distribution.high];
  const lowest = Math.min(...curves.map((curve) => Math.min(...curve)));
  const highest = Math.max(...curves.map((curve) => Math.max(...curve)));
  return highest > lowest ? [lowest, highest] : [lowest - 1, highest + 1];
}

/** Probabilities as columns, the highest as high as the canvas; quantiles as the share of returns below each return. */
function drawCurve(
  canvas: HTMLCanvasElement,
  { color, outlineColor }: CSSStyleDeclaration,
  distribution: Distribution,
  values: Float32Array,
  { from, to, mean }: { from: number; to: number; mean: number },
): void {
  const context = canvas.getContext('2d')!;
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  context.fillStyle = outlineColor;
  context.strokeStyle = outlineColor;
  context.lineWidth = FINE * 1.5;
  const place = (value: number) => ((value - from) / (to - from)) * width;
  if (distribution.kind === 'probabilities') {
    const highest = Math.max(...values);
    const column = width / values.length;
    for (const [i, value] of values.entries()) {
      const tall = (value / highest) * height;
      context.fillRect(i * column, height - tall, Math.max(column - 1, 1), tall);
    }
  } else {
    const sorted = [...values].sort((a, b) => a - b);
    context.beginPath();
    context.moveTo(0, height - 1);
    for (const [i, value] of sorted.entries()) {
      context.lineTo(place(value), height - (i / sorted.length) * height);
      context.lineTo(place(value), height - ((i + 1) / sorted.length) * height + 1);
    }
    context.lineTo(width, 1);
    context.stroke();
  }
  context.fillStyle = color;
  const at = distribution.kind === 'probabilities' ? meanPlace(mean, from, to, width, values.length) : place(mean);
  context.fillRect(Math.min(Math.max(at, 0), width - FINE), 0, FINE, height);
}

/** The first and the last return stand in the middle of their columns. */
function meanPlace(mean: number, from: number, to: number, width: number, count: number): number {
  const column = width / count;
  return column / 2 + ((mean - from) / (to - from)) * (width - column);
}
