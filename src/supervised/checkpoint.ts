import { join } from 'node:path';
import { readVariables, writeVariables } from '../files/variables.ts';
import type { SupervisedTask } from './task.ts';

const TENSORS_FILE = 'variables.safetensors';

/** Writes everything that learning changes into an existing folder. */
export async function saveCheckpoint(folder: string, task: SupervisedTask): Promise<void> {
  task.pull();
  await writeVariables(join(folder, TENSORS_FILE), task.variables);
}

/** @throws DamagedFileError for a file that is not whole or of another network. */
export async function loadCheckpoint(folder: string, task: SupervisedTask): Promise<void> {
  await readVariables(join(folder, TENSORS_FILE), task.variables);
  task.push();
}
