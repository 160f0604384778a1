import { DivergedError } from './errors.ts';

/** Whether every number is finite. */
export function allFinite(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}

/** The first of named tensors that holds a number which is not finite. */
export function firstNotFinite(tensors: Readonly<Record<string, { data: ArrayLike<unknown> }>>): string | undefined {
  return Object.keys(tensors).find((name) => {
    const { data } = tensors[name];
    return typeof data[0] === 'number' && !allFinite(data as ArrayLike<number>);
  });
}

/**
 * Refuses to keep what has diverged, so that no checkpoint of it pushes the good ones out.
 * @throws DivergedError naming the first tensor with a number that is not finite.
 */
export function checkFinite(tensors: Readonly<Record<string, { data: ArrayLike<unknown> }>>): void {
  const name = firstNotFinite(tensors);
  if (name !== undefined) throw new DivergedError(`"${name}" holds numbers that are not finite`);
}
