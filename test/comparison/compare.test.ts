import { describe, expect, test } from 'vitest';
import { type ComparedRun, compareRuns, comparisonPage, publishedCurves } from '../../src/comparison/index.ts';
import type { RunEvent } from '../../src/runs/index.ts';

function evaluation(position: number, meanReturn: number): RunEvent {
  return { kind: 'evaluation', unit: 'agentSteps', position, wallSeconds: 1, numbers: { meanReturn } };
}

function episode(position: number, episodeReturn: number): RunEvent {
  const numbers = { episodeReturn, episodeLengthSteps: 1, episodeLengthFrames: 1, episodeSeed: 1, episodeIndex: 0 };
  return {
    kind: 'episode',
    unit: 'agentSteps',
    position,
    wallSeconds: 1,
    numbers: { ...numbers, env: 0, truncated: false },
  };
}

function run(given: Partial<ComparedRun> & { settings?: Record<string, unknown> }): ComparedRun {
  const events = given.events ?? [];
  return {
    path: 'runs/x',
    agent: 'dqn',
    environment: 'pong',
    isAtari: true,
    seed: 1,
    lastStep: events.at(-1)?.position ?? 0,
    ...given,
    events,
    settings: { seed: given.seed ?? 1, game: given.environment ?? 'pong', ...given.settings },
  };
}

const weights = ['none', 'weight'].flatMap((normalization, i) =>
  ['pong', 'breakout'].flatMap((environment, k) =>
    [1, 2, 3].map((seed) =>
      run({
        path: `runs/${normalization}-${environment}-${seed}`,
        environment,
        seed,
        settings: { normalization, checkpointPeriodSteps: 100 * seed },
        events: [evaluation(250_000, -20 + k * 21 + seed), evaluation(500_000, -20 + k * 30 + 10 * i + seed)],
      }),
    ),
  ),
);

describe('runs of one agent', () => {
  const comparison = compareRuns(weights, { ignored: ['checkpointPeriodSteps'] });

  test('are in groups by the settings that are learned by; the others are ignored', () => {
    expect(comparison.groups.map(({ label, runs }) => [label, runs.length])).toEqual([
      ['dqn, normalization none', 6],
      ['dqn, normalization weight', 6],
    ]);
    expect(comparison.differing).toEqual(['normalization']);
    expect(compareRuns(weights, { ignored: [] }).groups).toHaveLength(6);
  });

  test('are scored by their newest evaluation, where all have come to', () => {
    expect(comparison).toMatchObject({ score: 'evaluation', step: 500_000, environments: ['breakout', 'pong'] });
    expect(comparison.groups[1].environments).toEqual([
      { environment: 'breakout', scores: [21, 22, 23], mean: 22, best: 22 },
      { environment: 'pong', scores: [-9, -8, -7], mean: -8, best: -8 },
    ]);
    // Not after step 250,000 what came later; the best is the best so far.
    const earlier = compareRuns(weights, { ignored: ['checkpointPeriodSteps'], step: 400_000 });
    expect(earlier.groups[1].environments[1].scores).toEqual([-19, -18, -17]);
  });

  test('are normalised by human scores', () => {
    // (score - random) / (human - random): Pong -20.7 and 14.6, Breakout 1.7 and 30.5 (Mnih et al. 2015; Wang et al.
    // 2016).
    const normalized = [21, 22, 23].map((score) => (score - 1.7) / (30.5 - 1.7));
    const ofPong = [-9, -8, -7].map((score) => (score + 20.7) / (14.6 + 20.7));
    const { aggregate } = comparison.groups[1];
    const all = [...normalized, ...ofPong].sort((a, b) => a - b);
    expect(aggregate!.mean.value).toBeCloseTo(all.reduce((sum, value) => sum + value) / 6, 12);
    expect(aggregate!.iqm.value).toBeCloseTo(all.slice(1, 5).reduce((sum, value) => sum + value) / 4, 12);
    expect(aggregate!.median.value).toBeCloseTo((normalized[1] + ofPong[1]) / 2, 12);
    for (const { value, low, high } of Object.values(aggregate!)) {
      expect(low).toBeLessThanOrEqual(value);
      expect(high).toBeGreaterThanOrEqual(value);
    }
    expect(comparison.improvements).toMatchObject([
      { of: 'dqn, normalization weight', over: 'dqn, normalization none', probability: { value: 1, low: 1, high: 1 } },
    ]);
  });

  test('draw a page: a chart for each game and one over both, published curves in grey, every folder', () => {
    const page = comparisonPage(comparison);
    expect(page.match(/<title>|aria-label/g)?.length).toBeGreaterThan(0);
    for (const text of ['pong', 'breakout', 'normalization weight', 'Dop. DQN', ...weights.map((w) => w.path)])
      expect(page).toContain(text);
    expect(page).not.toContain('Dop. Rainbow'); // no run of that agent
    expect(page).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)|NaN|undefined/);
  });
});

test('without evaluations scores are those of the newest 100 training episodes, unclipped', () => {
  const events = Array.from({ length: 150 }, (_, i) => episode(i + 1, i));
  const comparison = compareRuns([run({ events, environment: 'pong' })], { ignored: [] });
  expect(comparison).toMatchObject({ score: 'training', step: 150 });
  expect(comparison.groups[0].environments[0].scores).toEqual([(50 + 149) / 2]);
  // A curve has a point for each part of the run: 40 of them, of all 150 episodes.
  expect(comparison.groups[0].curves.pong).toHaveLength(40);
  expect(comparison.groups[0].curves.pong[0]).toMatchObject({ step: 4, value: 1.5 });
});

test('environments without human scores are normalised within the comparison, and it says so', () => {
  const of = (seed: number, meanReturn: number, normalization: string) =>
    run({
      environment: 'CartPole-v1',
      isAtari: false,
      seed,
      settings: { normalization },
      events: [evaluation(100, meanReturn)],
    });
  const { groups, normalization } = compareRuns([of(1, 100, 'none'), of(2, 200, 'none'), of(1, 500, 'weight')], {
    ignored: [],
  });
  expect(normalization).toContain('normalised within this comparison');
  expect(groups.map(({ aggregate }) => aggregate!.mean.value)).toEqual([0.125, 1]);
});

test('a group that lacks a game has scores there and no aggregate', () => {
  const lacking = weights.filter(({ path }) => !path.startsWith('runs/weight-breakout'));
  const { groups, improvements } = compareRuns(lacking, { ignored: ['checkpointPeriodSteps'] });
  expect(groups.map(({ aggregate }) => aggregate !== undefined)).toEqual([true, false]);
  expect(groups[1].environments).toHaveLength(1);
  expect(improvements).toEqual([]);
});

test('a step that a run has not reached, or at which it has no score, is named', () => {
  const options = { ignored: ['checkpointPeriodSteps'] };
  expect(() => compareRuns(weights, { ...options, step: 600_000 })).toThrow(
    'runs/none-pong-1 ends at agent step 500000, before 600000',
  );
  expect(() => compareRuns(weights, { ...options, step: 1000 })).toThrow(
    'runs/none-pong-1 was not evaluated by agent step 1000',
  );
  expect(() => compareRuns(weights, { ...options, score: 'training' })).toThrow('had finished no episode');
});

test('published curves are in agent steps: a million frames are 250,000 of them', () => {
  const curves = publishedCurves('enduro');
  expect(curves.map(({ agent }) => agent).sort()).toEqual(['c51', 'dqn', 'iqn', 'qr-dqn', 'rainbow']);
  for (const { points } of curves) {
    expect(points.map(({ step }) => step)).toEqual(Array.from({ length: 20 }, (_, i) => 250_000 * (i + 1)));
    for (const { low, mean, high } of points) expect(low <= mean && mean <= high).toBe(true);
  }
  expect(publishedCurves('CartPole-v1')).toEqual([]);
});
