import * as tf from '@tensorflow/tfjs';
import { DamagedFileError } from './errors.ts';
import { readSafetensors, type SafetensorsTensor } from './safetensors.ts';

/** Whether every number is finite. */
export function allFinite(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}

/** The values of variables as float32 tensors by name. */
export function variableTensors(variables: Readonly<Record<string, tf.Variable>>) {
  return Object.fromEntries(
    Object.entries(variables).map(([name, variable]) => [
      name,
      { dtype: 'F32', shape: variable.shape, data: Float32Array.from(variable.dataSync()) } as const,
    ]),
  );
}

/**
 * Gives a variable the value that a file has for it.
 * @throws DamagedFileError where it has none, or one of another shape.
 */
export function assignStored(
  variable: tf.Variable,
  stored: SafetensorsTensor | undefined,
  name: string,
  path: string,
): void {
  if (stored?.dtype !== 'F32' || !tf.util.arraysEqual(stored.shape, variable.shape)) {
    const found = stored === undefined ? 'is missing' : `has shape [${stored.shape}]`;
    throw new DamagedFileError(
      path,
      `tensor "${name}" ${found}, while the network of config.json needs [${variable.shape}]`,
    );
  }
  const { data } = stored;
  if (!allFinite(data)) {
    throw new DamagedFileError(
      path,
      `tensor "${name}" holds numbers that are not finite: the run had diverged by then`,
    );
  }
  tf.tidy(() => variable.assign(tf.tensor(data, variable.shape, 'float32')));
}

/** @throws As `assignStored`. */
export async function readVariables(path: string, variables: Readonly<Record<string, tf.Variable>>): Promise<void> {
  const { tensors } = await readSafetensors(path);
  for (const [name, variable] of Object.entries(variables)) assignStored(variable, tensors[name], name, path);
}
