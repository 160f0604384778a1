import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Normalization } from './learning.ts';

/** Learning curves of both networks over agent steps. */
export interface Chart {
  /** A new curve of a network, in place of its last one. */
  begin(network: Normalization): void;
  add(network: Normalization, steps: number, mean: number): void;
  draw(): void;
}

const NETWORKS: readonly Normalization[] = ['weight', 'none'];
const LABELS: Readonly<Record<Normalization, string>> = { weight: 'weight norm', none: 'plain' };
const HEIGHT = 260;

export function createChart(element: HTMLElement): Chart {
  const curves: Record<Normalization, Map<number, number>> = { weight: new Map(), none: new Map() };
  const color = (name: string) => () => getComputedStyle(element).getPropertyValue(name);
  const axis = { stroke: color('--muted'), grid: { stroke: color('--line'), width: 1 }, ticks: { show: false } };
  const plot = new uPlot(
    {
      width: element.clientWidth,
      height: HEIGHT,
      legend: { live: false },
      cursor: { drag: { x: false, y: false } },
      scales: { x: { time: false, range: (_, _min, max) => [0, Math.max(2000, max ?? 0)] }, y: { range: [0, 500] } },
      axes: [
        { ...axis, label: 'agent steps', size: 28, labelSize: 22 },
        { ...axis, size: 44 },
      ],
      series: [
        { label: 'agent steps' },
        ...NETWORKS.map((name) => ({
          label: LABELS[name],
          stroke: color(`--${name}`),
          width: 2,
          spanGaps: true,
          points: { show: false },
        })),
      ],
    },
    [[], [], []],
    element,
  );
  new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT })).observe(element);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => plot.redraw());
  return {
    begin: (network) => curves[network].clear(),
    add: (network, steps, mean) => curves[network].set(steps, mean),
    draw() {
      const steps = [...new Set(NETWORKS.flatMap((name) => [...curves[name].keys()]))].sort((a, b) => a - b);
      plot.setData([steps, ...NETWORKS.map((name) => steps.map((step) => curves[name].get(step) ?? null))]);
    },
  };
}
