import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Generator } from '../../src/random/index.ts';
import {
  type PrioritizedOptions,
  prioritizedSampler,
  Replay,
  type ReplayOptions,
  type SampledRows,
} from '../../src/replay/index.ts';
import { SumTree } from '../../src/replay/sum-tree.ts';
import type { StoredTensors } from '../../src/runs/trainable.ts';

fc.configureGlobal({ seed: 1 }); // the same examples in every run

const OFFSET = 1e-6; // what is added to each priority

const options: ReplayOptions = {
  ...{ capacity: 40, lanes: 1, frameShape: [1], dtype: 'float32', frameStack: 1, nStep: 1, discount: 0.9 },
  batchSize: 8,
};

function samplerOf(given: ReplayOptions, more: Partial<PrioritizedOptions> = {}, seed = 1) {
  return prioritizedSampler(new Generator(seed, 'sampling'), {
    ...{ replay: given, priorityExponent: 0.7, importanceExponentStart: 0.4, annealingMinibatches: 10 },
    ...more,
  });
}

const step = (number: number, ending: 'none' | 'terminated' | 'truncated' = 'none') => ({
  frame: Float32Array.of(number),
  action: 0,
  reward: 0,
  terminal: ending === 'terminated',
  episodeEnds: ending !== 'none',
  finalFrame: Float32Array.of(-1),
});

/** Rows that are held, all of them complete, without a replay. */
const held = { size: 1, rowAt: () => 0 };
const minibatch = (count: number): SampledRows => ({ rows: new Float64Array(count), weights: new Float32Array(count) });

/**
 * The chi-square statistic of counts against expected ones. The part of a minibatch that each row is drawn from only
 * lessens the variance of its count, so the quantiles of the distribution are upper bounds.
 */
function chiSquare(counts: readonly number[], expected: readonly number[]): number {
  return counts.reduce((sum, count, i) => sum + (count - expected[i]) ** 2 / expected[i], 0);
}

describe('a sum tree', () => {
  test('has the sums and finds the leaves of a plain list, whatever is set', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.tuple(fc.nat(1000), fc.constantFrom(0, 0, 1, 2.5, 1e-6, 1e6)), { maxLength: 120 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (size, changes, share) => {
          const tree = new SumTree(size);
          const list = new Array(size).fill(0);
          for (const [place, weight] of changes) {
            tree.set(place % size, weight);
            list[place % size] = weight;
          }
          expect(Array.from({ length: size }, (_, leaf) => tree.get(leaf))).toEqual(list);
          const total = list.reduce((sum, weight) => sum + weight, 0);
          expect(Math.abs(tree.total - total)).toBeLessThanOrEqual(1e-12 * total);
          if (total === 0) return;
          expect(list[tree.find(share * tree.total)]).toBeGreaterThan(0);
          // However far beyond the end rounding may get.
          expect(list[tree.find(2 * tree.total)]).toBeGreaterThan(0);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('gives each leaf the part of the line that is its weight', () => {
    const weights = [3, 0, 1, 5, 2, 0, 4];
    const tree = new SumTree(weights.length);
    for (const [leaf, weight] of weights.entries()) tree.set(leaf, weight);
    const lengths = new Array(weights.length).fill(0);
    for (let point = 0.05; point < 15; point += 0.1) lengths[tree.find(point)] += 0.1;
    lengths.forEach((length, leaf) => {
      expect(length).toBeCloseTo(weights[leaf], 6);
    });
  });

  test('is a function of its leaves, bit for bit, in whatever order they were set', () => {
    const random = new Generator(1, 'tree');
    const weights = Array.from({ length: 1000 }, () => random.uniform());
    const [one, other] = [new SumTree(1000), new SumTree(1000)];
    for (let leaf = 0; leaf < 1000; leaf++) one.set(leaf, weights[leaf]);
    for (let change = 0; change < 3000; change++) other.set(random.integer(1000), random.uniform());
    for (let leaf = 999; leaf >= 0; leaf--) other.set(leaf, weights[leaf]);
    expect(other.total).toBe(one.total);
  });
});

describe('prioritized sampling', () => {
  test('draws each row in proportion to its priority to the power of alpha', () => {
    const count = 50;
    const sampler = samplerOf({ ...options, capacity: count });
    const priorities = Array.from({ length: count }, (_, row) => 0.01 + (row % 7) + row / 10);
    for (let row = 0; row < count; row++) sampler.added!(row);
    sampler.updatePriorities!(Float64Array.from(priorities.keys()), priorities);
    const counts = new Array(count).fill(0);
    const sampled = minibatch(32);
    const draws = 3000;
    for (let draw = 0; draw < draws; draw++) {
      sampler.sample(held, sampled, () => true);
      for (const row of sampled.rows) counts[row] += 1;
    }
    const powers = priorities.map((priority) => (priority + OFFSET) ** 0.7);
    const total = powers.reduce((sum, power) => sum + power, 0);
    const expected = powers.map((power) => (draws * 32 * power) / total);
    expect(chiSquare(counts, expected)).toBeLessThan(85.4); // 0.999 quantile with 49 degrees of freedom
    // What it must not be mistaken for: uniform, or alpha 1.
    expect(chiSquare(counts, new Array(count).fill((draws * 32) / count))).toBeGreaterThan(1000);
  });

  test('rows that are not complete are drawn again, and bias nothing', () => {
    const count = 20;
    const sampler = samplerOf({ ...options, capacity: count }, { priorityExponent: 1 });
    const priorities = Array.from({ length: count }, (_, row) => (row < 4 ? 30 : 1 + row)); // 120 of 314 incomplete
    for (let row = 0; row < count; row++) sampler.added!(row);
    sampler.updatePriorities!(Float64Array.from(priorities.keys()), priorities);
    const before = sampler.getState();
    const counts = new Array(count).fill(0);
    const sampled = minibatch(16);
    const draws = 4000;
    for (let draw = 0; draw < draws; draw++) {
      sampler.sample(held, sampled, (row) => row >= 4);
      for (const row of sampled.rows) counts[row] += 1;
    }
    expect(counts.slice(0, 4)).toEqual([0, 0, 0, 0]);
    const complete = priorities.slice(4);
    const total = complete.reduce((sum, priority) => sum + priority, 0);
    const expected = complete.map((priority) => (draws * 16 * priority) / total);
    expect(chiSquare(counts.slice(4), expected)).toBeLessThan(37.7); // 0.999 quantile with 15 degrees of freedom
    expect(sampler.getState().tensors).toEqual(before.tensors); // they have their priorities again
    expect(() => sampler.sample(held, sampled, () => false)).toThrow('no complete transition yet');
    expect(sampler.getState().tensors).toEqual(before.tensors);
  });

  test('weights are (N P)^-beta over their maximum, with beta from its start to 1', () => {
    const sampler = samplerOf({ ...options, capacity: 10 }, { importanceExponentStart: 0.4, annealingMinibatches: 4 });
    for (let row = 0; row < 10; row++) sampler.added!(row);
    const priorities = Array.from({ length: 10 }, (_, row) => 0.5 + row);
    sampler.updatePriorities!(Float64Array.from(priorities.keys()), priorities);
    const powers = priorities.map((priority) => (priority + OFFSET) ** 0.7);
    const total = powers.reduce((sum, power) => sum + power, 0);
    const sampled = minibatch(6);
    for (const beta of [0.4, 0.55, 0.7, 0.85, 1, 1, 1]) {
      sampler.sample(held, sampled, () => true);
      const weights = Array.from(sampled.rows, (row) => (10 * (powers[row] / total)) ** -beta);
      const most = Math.max(...weights);
      sampled.weights.forEach((weight, i) => {
        expect(weight).toBeCloseTo(weights[i] / most, 5);
      });
      expect(Math.max(...sampled.weights)).toBe(1);
    }
  });

  test('alpha 0 draws all rows alike, with weight 1', () => {
    const sampler = samplerOf({ ...options, capacity: 10 }, { priorityExponent: 0 });
    for (let row = 0; row < 10; row++) sampler.added!(row);
    sampler.updatePriorities!(Float64Array.of(0, 1), [100, 0]);
    const sampled = minibatch(10);
    sampler.sample(held, sampled, () => true);
    expect([...sampled.rows].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect([...sampled.weights]).toEqual(new Array(10).fill(1));
  });

  test('a priority that is not finite is the largest, and 0 is not never', () => {
    const sampler = samplerOf({ ...options, capacity: 4 }, { priorityExponent: 1 });
    for (let row = 0; row < 4; row++) sampler.added!(row);
    sampler.updatePriorities!(Float64Array.of(0, 1, 2, 3), [5, Number.NaN, Number.POSITIVE_INFINITY, 0]);
    const { data } = sampler.getState().tensors.priorities;
    [5, 5, 5, OFFSET].forEach((expected, leaf) => {
      expect((data as Float32Array)[leaf]).toBeCloseTo(expected, 5);
    });
    expect((data as Float32Array)[3]).toBeGreaterThan(0);
  });
});

/** The priority that each row of a replay must have, worked out from all that ever happened. */
class Model {
  readonly rows = new Map<number, number>();
  largest = 1;

  /** Rows that are held and start a transition; FINAL rows take places and are no rows of their own. */
  drop(isHeld: (row: number) => boolean): void {
    for (const row of this.rows.keys()) if (!isHeld(row)) this.rows.delete(row);
  }
}

test('whatever is played, updated and sampled, priorities are those of a plain model', () => {
  const endings = fc.constantFrom(
    'none' as const,
    'none' as const,
    'none' as const,
    'terminated' as const,
    'truncated' as const,
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(2), endings, fc.nat(20)), { minLength: 30, maxLength: 200 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
      (plays, lanes, nStep) => {
        const given = { ...options, lanes, nStep, capacity: 12 * lanes, batchSize: 4 };
        const sampler = samplerOf(given, { priorityExponent: 1 });
        const replay = new Replay(given, sampler);
        const model = new Model();
        for (const [i, [lane, ending, priority]] of plays.entries()) {
          const target = replay.storage.lanes[lane % lanes];
          model.rows.set(target.added * lanes + (lane % lanes), model.largest);
          replay.append(lane % lanes, step(i, ending));
          const extents = replay.storage.extents();
          model.drop((row) => Math.floor(row / lanes) >= extents[row % lanes].oldest);
          if (i % 3 !== 0) continue;
          let rows: Float64Array;
          try {
            ({ rows } = replay.sample());
          } catch {
            continue; // nothing complete yet
          }
          for (const row of rows) expect(model.rows.has(row)).toBe(true);
          replay.updatePriorities(rows, new Array(rows.length).fill(priority));
          for (const row of rows) model.rows.set(row, priority + OFFSET);
          model.largest = Math.max(model.largest, priority + OFFSET);
          // What it holds, over all leaves: exactly the model's, and for a final observation nothing that can be drawn.
          const leaves = Array.from(sampler.getState().tensors.priorities.data as Float32Array).filter((p) => p > 0);
          const expected = [...model.rows.values()].map(Math.fround);
          for (const value of expected) expect(leaves).toContain(value);
          // Until its lane's next step, the row that a final observation took the place of is still in the tree.
          expect(leaves.length - expected.length).toBeLessThanOrEqual(lanes);
        }
      },
    ),
    { numRuns: 150 },
  );
});

test('rows that are overwritten between a minibatch and its priorities stay as they are', () => {
  const sampler = samplerOf({ ...options, capacity: 4 }, { priorityExponent: 1 });
  for (let row = 0; row < 6; row++) sampler.added!(row);
  sampler.updatePriorities!(Float64Array.of(1, 3), [50, 2]); // row 1 gave way to row 5
  expect([...(sampler.getState().tensors.priorities.data as Float32Array)].map((p) => Math.round(p))).toEqual([
    1, 1, 1, 2,
  ]);
  sampler.added!(6);
  expect((sampler.getState().tensors.priorities.data as Float32Array)[2]).toBe(Math.fround(2 + OFFSET));
});

describe('its state', () => {
  const play = (replay: Replay, from: number, to: number) => {
    for (let t = from; t < to; t++) {
      for (const lane of [0, 1]) replay.append(lane, step(10 * t + lane, t % 9 === 8 ? 'truncated' : 'none'));
    }
  };
  const learn = (replay: Replay, times: number) =>
    Array.from({ length: times }, () => {
      const { rows, weights } = replay.sample();
      replay.updatePriorities(
        rows,
        Array.from(rows, (row) => (row * 7) % 5),
      );
      return [[...rows], [...weights]];
    });
  const given = { ...options, lanes: 2, capacity: 24, nStep: 2 };
  const make = (seed: number) => new Replay(given, samplerOf(given, {}, seed));

  test.each([17, 18, 40])('after %i steps goes on with the same draws where the rows are appended again', (stop) => {
    const whole = make(1);
    play(whole, 0, stop);
    learn(whole, 5);
    const { values, tensors } = whole.sampler.getState();
    const stored = { values: JSON.parse(JSON.stringify(values)), tensors: tensors as StoredTensors };
    const resumed = make(2);
    resumed.sampler.setState(stored);
    play(resumed, 0, stop);
    expect(resumed.sampler.getState()).toEqual(whole.sampler.getState());
    expect(learn(resumed, 5)).toEqual(learn(whole, 5));
    for (const replay of [whole, resumed]) play(replay, stop, stop + 20);
    expect(learn(resumed, 5)).toEqual(learn(whole, 5));
    expect(resumed.sampler.getState()).toEqual(whole.sampler.getState());
  });

  test('is refused where it is another one', () => {
    const { values, tensors } = make(1).sampler.getState();
    const other = samplerOf({ ...given, capacity: 30 });
    expect(() => other.setState({ values, tensors: tensors as StoredTensors })).toThrow('of this size');
    expect(() => other.setState({ values: { generator: [1, 2, 3, 4] }, tensors: {} })).toThrow('prioritized sampler');
  });
});
