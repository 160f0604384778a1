import { mean } from '../report/statistics.ts';

/** How long a job took, or has taken so far. */
export interface JobTime {
  kind: string;
  seconds: number;
}

/**
 * Estimates how long several jobs still take. Each is taken to last as long as the finished ones of its kind on
 * average, those of any kind where none of its own is finished; one that runs for longer already is taken to end now.
 * @param finished The jobs that came to their end.
 * @param running The jobs that run now, with the time they have taken so far.
 * @param queued The kinds of the jobs that wait.
 * @param atOnce How many run at a time.
 * @returns Seconds until the last one ends where all places stay taken; undefined before the first job is finished.
 */
export function secondsLeft({
  finished,
  running,
  queued,
  atOnce,
}: {
  finished: readonly JobTime[];
  running: readonly JobTime[];
  queued: readonly string[];
  atOnce: number;
}): number | undefined {
  if (finished.length === 0) return undefined;
  const usual = (kind: string) => {
    const own = finished.filter((job) => job.kind === kind);
    return mean((own.length > 0 ? own : finished).map(({ seconds }) => seconds));
  };
  const begun = running.map(({ kind, seconds }) => Math.max(0, usual(kind) - seconds));
  const all = [...begun, ...queued.map(usual)];
  const places = Math.max(1, Math.min(atOnce, all.length));
  // No job ends sooner than it takes, however many places there are.
  return Math.max(all.reduce((sum, seconds) => sum + seconds, 0) / places, ...all, 0);
}
