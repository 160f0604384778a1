import { SingleBar } from 'cli-progress';
import type { TrainingStatus } from './trainer.ts';

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

/** "112 steps/s | epsilon 0.93 | loss 0.0012 | score last 12, mean 8.3 (4 episodes) | 7 min left" */
export function trainingStatusLine(status: TrainingStatus): string {
  const { stepsPerSecond, epsilon, loss, lastReturn, meanReturn, episodes, secondsLeft } = status;
  const score =
    lastReturn === undefined
      ? 'no episode finished yet'
      : `score last ${round(lastReturn)}, mean ${round(meanReturn!)} (${episodes} episodes)`;
  return [
    `${Math.round(stepsPerSecond)} steps/s`,
    `epsilon ${epsilon.toFixed(2)}`,
    ...(loss === undefined ? [] : [`loss ${loss.toPrecision(3)}`]),
    score,
    ...(secondsLeft !== undefined && Number.isFinite(secondsLeft) ? [`${duration(secondsLeft)} left`] : []),
  ].join(' | ');
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** "42 s", "7 min", "3 h 20 min" */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
