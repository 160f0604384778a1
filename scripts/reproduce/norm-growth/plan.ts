import type { OptimizerName, RunPlan } from './experiment.ts';

/** Which runs are made. */
export interface Plan {
  optimizer: OptimizerName;
  /** Updates of each run. */
  steps: number;
  seeds: number[];
  learningRates: readonly number[];
  /** Examples in a minibatch of the runs over the learning rates. */
  batchSize: number;
  /**
   * Examples in a minibatch of the runs that vary the noise, at `noiseLearningRate` and with weight normalisation only.
   */
  batchSizes: readonly number[];
  noiseLearningRate: number;
}

/** The learning rates of the runs: more than four decades, from far too small to far too large. */
const LEARNING_RATES = {
  sgd: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30],
  adam: [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3],
} as const;

export function makePlan(options: { optimizer: OptimizerName; steps: number; seeds: number }): Plan {
  const { optimizer, steps, seeds } = options;
  return {
    optimizer,
    steps,
    seeds: Array.from({ length: seeds }, (_, i) => i + 1),
    learningRates: LEARNING_RATES[optimizer],
    batchSize: 32,
    batchSizes: [4, 32, 256],
    noiseLearningRate: optimizer === 'sgd' ? 0.1 : 0.01,
  };
}

/** The runs of a plan; those of the noise that the learning rates have already are not made twice. */
export function runsOf(plan: Plan): RunPlan[] {
  const { learningRates, batchSize, batchSizes, noiseLearningRate, seeds } = plan;
  const settings = [
    ...(['plain', 'weight norm'] as const).flatMap((parameterisation) =>
      learningRates.map((learningRate) => ({ parameterisation, learningRate, batchSize })),
    ),
    ...batchSizes
      .filter((size) => size !== batchSize)
      .map((size) => ({
        parameterisation: 'weight norm' as const,
        learningRate: noiseLearningRate,
        batchSize: size,
      })),
  ];
  return settings.flatMap((setting) => seeds.map((seed) => ({ ...setting, seed })));
}
