import { join } from 'node:path';
import { writeSafetensors } from '../files/safetensors.ts';
import { readVariables, variableTensors } from '../files/variables.ts';
import { checkFinite } from '../training/diverged.ts';
import type { SupervisedTask } from './task.ts';

const TENSORS_FILE = 'variables.safetensors';

/**
 * Writes everything that learning changes into an existing folder.
 * @throws DivergedError where a number of it is not finite.
 */
export async function saveCheckpoint(folder: string, task: SupervisedTask): Promise<void> {
  task.pull();
  const tensors = variableTensors(task.variables);
  checkFinite(tensors);
  await writeSafetensors(join(folder, TENSORS_FILE), tensors);
}

/** @throws DamagedFileError for a file that is not whole or of another network. */
export async function loadCheckpoint(folder: string, task: SupervisedTask): Promise<void> {
  await readVariables(join(folder, TENSORS_FILE), task.variables);
  task.push();
}
