import type { RunsProgress } from '../jobs/runner.ts';
import { duration } from '../report/duration.ts';
import { newBar } from './progress.ts';

const PLAIN_PERIOD_MS = 5_000;

/** A bar of `total` runs where `stream` is a terminal, else a plain line at the start and then every five seconds. */
export function runsProgress(stream: NodeJS.WriteStream, total: number): RunsProgress {
  // A run's own line may say how long it still takes: this is of all of them.
  const left = (seconds: number | undefined) => (seconds === undefined ? '' : ` | all runs: ${duration(seconds)} left`);
  if (!stream.isTTY) {
    let printedMs = Number.NEGATIVE_INFINITY;
    return {
      update: (done, doing, secondsLeft) => {
        if (performance.now() - printedMs < PLAIN_PERIOD_MS) return;
        printedMs = performance.now();
        stream.write(`runs ${done}/${total} | ${doing}${left(secondsLeft)}\n`);
      },
      note: (line) => stream.write(`${line}\n`),
      stop: () => {},
    };
  }
  const bar = newBar(stream, '{bar} {value}/{total} runs | {line}');
  bar.start(total, 0, { line: 'starting' });
  return {
    update: (done, doing, secondsLeft) => bar.update(done, { line: `${doing}${left(secondsLeft)}` }),
    // The bar owns the terminal's last line: clear it, print, and let the next update draw the bar again below.
    note: (line) => stream.write(`\r\x1b[K${line}\n`),
    stop: () => bar.stop(),
  };
}
