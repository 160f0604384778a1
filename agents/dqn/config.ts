import { z } from 'zod';
import { EXPLORATIONS } from '../../src/agent/exploration.ts';
import { choice, flag, number, precision, seed, wholeNumber } from '../../src/cli/settings.ts';
import { REPLAY_COMPRESSIONS } from '../../src/replay/index.ts';

/**
 * Every setting of a DQN run: this object is the command line of `train-agent`, and `config.json` in the run folder. An
 * agent step is one decision; at a frame skip of 4 it is 4 emulator frames.
 */
export const dqnConfigSchema = z.strictObject({
  game: z
    .string()
    .nullable()
    .meta({ help: 'Atari game, in any spelling: Enduro, space_invaders, ALE/Pong-v5', unit: 'name' }),
  envId: z.string().nullable().meta({ help: 'any Gymnasium environment instead of a game: CartPole-v1', unit: 'id' }),
  seed,
  steps: wholeNumber('length of the run', 'agent steps', 1),
  numEnvs: wholeNumber('environments that run side by side', 'count', 1),

  envTimeoutSeconds: number(
    'longest wait for the environments to answer; then they are started again',
    'seconds',
    0.001,
    86_400,
  ),

  frameStack: wholeNumber('newest frames in a state', 'frames', 1),
  stickyActionProbability: number('the emulator repeats the last action with this probability', 'probability', 0, 1),
  maxNoops: wholeNumber('an episode starts with fewer than this many no-op frames; 0: none', 'frames'),
  maxEpisodeFrames: wholeNumber('an episode is cut off after this long', 'frames', 1),
  lifeLossTerminates: flag('a lost life ends the training episode: its value is not bootstrapped'),
  clipRewards: flag('the learner sees the sign of the reward'),

  network: choice('nature: 3 convolutions and 512 units, for frames; mlp: for vectors', ['nature', 'mlp']),
  padding: choice('of the convolutions', ['valid', 'same']),
  hiddenUnits: z.array(z.int().min(1)).min(1).meta({ help: 'widths of the hidden dense layers', unit: 'units' }),
  normalization: choice('of every layer of the Q-network', [
    'none',
    'weight',
    'mean-only-batch',
    'weight+mean-only-batch',
  ]),
  initialization: choice(
    'data-dependent: scales and shifts from the first states played (Salimans & Kingma 2016, section 3); default: from the kernels',
    ['default', 'data-dependent'],
  ),

  precision,

  optimizer: choice('update rule', ['adam', 'adamax', 'centered-rmsprop', 'sgd']),
  learningRate: number('step size', 'per update', Number.MIN_VALUE),
  beta1: number('decay of the mean gradient (adam, adamax)', 'factor', 0, 0.999999),
  beta2: number('decay of the squared (adam) or largest (adamax) gradient', 'factor', 0, 0.9999999),
  decay: number('decay of both gradient averages (centered-rmsprop)', 'factor', 0, 0.999999),
  momentum: number('momentum (sgd, centered-rmsprop)', 'factor', 0, 0.999999),
  optimizerEpsilon: number(
    'added to the denominator of the update, for gradients averaged over the batch',
    'gradient units',
  ),
  maxGradientNorm: number('gradients are scaled down to this global norm; 0: never', 'gradient units'),

  loss: choice('huber: squared error up to 1, absolute beyond', ['huber', 'squared']),
  discount: number('gamma', 'per agent step', 0, 1),
  nStep: wholeNumber('rewards summed before the target network takes over', 'agent steps', 1),
  doubleQ: flag('the online network chooses the action that the target network values (van Hasselt et al. 2016)'),
  batchSize: wholeNumber('transitions in an update', 'count', 1),
  replayCapacity: wholeNumber('newest steps kept to learn from', 'agent steps', 1),
  replayCompression: choice(
    'delta: exact and several times smaller, for half a millisecond an update',
    REPLAY_COMPRESSIONS,
  ),
  learningStarts: wholeNumber('first steps, played at random, before learning', 'agent steps'),
  updatePeriodSteps: wholeNumber('one update every', 'agent steps', 1),
  targetUpdatePeriodSteps: wholeNumber('the target network is copied every', 'agent steps', 1),

  exploration: choice(
    'epsilon-greedy: each random action for one step; temporally-extended: held for a random length (Dabney et al. 2021)',
    EXPLORATIONS,
  ),
  holdExponent: number(
    'P(an exploring action is held for n steps) falls as n to the power of minus this (temporally-extended)',
    'exponent',
  ),
  longestHoldSteps: wholeNumber(
    'an exploring action is held for at most (temporally-extended)',
    'agent steps',
    1,
    1_000_000,
  ),
  epsilonStart: number('probability that a step begins to explore, until learning starts', 'probability', 0, 1),
  epsilonEnd: number('the same, from the end of the decay on', 'probability', 0, 1),
  epsilonDecaySteps: wholeNumber('the linear decay lasts, from the start of learning', 'agent steps', 1),
  evaluationEpsilon: number('probability of a random action in evaluation', 'probability', 0, 1),

  checkpointPeriodSteps: wholeNumber('a checkpoint is written every', 'agent steps', 1),
  keepCheckpoints: wholeNumber('newest checkpoints kept', 'count', 1),
  logPeriodSteps: wholeNumber('a line of averages goes to metrics.jsonl every', 'agent steps', 1),
});

export type DqnConfig = z.infer<typeof dqnConfigSchema>;

/** What the presets for frames share. */
const atari = {
  game: null,
  envId: null,
  seed: 1,
  steps: 1_000_000,
  numEnvs: 1,
  envTimeoutSeconds: 60,
  frameStack: 4,
  stickyActionProbability: 0,
  maxNoops: 30,
  maxEpisodeFrames: 108_000,
  lifeLossTerminates: true,
  clipRewards: true,
  network: 'nature',
  padding: 'valid',
  hiddenUnits: [512],
  normalization: 'none',
  initialization: 'default',
  precision: 'float32',
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
  evaluationEpsilon: 0.05,
  checkpointPeriodSteps: 50_000,
  keepCheckpoints: 3,
  logPeriodSteps: 1_000,
} satisfies DqnConfig;

/** Settings that came later, with what they are in runs from before: such a run's config.json lacks them. */
export const settingsOfEarlierRuns = {
  envTimeoutSeconds: atari.envTimeoutSeconds,
  exploration: 'epsilon-greedy',
  holdExponent: atari.holdExponent,
  longestHoldSteps: atari.longestHoldSteps,
} satisfies Partial<DqnConfig>;

/** Named settings; each says what it is. docs/dqn.md lists where each differs from its source. */
export const presets = {
  fast: {
    about:
      'learns fastest per hour on 2 cores (the default): weight norm, 3-step double DQN, held exploration, 4 environments',
    config: {
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
    config: {
      ...atari,
      optimizer: 'centered-rmsprop',
      learningRate: 2.5e-4,
      // Nature's 0.01 belongs to a gradient summed over its batch of 32; ours is the mean.
      optimizerEpsilon: 0.01 / 32 ** 2,
    },
  },
  dopamine: {
    about: 'Dopamine (JAX, since 2022): Adam, squared loss, sticky actions',
    config: {
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
    config: {
      ...atari,
      normalization: 'weight',
      optimizer: 'adamax',
      learningRate: 3e-4,
      beta1: 0.5,
      optimizerEpsilon: 1e-8,
      batchSize: 64,
    },
  },
  'classic-control': {
    about: 'small vector observations such as CartPole (the default with --env-id)',
    config: {
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
} satisfies Record<string, { about: string; config: DqnConfig }>;

export type PresetName = keyof typeof presets;
