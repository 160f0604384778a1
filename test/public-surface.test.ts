// What a package exports is a promise: a name that comes or goes changes this list on purpose.
import './node-backend.ts';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as bridge from 'gymnasium-js-bridge';
import * as environments from 'gymnasium-js-bridge/environments';
import { expect, expectTypeOf, test } from 'vitest';
import * as agents from '../agents/index.ts';
import * as main from '../src/index.ts';
import * as recording from '../src/recording/index.ts';
import * as replay from '../src/replay/index.ts';
import * as runs from '../src/runs/index.ts';
import * as supervised from '../src/supervised/index.ts';
import * as weightnorm from '../src/weightnorm/index.ts';

const entries: Record<string, object> = {
  '.': main,
  './agents': agents,
  './recording': recording,
  './replay': replay,
  './runs': runs,
  './supervised': supervised,
  './weightnorm': weightnorm,
};

test('the entries are those of package.json', () => {
  const { exports } = JSON.parse(readFileSync(fileURLToPath(new URL('../package.json', import.meta.url)), 'utf8'));
  expect(Object.keys(exports)).toEqual(Object.keys(entries));
});

test.each([
  ...Object.entries(entries),
  ['gymnasium-js-bridge', bridge],
  ['gymnasium-js-bridge/environments', environments],
])('the names of %s', (_, entry) => {
  expect(Object.keys(entry as object).sort()).toMatchSnapshot();
});

test('no name stands for two things', () => {
  const seen = new Map<string, unknown>();
  for (const entry of [...Object.values(entries), environments, bridge]) {
    for (const [name, value] of Object.entries(entry)) {
      expect(seen.get(name) ?? value, name).toBe(value);
      seen.set(name, value);
    }
  }
});

test('types: a run is a stream of steps, a step definition knows its tensors, settings are checked', () => {
  type Run = Awaited<ReturnType<typeof agents.train>>;
  expectTypeOf<Run>().toMatchTypeOf<AsyncIterable<agents.AgentStep>>();
  expectTypeOf<Awaited<ReturnType<Run['finish']>>>().toEqualTypeOf<runs.RunSummary>();
  expectTypeOf<agents.AgentStep>().toMatchTypeOf<runs.RunStep>();
  expectTypeOf(agents.train).parameter(0).toHaveProperty('steps').toEqualTypeOf<number | undefined>();
  // @ts-expect-error: no setting has this name
  void ((): agents.TrainOptions => ({ env: 'CartPole-v1', stpes: 5 }));
  // @ts-expect-error: a number is no normalization
  void ((): agents.TrainOptions => ({ env: 'CartPole-v1', normalization: 1 }));
  const step = main.defineStep(
    { x: { shape: [3, 4], dtype: 'float32' }, n: { shape: [], dtype: 'int32' } },
    ({ x, n }) => {
      expectTypeOf(x).toEqualTypeOf<import('@tensorflow/tfjs').Tensor2D>();
      expectTypeOf(n).toEqualTypeOf<import('@tensorflow/tfjs').Scalar>();
      return { sum: x.sum() };
    },
  );
  const program = main.compile({ step });
  expectTypeOf(program.steps.step.values).returns.toEqualTypeOf<{ sum: main.TypedArray }>();
  program.dispose();
  expectTypeOf<runs.RunEvent>().toHaveProperty('kind');
  expectTypeOf<Extract<runs.RunEvent, { kind: 'episode' }>['numbers']>().toEqualTypeOf<runs.EpisodeNumbers>();
});
