// The network that plays, from a checkpoint of its run.
import type * as tf from '@tensorflow/tfjs';
import { DamagedFileError } from '../files/errors.ts';
import { storedVariables } from '../networks/variables.ts';
import type { Checkpoint } from '../runs/checkpoints.ts';
import type { RunFolder } from '../runs/folder.ts';
import { readNetworkTensors } from '../runs/state.ts';
import { StateError } from '../runs/trainable.ts';
import { assignVariables, variableTensors } from '../runs/variables.ts';

/** Agent step of a checkpoint, or `best` for that of the best evaluation while training; the newest if undefined. */
export type ChosenCheckpoint = number | 'best' | undefined;

/** @throws What `Checkpoints.find` throws. */
export function findCheckpoint(
  folder: RunFolder,
  chosen: ChosenCheckpoint,
  note?: (line: string) => void,
): Promise<Checkpoint> {
  return chosen === 'best' ? folder.best.find(undefined, note) : folder.checkpoints.find(chosen, note);
}

/**
 * The weights of a checkpoint's network that plays; the result writes them into a network of the run's settings.
 * @throws DamagedFileError where they cannot be read, and, when they are written, where they are of another network.
 */
export async function readNetwork({ path }: Checkpoint): Promise<(network: tf.LayersModel) => void> {
  const tensors = await readNetworkTensors(path);
  return (network) => {
    try {
      assignVariables(storedVariables(network), tensors);
    } catch (error) {
      throw error instanceof StateError ? new DamagedFileError(path, error.message) : error;
    }
  };
}

/** The weights of a network that plays as a checkpoint has them. */
export function networkTensors(network: tf.LayersModel): ReturnType<typeof variableTensors> {
  return variableTensors(storedVariables(network));
}
