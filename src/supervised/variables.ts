import type * as tf from '@tensorflow/tfjs';
import type { NamedVariable } from '../optimizers/index.ts';

/** Variables of several parts under names as in a checkpoint: "network/conv1/kernel", "optimizer/conv1/kernel/m". */
export function namedTensors(
  parts: Readonly<Record<string, readonly NamedVariable[] | Readonly<Record<string, tf.Variable>>>>,
): Record<string, tf.Variable> {
  const all: Record<string, tf.Variable> = {};
  for (const [part, variables] of Object.entries(parts)) {
    const entries = Array.isArray(variables)
      ? (variables as readonly NamedVariable[]).map(({ name, variable }) => [name, variable] as const)
      : Object.entries(variables as Readonly<Record<string, tf.Variable>>);
    for (const [name, variable] of entries) all[`${part}/${name}`] = variable;
  }
  return all;
}

export function countParameters(variables: readonly NamedVariable[]): number {
  return variables.reduce((sum, { variable }) => sum + variable.size, 0);
}
