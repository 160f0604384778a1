import { eventLine } from './events.ts';
import { JsonLog } from './json-log.ts';
import type { Tracker } from './tracker.ts';

/**
 * Writes every event as one JSON object a line, with units in the keys: the run's `metrics.jsonl`.
 * @param note Hears of lines that a resumed run should have and has no more.
 */
export function metricsFile(path: string, note?: (line: string) => void): Tracker {
  let log: JsonLog | undefined;
  let keepBytes = 0;
  // Opened with the first line: a resumed run that fails before it leaves the file as it is.
  const opened = () => {
    if (log === undefined) {
      log = new JsonLog(path, keepBytes);
      if (log.missingBytes > 0) {
        note?.(`${path}: ${log.missingBytes} bytes of earlier lines are gone; the run goes on, its curves have a gap`);
      }
    }
    return log;
  };
  return {
    name: 'metrics',
    onEvent: (event) => opened().write(eventLine(event)),
    close: () => log?.close(),
    getState: () => ({ bytes: log?.position ?? keepBytes }),
    setState(state) {
      keepBytes = (state as { bytes: number }).bytes;
    },
  };
}
