import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Batches, type BatchesOptions } from '../../src/datasets/batches.ts';

fc.configureGlobal({ seed: 1 }); // the same examples in every run

/** `count` examples of 3 elements that begin with the example's number, which is its label too. */
function make(options: Partial<BatchesOptions<'x' | 'label'>> & { count: number }) {
  const { count } = options;
  return new Batches({
    arrays: {
      x: Float32Array.from({ length: 3 * count }, (_, i) => Math.floor(i / 3) + (i % 3) / 4),
      label: Int32Array.from({ length: count }, (_, i) => i),
    },
    batchSize: 4,
    seed: 1,
    lastBatch: 'drop',
    ...options,
  });
}

const epochOf = (batches: Batches<'x' | 'label'>) =>
  Array.from({ length: batches.batchesPerEpoch }, () => {
    const { epoch, index, size, arrays } = batches.next();
    return { epoch, index, size, label: [...arrays.label], x: [...arrays.x] };
  });
const labelsOf = (batches: Batches<'x' | 'label'>) => epochOf(batches).flatMap(({ label }) => label);

test('each epoch has every example once, with its label', () => {
  fc.assert(
    fc.property(
      fc.record({
        count: fc.integer({ min: 1, max: 40 }),
        batchSize: fc.integer({ min: 1, max: 12 }),
        seed: fc.option(fc.integer({ min: 0, max: 0x7fffffff })),
        lastBatch: fc.constantFrom('drop', 'keep'),
      }),
      (options) => {
        fc.pre(options.batchSize <= options.count);
        const { count, batchSize, lastBatch } = options;
        const batches = make(options);
        for (let epoch = 0; epoch < 3; epoch++) {
          const seen = epochOf(batches);
          expect(seen.map(({ epoch }) => epoch)).toEqual(Array(seen.length).fill(epoch));
          expect(seen.map(({ index }) => index)).toEqual(seen.map((_, i) => i));
          const rest = count % batchSize;
          const sizes = Array(Math.floor(count / batchSize)).fill(batchSize);
          expect(seen.map(({ size }) => size)).toEqual(lastBatch === 'keep' && rest > 0 ? [...sizes, rest] : sizes);
          for (const { size, label, x } of seen) {
            expect(label.length).toBe(size);
            expect(x).toEqual(label.flatMap((i) => [i, i + 0.25, i + 0.5]));
          }
          const labels = seen.flatMap(({ label }) => label);
          expect(new Set(labels).size).toBe(labels.length);
          if (lastBatch === 'keep') expect(labels.length).toBe(count);
          if (options.seed === null) expect(labels).toEqual(labels.map((_, i) => i));
        }
      },
    ),
    { numRuns: 100 },
  );
});

test('the order depends on seed and epoch alone', () => {
  const [first, second] = [make({ count: 40 }), make({ count: 40 })];
  const epochs = [labelsOf(first), labelsOf(first)];
  expect([labelsOf(second), labelsOf(second)]).toEqual(epochs);
  expect(epochs[0]).not.toEqual(epochs[1]);
  expect(labelsOf(make({ count: 40, seed: 2 }))).not.toEqual(epochs[0]);
});

test('every order of 4 examples comes about equally often', () => {
  const batches = make({ count: 4 });
  const counts = new Map<string, number>();
  const epochs = 4800;
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = batches.next().arrays.label.join('');
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  expect(counts.size).toBe(24);
  const expected = epochs / 24;
  const chiSquared = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  expect(chiSquared).toBeLessThan(49.7); // 23 degrees of freedom: exceeded once in a thousand seeds
});

test('a run resumed from JSON sees the same batches, prepared or not, within and between epochs', () => {
  for (const steps of [0, 1, 4, 5, 7, 10, 13]) {
    const batches = make({ count: 18, lastBatch: 'keep' });
    for (let step = 0; step < steps; step++) batches.next();
    const state = JSON.parse(JSON.stringify(batches.getState()));
    batches.prepare();
    expect(batches.getState()).toEqual(state);
    const resumed = make({ count: 18, lastBatch: 'keep' });
    resumed.next();
    resumed.prepare();
    resumed.setState(state);
    for (let step = 0; step < 12; step++) expect(resumed.next()).toEqual(batches.next());
  }
});

test('a batch stays as it is while the next one is prepared, in buffers that are used again', () => {
  const batches = make({ count: 40 });
  const first = batches.next();
  const copy = [...first.arrays.x];
  batches.prepare();
  const second = batches.next();
  expect([...first.arrays.x]).toEqual(copy);
  expect(second.arrays.x).not.toBe(first.arrays.x);
  expect(batches.next().arrays.x).toBe(first.arrays.x);
});

describe('says what is wrong with', () => {
  test.each([
    [{ count: 0 }, 'count is 0: give the number of examples'],
    [{ count: 3 }, 'batchSize is 4: give a whole number from 1 to the 3 examples'],
    [{ count: 8, batchSize: 1.5 }, 'batchSize is 1.5: give a whole number from 1 to the 8 examples'],
    [{ count: 8, seed: -1 }, 'seed is -1: give an integer from 0 to 2147483647, or null for no shuffling'],
    [
      { count: 8, arrays: { x: new Float32Array(12), label: new Int32Array(8) } },
      'arrays.x has 12 elements: give a multiple of the 8 examples',
    ],
  ])('%j', (options, message) => {
    expect(() => make(options)).toThrow(message);
  });

  test('a state of another run', () => {
    const state = make({ count: 20 }).getState();
    expect(() => make({ count: 20, seed: 2 }).setState(state)).toThrow(
      'the saved batches have seed 1, not 2: resume with the same',
    );
    expect(() => make({ count: 24 }).setState(state)).toThrow('have count 20, not 24');
    expect(() => make({ count: 20, batchSize: 5 }).setState(state)).toThrow('have batchSize 4, not 5');
    expect(() => make({ count: 20 }).setState({ ...state, index: 5 })).toThrow(
      'stand at batch 5 of epoch 0, of 5 batches',
    );
    expect(() => make({ count: 20 }).setState({ ...state, epoch: -1 })).toThrow('stand at batch 0 of epoch -1');
  });
});
