import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { DamagedFileError } from './errors.ts';

/** A JSON file as its schema has it. @throws DamagedFileError for one that is missing, no JSON, or of another form. */
export async function readJson<T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T>> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new DamagedFileError(path, reason);
  }
}
