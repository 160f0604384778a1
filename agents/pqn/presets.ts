import { atariDefaults, minAtarDefaults, optimizerDefaults } from '../../src/agent/settings.ts';
import type { Preset } from '../../src/settings/index.ts';
import type { PqnSettings } from './config.ts';

/** What the presets for frames share. */
const atari = {
  ...atariDefaults,
  ...optimizerDefaults,
  layerNorm: 'channels',
  optimizer: 'radam',
  learningRate: 2.5e-4,
  beta1: 0.9,
  beta2: 0.999,
  decay: 0.95,
  momentum: 0,
  optimizerEpsilon: 1e-8,
  maxGradientNorm: 10,
  discount: 0.99,
  lambda: 0.65,
  rolloutSteps: 128,
  numEnvs: 8,
  epochs: 2,
  minibatches: 4,
  exploration: 'epsilon-greedy',
  holdExponent: 2,
  longestHoldSteps: 500,
  epsilonSpread: 0,
  epsilonStart: 1,
  epsilonEnd: 0.01,
  epsilonDecaySteps: 1_000_000,
} satisfies PqnSettings;

/** Each says what it is; docs/pqn.md lists where each differs from its source. */
export const pqnPresets = {
  fast: {
    about: 'for 2 cores (the default): 8 environments, 2 epochs, held exploration',
    settings: {
      ...atari,
      exploration: 'temporally-extended',
      epsilonDecaySteps: 150_000,
    },
  },
  paper: {
    about: 'Gallici et al. 2025: 128 environments x 32 steps, 2 epochs of 32 minibatches',
    settings: {
      ...atari,
      steps: 50_000_000,
      numEnvs: 128,
      rolloutSteps: 32,
      minibatches: 32,
      epsilonEnd: 0.001,
      epsilonDecaySteps: 5_000_000,
    },
  },
  cleanrl: {
    about: 'CleanRL: 8 environments x 128 steps, 4 epochs of 4 minibatches, a rate that falls to 0',
    settings: {
      ...atari,
      steps: 10_000_000,
      layerNorm: 'all',
      learningRateSchedule: 'linear',
      epochs: 4,
    },
  },
  minatar: {
    about: "Gallici et al. 2025 on MinAtar's games (the default with --env-id MinAtar/...)",
    settings: {
      ...atari,
      ...minAtarDefaults,
      steps: 10_000_000,
      learningRate: 5e-4,
      learningRateSchedule: 'linear',
      numEnvs: 128,
      rolloutSteps: 32,
      minibatches: 32,
      epsilonEnd: 0.05,
    },
  },
  'classic-control': {
    about: 'small vector observations such as CartPole (the default with --env-id)',
    settings: {
      ...atari,
      steps: 60_000,
      frameStack: 1,
      lifeLossTerminates: false,
      clipRewards: false,
      network: 'mlp',
      hiddenUnits: [64, 64],
      learningRate: 1e-3,
      lambda: 0.95,
      rolloutSteps: 32,
      epochs: 4,
      minibatches: 8,
      epsilonEnd: 0.05,
      epsilonDecaySteps: 10_000,
      evaluationEpsilon: 0,
      checkpointPeriodSteps: 10_000,
    },
  },
} satisfies Record<string, Preset<PqnSettings>>;
