import {
  agentSettingsOfEarlierRuns,
  atariDefaults,
  minAtarDefaults,
  optimizerDefaults,
} from '../../src/agent/settings.ts';
import type { Preset } from '../../src/settings/index.ts';
import type { DqnSettings } from './config.ts';

/** What the presets for frames share. */
const atari = {
  ...atariDefaults,
  ...optimizerDefaults,
  optimizer: 'adam',
  learningRate: 6.25e-5,
  beta1: 0.9,
  beta2: 0.999,
  decay: 0.95,
  momentum: 0,
  optimizerEpsilon: 1.5e-4,
  maxGradientNorm: 0,
  loss: 'huber',
  discount: 0.99,
  nStep: 1,
  doubleQ: false,
  batchSize: 32,
  replayCapacity: 1_000_000,
  replayCompression: 'none',
  learningStarts: 50_000,
  updatePeriodSteps: 4,
  targetUpdatePeriodSteps: 10_000,
  exploration: 'epsilon-greedy',
  holdExponent: 2,
  longestHoldSteps: 500,
  epsilonStart: 1,
  epsilonEnd: 0.1,
  epsilonDecaySteps: 1_000_000,
} satisfies DqnSettings;

/** Each says what it is; docs/dqn.md lists where each differs from its source. */
export const dqnPresets = {
  fast: {
    about:
      'learns fastest per hour on 2 cores (the default): weight norm, 3-step double DQN, held exploration, 4 ' +
      'environments',
    settings: {
      ...atari,
      numEnvs: 4,
      normalization: 'weight',
      learningRate: 1e-4,
      nStep: 3,
      doubleQ: true,
      replayCapacity: 500_000,
      replayCompression: 'delta',
      learningStarts: 10_000,
      targetUpdatePeriodSteps: 4_000,
      exploration: 'temporally-extended',
      epsilonEnd: 0.01,
      epsilonDecaySteps: 150_000,
    },
  },
  nature: {
    about: 'Mnih et al. 2015',
    settings: {
      ...atari,
      optimizer: 'centered-rmsprop',
      learningRate: 2.5e-4,
      // Nature's 0.01 belongs to a gradient summed over its batch of 32; ours is the mean.
      optimizerEpsilon: 0.01 / 32 ** 2,
    },
  },
  dopamine: {
    about: 'Dopamine (JAX, since 2022): Adam, squared loss, sticky actions',
    settings: {
      ...atari,
      padding: 'same',
      loss: 'squared',
      stickyActionProbability: 0.25,
      maxNoops: 0,
      lifeLossTerminates: false,
      learningStarts: 20_000,
      targetUpdatePeriodSteps: 8_000,
      epsilonEnd: 0.01,
      epsilonDecaySteps: 250_000,
      evaluationEpsilon: 0.001,
    },
  },
  'weightnorm-paper': {
    about: 'Salimans & Kingma 2016, section 5.4: Adamax, batch 64, weight norm',
    settings: {
      ...atari,
      normalization: 'weight',
      optimizer: 'adamax',
      learningRate: 3e-4,
      beta1: 0.5,
      optimizerEpsilon: 1e-8,
      batchSize: 64,
    },
  },
  minatar: {
    about: "Young & Tian 2019, for MinAtar's games (the default with --env-id MinAtar/...)",
    settings: {
      ...atari,
      ...minAtarDefaults,
      steps: 5_000_000,
      optimizer: 'centered-rmsprop',
      learningRate: 2.5e-4,
      momentum: 0.95,
      // Theirs is 0.01 beside the square root, where ours is inside it.
      optimizerEpsilon: 0.01 ** 2,
      replayCapacity: 100_000,
      learningStarts: 5_000,
      updatePeriodSteps: 1,
      targetUpdatePeriodSteps: 1_000,
      epsilonDecaySteps: 100_000,
    },
  },
  'classic-control': {
    about: 'small vector observations such as CartPole (the default with --env-id)',
    settings: {
      ...atari,
      steps: 30_000,
      frameStack: 1,
      lifeLossTerminates: false,
      clipRewards: false,
      network: 'mlp',
      hiddenUnits: [64, 64],
      normalization: 'weight',
      learningRate: 1e-3,
      optimizerEpsilon: 1e-8,
      nStep: 3,
      doubleQ: true,
      batchSize: 64,
      replayCapacity: 50_000,
      learningStarts: 500,
      updatePeriodSteps: 2,
      targetUpdatePeriodSteps: 500,
      epsilonEnd: 0.02,
      epsilonDecaySteps: 3_000,
      evaluationEpsilon: 0,
      checkpointPeriodSteps: 10_000,
    },
  },
} satisfies Record<string, Preset<DqnSettings>>;

/** Settings that came later, with what they are in runs from before: such a run's config.json lacks them. */
export const settingsOfEarlierRuns = {
  ...agentSettingsOfEarlierRuns,
  ...optimizerDefaults,
  exploration: 'epsilon-greedy',
  holdExponent: atari.holdExponent,
  longestHoldSteps: atari.longestHoldSteps,
} satisfies Partial<DqnSettings>;
