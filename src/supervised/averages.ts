import { createPolyakAverage, type NamedVariable, type PolyakAverage } from '../optimizers/index.ts';

/** Averages of variables over about so many epochs; none for 0. */
export function averagesOverEpochs(
  variables: readonly NamedVariable[],
  epochs: number,
  updatesPerEpoch: number,
): PolyakAverage | undefined {
  return epochs > 0 ? createPolyakAverage(variables, { decay: 1 - 1 / (epochs * updatesPerEpoch + 1) }) : undefined;
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
