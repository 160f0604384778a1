import { type GenericFormatter, SingleBar } from 'cli-progress';
import { duration } from '../report/duration.ts';
import type { Run } from '../runs/run.ts';
import type { Tracker } from '../runs/tracker.ts';
import type { RunStep } from '../runs/trainable.ts';
import { printable } from './printable.ts';

export interface ProgressDisplay {
  /** @param parts What to say beside how far the work is, the most important first: as many are shown as fit. */
  update(done: number, parts: readonly string[]): void;
  /** Prints a line without disturbing the bar. */
  note(line: string): void;
  stop(): void;
}

const PLAIN_PERIOD_MS = 10_000;

/**
 * A bar where `stream` is a terminal, else a plain line every ten seconds. `unit`: of what there are `total`, such as
 * "agent steps".
 */
export function progressDisplay(
  stream: NodeJS.WriteStream,
  work: { done: number; total: number; unit: string },
): ProgressDisplay {
  return stream.isTTY ? barDisplay(stream, work) : plainDisplay(stream, work);
}

/**
 * A bar in the house style; `format` as cli-progress takes it. However the process exits, the cursor comes back.
 * @param clearOnComplete Whether the bar vanishes when it is stopped.
 */
export function newBar(
  stream: NodeJS.WriteStream,
  format: string | GenericFormatter,
  clearOnComplete = false,
): SingleBar {
  const bar = new SingleBar({
    stream,
    format,
    barsize: 20,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    clearOnComplete,
    fps: 5,
  });
  process.once('exit', () => {
    if (bar.isActive) bar.stop();
  });
  return bar;
}

type Work = Parameters<typeof progressDisplay>[1];

function barDisplay(stream: NodeJS.WriteStream, { done: startAt, total, unit }: Work): ProgressDisplay {
  let parts: readonly string[] = ['starting'];
  // Made anew each time that the bar is drawn, so that it fits a terminal that has changed its width.
  const line = (done: number) => barLine({ done, total, unit, parts, width: stream.columns ?? 80 });
  const bar = newBar(stream, (_options, { value }) => line(value));
  bar.start(total, startAt);
  return {
    update(done, newParts) {
      parts = newParts.map(printable);
      bar.update(done);
    },
    note: (text) => {
      // The bar owns the terminal's last line: clear it, print (the bar has turned wrapping off), and let the next
      // update draw the bar again below, where the cursor position is saved anew, for the bar returns to it when it
      // stops.
      stream.write(`\r\x1b[K\x1b[?7h${printable(text)}\n\x1b[?7l\x1b7`);
    },
    stop: () => bar.stop(),
  };
}

/** A bar, how far it is and as many parts as fit into a width in columns; below 100 all is shorter. */
export function barLine({
  done,
  total,
  unit,
  parts,
  width,
}: {
  done: number;
  total: number;
  unit: string;
  parts: readonly string[];
  width: number;
}): string {
  const isNarrow = width < 100;
  const size = isNarrow ? 8 : 20;
  const filled = Math.round(Math.min(1, done / Math.max(1, total)) * size);
  const words = isNarrow ? unit.split(' ').at(-1) : unit;
  let line = `${'█'.repeat(filled)}${'░'.repeat(size - filled)} ${done}/${total} ${words}`;
  for (const part of parts) {
    if (line.length + 3 + part.length >= width) break;
    line += ` | ${part}`;
  }
  return line.slice(0, Math.max(1, width - 1));
}

function plainDisplay(stream: NodeJS.WriteStream, { total, unit }: Work): ProgressDisplay {
  let printedMs = performance.now();
  return {
    update: (done, parts) => {
      const now = performance.now();
      if (now - printedMs < PLAIN_PERIOD_MS && done < total) return;
      printedMs = now;
      stream.write(`${printable([`${unit} ${done}/${total}`, ...parts].join(' | '))}\n`);
    },
    note: (line) => stream.write(`${printable(line)}\n`),
    stop: () => {},
  };
}

const DISPLAY_PERIOD_MS = 100;

/** Shows how far a run has come, as it goes. */
export function showProgress<S extends RunStep>(display: ProgressDisplay): Tracker<S> {
  let shownMs = Number.NEGATIVE_INFINITY;
  return {
    onStep({ position }, run) {
      const now = performance.now();
      if (now - shownMs < DISPLAY_PERIOD_MS && position < run.total) return;
      shownMs = now;
      display.update(position, statusParts(run));
    },
    close: () => display.stop(),
  };
}

/** What to say of a run, the most important first: "score 12, mean 8.3", "112 steps/s", "7 min left", "loss 0.0012". */
export function statusParts<S extends RunStep>(run: Run<S>): string[] {
  const { rate } = run.trainable.unit;
  const pace = run.pace * rate.factor;
  const { epsilon, epoch } = run.current;
  const { loss } = run.latest.progress ?? {};
  const { episodes, lastReturn, meanReturn } = run.summary().numbers;
  const secondsLeft = (run.total - run.position) / run.pace;
  return [
    ...(episodes === undefined ? [] : [scoreWords(lastReturn, meanReturn)]),
    ...(epoch === undefined ? [] : [`epoch ${epoch.toFixed(2)}`]),
    `${pace < 100 ? pace.toPrecision(2) : Math.round(pace)} ${rate.key.replace('PerSecond', '/s')}`,
    ...(Number.isFinite(secondsLeft) ? [`${duration(secondsLeft)} left`] : []),
    ...(loss === undefined ? [] : [`loss ${loss.toPrecision(3)}`]),
    ...(epsilon === undefined ? [] : [`epsilon ${epsilon.toFixed(2)}`]),
    ...(episodes === undefined ? [] : [`${episodes} episodes`]),
  ];
}

function scoreWords(lastReturn: number | undefined, meanReturn: number | undefined): string {
  if (lastReturn === undefined || meanReturn === undefined) return 'no score yet';
  return `score ${round(lastReturn)}, mean ${round(meanReturn)}`;
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
