import fc from 'fast-check';
import { expect, test } from 'vitest';
import { deriveSeed, Generator } from '../../src/random/index.ts';

fc.configureGlobal({ seed: 1 }); // the same examples in every run

const draw = (generator: Generator, count: number) => Array.from({ length: count }, () => generator.uniform());

test('the same seed and component give the same numbers', () => {
  expect(draw(new Generator(7, 'exploration'), 50)).toEqual(draw(new Generator(7, 'exploration'), 50));
});

test('another seed or component gives other numbers', () => {
  const first = draw(new Generator(7, 'exploration'), 5);
  expect(draw(new Generator(8, 'exploration'), 5)).not.toEqual(first);
  expect(draw(new Generator(7, 'sampling'), 5)).not.toEqual(first);
});

test('a generator made from a saved state goes on where the first stood', () => {
  const generator = new Generator(1, 'sampling');
  draw(generator, 13);
  const continued = new Generator(generator.getState());
  expect(draw(continued, 20)).toEqual(draw(generator, 20));
});

test('neighbouring seeds are unrelated and numbers spread evenly', () => {
  const count = 10_000;
  const first = draw(new Generator(1, 'x'), count);
  const second = draw(new Generator(2, 'x'), count);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / count;
  expect(Math.abs(mean(first) - 0.5)).toBeLessThan(0.015);
  const covariance = mean(first.map((value, i) => (value - 0.5) * (second[i] - 0.5)));
  expect(Math.abs(covariance)).toBeLessThan(0.004);
});

test('integers stay in their range and reach all of it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0x7fffffff }), fc.integer({ min: 1, max: 20 }), (seed, n) => {
      const generator = new Generator(seed, 'range');
      const seen = new Set(Array.from({ length: n * 40 }, () => generator.integer(n)));
      expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
    }),
    { numRuns: 30 },
  );
});

test('derived seeds are 31-bit integers', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0x7fffffff }), fc.string(), (seed, component) => {
      const derived = deriveSeed(seed, component);
      expect(Number.isInteger(derived) && derived >= 0 && derived < 2 ** 31).toBe(true);
    }),
  );
});
