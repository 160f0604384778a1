import type { Numbers } from './events.ts';

/** Means of named numbers. Its sums can be kept and taken up again. */
export interface Means {
  /** Adds one value for each name. */
  add(values: Numbers): void;
  /** Adds each element of the arrays from element `from` on. */
  addEach(values: Readonly<Record<string, ArrayLike<number>>>, from?: number): void;
  /** The mean of each name that was added. */
  result(): Record<string, number>;
  readonly sums: Record<string, { sum: number; count: number }>;
}

/** Begins with the given sums, which it changes. */
export function meansOf(sums: Means['sums'] = {}): Means {
  const addOne = (name: string, value: number) => {
    sums[name] ??= { sum: 0, count: 0 };
    sums[name].sum += value;
    sums[name].count += 1;
  };
  return {
    sums,
    add(values) {
      for (const [name, value] of Object.entries(values)) addOne(name, value);
    },
    addEach(values, from = 0) {
      for (const [name, array] of Object.entries(values)) {
        for (let i = from; i < array.length; i++) addOne(name, array[i]);
      }
    },
    result: () => Object.fromEntries(Object.entries(sums).map(([name, { sum, count }]) => [name, sum / count])),
  };
}
