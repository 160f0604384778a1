import type { Numbers, RunEvent } from './events.ts';
import type { Run } from './run.ts';
import { crossed, type RunStep } from './trainable.ts';

/**
 * Something that follows a run: writes its numbers down, shows them, saves, evaluates, or stops it. A run waits for
 * what its trackers do, and asks them in the order in which they were given.
 */
export interface Tracker<S extends RunStep = RunStep> {
  /** Under which a checkpoint keeps its state; needed where it has one. */
  readonly name?: string;
  /** Hears of every step. */
  onStep?(step: S, run: Run<S>): void | Promise<void>;
  /** Hears of every event: means over a period, an episode or epoch that ended, an evaluation. */
  onEvent?(event: RunEvent, run: Run<S>): void | Promise<void>;
  /** Hears of every checkpoint that was written. */
  onCheckpoint?(path: string, run: Run<S>): void | Promise<void>;
  /** Numbers of its own for the run's summary. */
  summary?(): Numbers;
  /** Is called once, however the run ends. */
  close?(): void | Promise<void>;
  /** What a checkpoint is to keep of it, as JSON holds it. */
  getState?(): unknown;
  /** Takes up what `getState` gave. */
  setState?(state: unknown): void;
}

/** Writes a checkpoint whenever a multiple of the period is reached. */
export function saveEvery(period: number): Tracker {
  return {
    onStep: (step, run) => (crossed(step, period) ? run.save() : undefined),
  };
}

/**
 * A tracker whose trouble does not end the run, such as one that writes what is only looked at: the first failure is
 * told, and from then on it is left out.
 * @param what It, in words.
 */
export function tolerant<S extends RunStep>(
  tracker: Tracker<S>,
  what: string,
  note: ((line: string) => void) | undefined,
): Tracker<S> {
  let isLeftOut = false;
  const guarded = async (work: () => void | Promise<void>) => {
    if (isLeftOut) return;
    try {
      await work();
    } catch (error) {
      isLeftOut = true;
      note?.(`${what} stops here, the run goes on: ${(error as Error).message}`);
    }
  };
  return {
    ...tracker,
    onStep: (step, run) => tracker.onStep && guarded(() => tracker.onStep?.(step, run)),
    onEvent: (event, run) => tracker.onEvent && guarded(() => tracker.onEvent?.(event, run)),
    onCheckpoint: (path, run) => tracker.onCheckpoint && guarded(() => tracker.onCheckpoint?.(path, run)),
    close: () => guarded(() => tracker.close?.()),
  };
}
