import type { OptimizerConfig } from '../../optimizers/index.ts';
import type { VaeMnistConfig } from './config.ts';

/** Kingma & Ba's values but for beta1, as the paper has them. */
export function vaeOptimizer({
  optimizer: name,
  learningRate,
}: Pick<VaeMnistConfig, 'optimizer' | 'learningRate'>): OptimizerConfig {
  return { name, learningRate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
}
