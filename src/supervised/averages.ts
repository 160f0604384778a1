import * as tf from '@tensorflow/tfjs';
import { createPolyakAverage, type NamedVariable, type PolyakAverage } from '../optimizers/index.ts';

/** Averages of variables over about so many epochs; none for 0. */
export function averagesOverEpochs(
  variables: readonly NamedVariable[],
  epochs: number,
  updatesPerEpoch: number,
): PolyakAverage | undefined {
  return epochs > 0 ? createPolyakAverage(variables, { decay: 1 - 1 / (epochs * updatesPerEpoch + 1) }) : undefined;
}

/** Batches of the training set that statistics are estimated from again. */
export const STATISTICS_BATCHES = 20;

/** A second set of values of some variables. */
export interface SpareValues {
  /** Exchanges the variables' values and these; a second call undoes it, to the bit. May be a step of `compile()`. */
  swap(): void;
  dispose(): void;
}

/** Spare values of running averages: those of weights other than the ones that are trained. */
export function createSpareValues(variables: readonly tf.Variable[]): SpareValues {
  const pairs = variables.map((variable) => ({ variable, spare: tf.tidy(() => tf.variable(variable.clone(), false)) }));
  return {
    swap() {
      for (const { variable, spare } of pairs) {
        tf.tidy(() => {
          const value = variable.clone();
          variable.assign(spare.clone());
          spare.assign(value);
        });
      }
    },
    dispose: () => tf.dispose(pairs.map(({ spare }) => spare)),
  };
}

/**
 * Does `work` with the averages, where there are any, in the place of the variables; `exchange` is the step that swaps
 * them.
 */
export function withAverages<T>(averages: PolyakAverage | undefined, exchange: () => void, work: () => T): T {
  if (!averages) return work();
  exchange();
  try {
    return work();
  } finally {
    exchange();
  }
}
