/** From `start` to `end` in a straight line over `duration` steps; constant before step 0 and after. */
export function linearDecay(step: number, start: number, end: number, duration: number): number {
  const progress = Math.min(1, Math.max(0, step / duration));
  return start + (end - start) * progress;
}

/** The names of the courses that a learning rate can take from the start of learning to the end of the run. */
export const LEARNING_RATE_SCHEDULES = ['constant', 'linear', 'cosine'] as const;

/** The settings that a learning rate follows from. */
export interface RateSchedule {
  readonly learningRate: number;
  readonly learningRateSchedule: (typeof LEARNING_RATE_SCHEDULES)[number];
  /** Agent steps in which the rate rises from 0 to `learningRate`. */
  readonly learningRateWarmupSteps: number;
  /** The rate at the end of the run. */
  readonly learningRateEnd: number;
  /** Length of the run, in agent steps. */
  readonly steps: number;
  /** Agent steps before learning; 0 unless given. */
  readonly learningStarts?: number;
}

/**
 * The learning rate of an update. With a warm-up of W agent steps and E agent steps of learning in the whole run, at
 * p = (elapsed - W) / (E - W), kept within 0 and 1:
 *
 *   linear    end + (rate - end) (1 - p)
 *   cosine    end + (rate - end) (1 + cos(pi p)) / 2     (Loshchilov & Hutter 2017, arXiv:1608.03983, one period)
 *
 * times (elapsed + period) / W during the warm-up. It follows from the settings and how far the run has come, so that a
 * resumed run needs no more; where it is resumed with other `steps`, the rate goes on along the curve to the new end.
 * @param elapsed Agent steps since learning started, before those that the update is for.
 * @param period Agent steps that are learned from with this rate: with 1, the first rate of a warm-up is rate / W.
 */
export function scheduledRate(elapsed: number, schedule: RateSchedule, period = 1): number {
  const { learningRate, learningRateWarmupSteps: warmup, learningRateEnd: end, steps, learningStarts = 0 } = schedule;
  const rising = warmup > 0 ? Math.min(1, Math.max(0, (elapsed + period) / warmup)) : 1;
  const falling = Math.max(1, steps - learningStarts - warmup);
  const progress = Math.min(1, Math.max(0, (elapsed - warmup) / falling));
  return rising * decayed(schedule.learningRateSchedule, learningRate, end, progress);
}

function decayed(schedule: RateSchedule['learningRateSchedule'], start: number, end: number, progress: number): number {
  switch (schedule) {
    case 'constant':
      return start;
    case 'linear':
      return start + (end - start) * progress;
    case 'cosine':
      return end + ((start - end) * (1 + Math.cos(Math.PI * progress))) / 2;
  }
}

/** Whether the rate is another one from update to update. */
export function isScheduled({ learningRateSchedule, learningRateWarmupSteps }: RateSchedule): boolean {
  return learningRateSchedule !== 'constant' || learningRateWarmupSteps > 0;
}
