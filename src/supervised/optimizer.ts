import type { OptimizerConfig } from '../optimizers/index.ts';

/** The update rule of a task's settings, with Kingma & Ba's values where it has none. */
export function optimizerConfig({
  optimizer: name,
  learningRate,
  beta1 = 0.9,
}: {
  optimizer: 'adam' | 'adamax' | 'sgd';
  learningRate: number;
  /** The decay of the mean gradient; for sgd the momentum. */
  beta1?: number;
}): OptimizerConfig {
  if (name === 'sgd') return { name, learningRate, momentum: beta1 };
  return { name, learningRate, beta1, beta2: 0.999, epsilon: 1e-8 };
}
