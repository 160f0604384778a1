import type { Tracker } from '../runs/tracker.ts';
import type { SupervisedTraining } from './trainable.ts';

/**
 * Evaluates the test set at the end of epochs: an `evaluation` event.
 * @param periodEpochs Every so many epochs, and at the end of the run.
 */
export function evaluateEpochs({ task, perEpoch }: SupervisedTraining, periodEpochs: number): Tracker {
  return {
    async onStep({ position }, run) {
      if (position % perEpoch !== 0) return;
      const epoch = position / perEpoch;
      if (epoch % periodEpochs !== 0 && position !== run.total) return;
      await run.emit({ kind: 'evaluation', numbers: { epoch, ...task.evaluate() } });
    },
  };
}
