// The optimizer of an agent's settings: an update rule, and what comes after each of its updates.
import * as tf from '@tensorflow/tfjs';
import { trainableVariables } from '../networks/variables.ts';
import { createOptimizer, type Optimizer } from '../optimizers/index.ts';
import { createWeightProjection, type WeightProjection } from '../weightnorm/index.ts';
import { type OptimizerSettings, optimizerConfig } from './settings.ts';

/** The optimizer of a network, with its projection where the settings ask for one. */
export function settingsOptimizer(settings: OptimizerSettings, network: tf.LayersModel): Optimizer {
  const optimizer = createOptimizer(optimizerConfig(settings), trainableVariables(network));
  const { weightProjection: kind, weightProjectionPeriodUpdates: period, weightProjectionOutputs } = settings;
  if (kind === 'none') return optimizer;
  return withProjection(
    optimizer,
    createWeightProjection(network, { kind, excludeOutput: !weightProjectionOutputs }),
    period,
  );
}

/**
 * An optimizer that projects the weights after each update whose number is a multiple of `period`. The state that it
 * has of a rescaled v is rescaled with it, so that the next step is the one that it would have made had v always been
 * of that length. It owns both.
 */
function withProjection(optimizer: Optimizer, projection: WeightProjection, period: number): Optimizer {
  const updates = tf.tidy(() => tf.variable(tf.scalar(0), false));
  const own = Object.entries({ ...projection.slots, updates });
  return {
    ...optimizer,
    slots: { ...optimizer.slots, ...Object.fromEntries(own.map(([name, slot]) => [`projection/${name}`, slot])) },
    applyGradients(...update) {
      optimizer.applyGradients(...update);
      const { rescaleState: onRescaled } = optimizer;
      if (period === 1) return projection.project({ onRescaled });
      tf.tidy(() => {
        // Counted from 0 to the period, which float32 holds exactly, however long the run is.
        const count = updates.add(1);
        const isDue = tf.greaterEqual<tf.Scalar>(count, period);
        projection.project({ isDue, onRescaled });
        updates.assign(tf.where(isDue, 0, count as tf.Scalar));
      });
    },
    weightsReplaced: () => projection.restart(),
    dispose() {
      optimizer.dispose();
      projection.dispose();
      updates.dispose();
    },
  };
}
