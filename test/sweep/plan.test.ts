import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { findAgent } from '../../agents/registry.ts';
import { planSweep } from '../../src/sweep/index.ts';

const plan = (content: unknown) => planSweep(content, 'sweep.yaml', findAgent);

test('seeds x agents x environments x settings, each once, in this order', () => {
  const jobs = plan({
    agents: ['dqn', { agent: 'dqn', preset: 'dopamine', settings: { nStep: 3 } }],
    games: ['breakout', 'Pong'],
    seeds: 2,
    settings: { steps: 1000, doubleQ: true },
    vary: { normalization: ['none', 'weight'], learningRate: [0.001] },
  });
  expect(jobs).toHaveLength(2 * 2 * 2 * 2);
  expect(jobs[0]).toMatchObject({
    name: 'Breakout-dqn-fast-normalization_none-learningRate_0.001-seed1',
    command: 'train-agent',
    base: { agent: 'dqn', preset: 'fast', game: 'breakout' },
    settings: { steps: 1000, doubleQ: true, normalization: 'none', learningRate: 0.001, seed: 1 },
  });
  expect(jobs.slice(0, 5).map(({ name }) => name)).toEqual([
    'Breakout-dqn-fast-normalization_none-learningRate_0.001-seed1',
    'Breakout-dqn-fast-normalization_weight-learningRate_0.001-seed1',
    'Pong-dqn-fast-normalization_none-learningRate_0.001-seed1',
    'Pong-dqn-fast-normalization_weight-learningRate_0.001-seed1',
    'Breakout-dqn-dopamine-nStep_3-normalization_none-learningRate_0.001-seed1',
  ]);
  expect(jobs[4]).toMatchObject({ base: { preset: 'dopamine' } });
  expect(jobs[8].name).toBe('Breakout-dqn-fast-normalization_none-learningRate_0.001-seed2');
});

test('seeds may be a list, and the preset follows from the environment', () => {
  const jobs = plan({ agents: ['dqn'], envIds: ['CartPole-v1'], seeds: [7, 5] });
  expect(jobs.map(({ name }) => name)).toEqual([
    'CartPole-v1-dqn-classic-control-seed7',
    'CartPole-v1-dqn-classic-control-seed5',
  ]);
});

describe('one line names the file and what is wrong in it', () => {
  const good = { agents: ['dqn'], envIds: ['CartPole-v1'], seeds: 1 };
  test.each([
    ['nothing', null, 'it is a map with agents, games or envIds, seeds, and if wanted preset, settings and vary'],
    ['no agents', { ...good, agents: undefined }, /^sweep.yaml: agents: /],
    [
      'an unknown key',
      { ...good, agent: 'dqn' },
      'there is no "agent": there are agents, games, envIds, seeds, preset',
    ],
    ['an unknown key of an agent', { ...good, agents: [{ agent: 'dqn', seed: 1 }] }, 'agents[0]: there is no "seed"'],
    ['an unknown agent', { ...good, agents: ['dqm'] }, /agent dqm is unknown, did you mean dqn\?/],
    ['an agent that is a number', { ...good, agents: [3] }, 'agents[0]: it is a name, or a map with agent'],
    ['an unknown preset', { ...good, preset: 'slow' }, /preset slow is unknown/],
    ['no environment', { ...good, envIds: [] }, 'it names no environment: give games or envIds'],
    ['no seeds', { ...good, seeds: 0 }, /^sweep.yaml: seeds: /],
    ['a seed that is none', { ...good, seeds: [1.5] }, /^sweep.yaml: seeds\[0\]: /],
    ['an unknown setting', { ...good, settings: { learningrate: 1 } }, /learningrate 1 is no setting of dqn/],
    ['a wrong value', { ...good, vary: { learningRate: [0.1, -1] } }, /learningRate -1/],
    ['a value in place of a list', { ...good, vary: { nStep: 3 } }, 'vary.nStep: it is a list of values'],
    ['the seed as a setting', { ...good, settings: { seed: 3 } }, 'seed is no setting of a sweep: give seeds'],
    ['set and varied', { ...good, settings: { nStep: 1 }, vary: { nStep: [3] } }, 'nStep is set and varied'],
    ['a run twice', { ...good, seeds: [1, 1] }, 'it asks for CartPole-v1-dqn-classic-control-seed1 twice'],
    ['a setting that does nothing', { ...good, settings: { maxNoops: 3 } }, /maxNoops/],
  ])('%s', (_, content, message) => {
    expect(() => plan(content)).toThrow(message);
    expect(() => plan(content)).toThrow(/^sweep\.yaml: [^\n]+$/);
  });
});

test.each([
  ['minatar-sweep', 5],
  ['minatar-qr-dqn-sweep', 6],
  ['minatar-qr-dqn-1m-sweep', 3],
])('examples/%s.yaml has %i arms in five games with three seeds, a seed of all first', (name, arms) => {
  const file = `examples/${name}.yaml`;
  const jobs = planSweep(parse(readFileSync(file, 'utf8')), file, findAgent);
  expect(jobs).toHaveLength(arms * 5 * 3);
  expect(new Set(jobs.slice(0, arms * 5).map(({ settings }) => settings.seed))).toEqual(new Set([1]));
});
