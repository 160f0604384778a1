import { agentSettingsOfEarlierRuns, optimizerDefaults } from '../../src/agent/settings.ts';
import {
  adjustValueSettings,
  classicControlChanges,
  dopamineChanges,
  fastChanges,
  minAtarChanges,
  noMunchausen,
  plainHead,
  uniformReplay,
  valueDefaults,
} from '../../src/agent/value-settings.ts';
import type { Preset } from '../../src/settings/index.ts';
import type { DqnSettings } from './config.ts';

/** What the presets share. */
const defaults = { ...valueDefaults, ...plainHead, ...noMunchausen, loss: 'huber' } satisfies DqnSettings;

/** Nature's optimizer for a gradient that is the mean over the batch. */
const natureOptimizer = {
  optimizer: 'centered-rmsprop',
  learningRate: 2.5e-4,
  // Nature's 0.01 belongs to a gradient summed over its batch of 32; ours is the mean.
  optimizerEpsilon: 0.01 / 32 ** 2,
} as const;

/** Each says what it is; docs/dqn.md lists where each differs from its source. */
export const dqnPresets = {
  fast: {
    about:
      'learns fastest per hour on 2 cores (the default): the network of 2013, weight norm, 3-step double DQN, held ' +
      'exploration, 4 environments, an update every 8 agent steps, a rate that falls to 0',
    settings: {
      ...defaults,
      ...fastChanges,
      steps: 2_000_000,
      learningRate: 2.5e-4,
      learningRateSchedule: 'linear',
      updatePeriodSteps: 8,
    },
    adjust: adjustValueSettings,
  },
  nature: {
    about: 'Mnih et al. 2015',
    settings: { ...defaults, ...natureOptimizer },
    adjust: adjustValueSettings,
  },
  dopamine: {
    about: 'Dopamine (JAX, since 2022): Adam, squared loss, sticky actions',
    settings: { ...defaults, ...dopamineChanges, loss: 'squared' },
    adjust: adjustValueSettings,
  },
  double: {
    about: 'van Hasselt et al. 2016, tuned: as Nature with double Q, the target network copied a third as often',
    settings: {
      ...defaults,
      ...natureOptimizer,
      doubleQ: true,
      targetUpdatePeriodSteps: 30_000,
      epsilonEnd: 0.01,
      evaluationEpsilon: 0.001,
    },
    adjust: adjustValueSettings,
  },
  prioritized: {
    about: 'Schaul et al. 2016, proportional: as double with priorities, a quarter of the rate',
    settings: {
      ...defaults,
      ...natureOptimizer,
      learningRate: 2.5e-4 / 4,
      doubleQ: true,
      priorityExponent: 0.6,
      targetUpdatePeriodSteps: 30_000,
      epsilonEnd: 0.01,
      evaluationEpsilon: 0.001,
    },
    adjust: adjustValueSettings,
  },
  munchausen: {
    about: 'Vieillard et al. 2020: Dopamine with soft targets that reward likely actions',
    settings: {
      ...defaults,
      ...dopamineChanges,
      munchausenScale: 0.9,
      learningRate: 5e-5,
      optimizerEpsilon: 0.01 / 32,
    },
    adjust: adjustValueSettings,
  },
  'weightnorm-paper': {
    about: 'Salimans & Kingma 2016, section 5.4: Adamax, batch 64, weight norm',
    settings: {
      ...defaults,
      normalization: 'weight',
      optimizer: 'adamax',
      learningRate: 3e-4,
      beta1: 0.5,
      optimizerEpsilon: 1e-8,
      batchSize: 64,
    },
    adjust: adjustValueSettings,
  },
  minatar: {
    about: "Young & Tian 2019, for MinAtar's games (the default with --env-id MinAtar/...)",
    settings: {
      ...defaults,
      ...minAtarChanges,
      optimizer: 'centered-rmsprop',
      learningRate: 2.5e-4,
      momentum: 0.95,
      // Theirs is 0.01 beside the square root, where ours is inside it.
      optimizerEpsilon: 0.01 ** 2,
    },
    adjust: adjustValueSettings,
  },
  'classic-control': {
    about: 'small vector observations such as CartPole (the default with --env-id)',
    settings: { ...defaults, ...classicControlChanges },
    adjust: adjustValueSettings,
  },
} satisfies Record<string, Preset<DqnSettings>>;

/** Settings that came later, with what they are in runs from before: such a run's config.json lacks them. */
export const settingsOfEarlierRuns = {
  ...agentSettingsOfEarlierRuns,
  ...optimizerDefaults,
  ...uniformReplay,
  ...plainHead,
  ...noMunchausen,
  exploration: 'epsilon-greedy',
  holdExponent: valueDefaults.holdExponent,
  longestHoldSteps: valueDefaults.longestHoldSteps,
  epsilonSpread: valueDefaults.epsilonSpread,
} satisfies Partial<DqnSettings>;
