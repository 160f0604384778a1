import { allFinite } from '../files/variables.ts';

/** Learning has left the numbers that float32 has: nothing of the state is worth keeping. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError';
}

/**
 * Refuses to keep what has diverged, so that no checkpoint of it pushes the good ones out.
 * @throws DivergedError naming the first variable with a number that is not finite.
 */
export function checkFinite(variables: Readonly<Record<string, { data: ArrayLike<number> }>>): void {
  for (const [name, { data }] of Object.entries(variables)) {
    if (!allFinite(data)) throw new DivergedError(`"${name}" holds numbers that are not finite`);
  }
}
