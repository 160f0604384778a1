import { FileError } from '../files/errors.ts';
import { makeFolder } from '../files/make-folder.ts';
import { UsageError } from './command.ts';

/**
 * Makes the folder that an option names, where it is missing.
 * @throws UsageError naming the option where it cannot be made.
 */
export async function makeGivenFolder(option: string, path: string): Promise<void> {
  try {
    await makeFolder(path);
  } catch (error) {
    throw error instanceof FileError ? new UsageError(`${option} ${error.message}`) : error;
  }
}
