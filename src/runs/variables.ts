import * as tf from '@tensorflow/tfjs';
import { allFinite } from './finite.ts';
import { type NewTensors, StateError, type StoredTensors } from './trainable.ts';

/** Variables by the names that a checkpoint has for them. */
export type VariablesByName = Readonly<Record<string, tf.Variable>>;

/** The values of variables as float32 tensors by name. */
export function variableTensors(variables: VariablesByName): NewTensors {
  return Object.fromEntries(
    Object.entries(variables).map(([name, variable]) => [
      name,
      { dtype: 'F32', shape: variable.shape, data: Float32Array.from(variable.dataSync()) } as const,
    ]),
  );
}

/**
 * Gives variables the values that are stored under their names.
 * @throws StateError where one is missing, has another shape, or holds a number that is not finite.
 */
export function assignVariables(variables: VariablesByName, tensors: StoredTensors): void {
  for (const [name, variable] of Object.entries(variables)) {
    const stored = tensors[name];
    if (stored?.dtype !== 'F32' || !tf.util.arraysEqual([...stored.shape], variable.shape)) {
      const found = stored === undefined ? 'is missing' : `has shape [${stored.shape}]`;
      throw new StateError(`tensor "${name}" ${found}, while the network of config.json needs [${variable.shape}]`);
    }
    const { data } = stored;
    if (!allFinite(data)) {
      throw new StateError(`tensor "${name}" holds numbers that are not finite: the run had diverged by then`);
    }
    tf.tidy(() => variable.assign(tf.tensor(data, variable.shape, 'float32')));
  }
}
