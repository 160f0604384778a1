/** Means over many batches, by name. Its sums can be kept and taken up again. */
export interface Means {
  /** One value for each name. */
  add(values: Readonly<Record<string, number>>, weight?: number): void;
  /** Each element counts once, from element `from` on. */
  addEach(values: Readonly<Record<string, ArrayLike<number>>>, from?: number): void;
  result(): Record<string, number>;
  readonly sums: Record<string, { sum: number; count: number }>;
}

export function meansOf(sums: Means['sums'] = {}): Means {
  const addOne = (name: string, value: number, weight: number) => {
    sums[name] ??= { sum: 0, count: 0 };
    sums[name].sum += value * weight;
    sums[name].count += weight;
  };
  return {
    sums,
    add(values, weight = 1) {
      for (const [name, value] of Object.entries(values)) addOne(name, value, weight);
    },
    addEach(values, from = 0) {
      for (const [name, array] of Object.entries(values)) {
        for (let i = from; i < array.length; i++) addOne(name, array[i], 1);
      }
    },
    result: () => Object.fromEntries(Object.entries(sums).map(([name, { sum, count }]) => [name, sum / count])),
  };
}
