import { SingleBar } from 'cli-progress';
import { duration } from '../report/duration.ts';
import type { Run } from '../runs/run.ts';
import type { Tracker } from '../runs/tracker.ts';
import type { RunStep } from '../runs/trainable.ts';

export interface ProgressDisplay {
  /** `line`: what to say beside how far the work is. */
  update(done: number, line: string): void;
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
export function newBar(stream: NodeJS.WriteStream, format: string, clearOnComplete = false): SingleBar {
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
  const bar = newBar(stream, `{bar} {value}/{total} ${unit} | {line}`);
  bar.start(total, startAt, { line: 'starting' });
  return {
    update: (done, line) => bar.update(done, { line }),
    note: (line) => {
      // The bar owns the terminal's last line: clear it, print (the bar has turned wrapping off), and let the next
      // update draw the bar again below, where the cursor position is saved anew, for the bar returns to it when it
      // stops.
      stream.write(`\r\x1b[K\x1b[?7h${line}\n\x1b[?7l\x1b7`);
    },
    stop: () => bar.stop(),
  };
}

function plainDisplay(stream: NodeJS.WriteStream, { total, unit }: Work): ProgressDisplay {
  let printedMs = performance.now();
  return {
    update: (done, line) => {
      const now = performance.now();
      if (now - printedMs < PLAIN_PERIOD_MS && done < total) return;
      printedMs = now;
      stream.write(`${unit} ${done}/${total} | ${line}\n`);
    },
    note: (line) => stream.write(`${line}\n`),
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
      display.update(position, statusLine(run));
    },
    close: () => display.stop(),
  };
}

/** "112 steps/s | epsilon 0.93 | loss 0.0012 | score last 12, mean 8.3 (4 episodes) | 7 min left" */
export function statusLine<S extends RunStep>(run: Run<S>): string {
  const { rate } = run.trainable.unit;
  const pace = run.pace * rate.factor;
  const { epsilon, epoch } = run.current;
  const { loss } = run.latest.progress ?? {};
  const { episodes, lastReturn, meanReturn } = run.summary().numbers;
  const secondsLeft = (run.total - run.position) / run.pace;
  return [
    `${pace < 100 ? pace.toPrecision(2) : Math.round(pace)} ${rate.key.replace('PerSecond', '/s')}`,
    ...(epoch === undefined ? [] : [`epoch ${epoch.toFixed(2)}`]),
    ...(epsilon === undefined ? [] : [`epsilon ${epsilon.toFixed(2)}`]),
    ...(loss === undefined ? [] : [`loss ${loss.toPrecision(3)}`]),
    ...(episodes === undefined ? [] : [scoreWords(episodes, lastReturn, meanReturn)]),
    ...(Number.isFinite(secondsLeft) ? [`${duration(secondsLeft)} left`] : []),
  ].join(' | ');
}

function scoreWords(episodes: number, lastReturn: number | undefined, meanReturn: number | undefined): string {
  if (lastReturn === undefined || meanReturn === undefined) return 'no episode finished yet';
  return `score last ${round(lastReturn)}, mean ${round(meanReturn)} (${episodes} episodes)`;
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
