// The settings of agents that learn values from a replay, beside those of all agents, and what their presets share.
import { z } from 'zod';
import { leastRows } from '../replay/options.ts';
import { flag, number, type SettingProblem, wholeNumber } from '../settings/index.ts';
import {
  atariDefaults,
  environmentSettings,
  explorationSettings,
  minAtarDefaults,
  networkSettings,
  optimizerDefaults,
  optimizerSettings,
  replaySettings,
  runSettings,
} from './settings.ts';

/** What the end of the Q-network is like. */
export const headSettings = {
  dueling: flag(
    'a stream for the value of the state and one for the advantages of actions, from the last hidden layer on ' +
      '(Wang et al. 2016)',
  ),
  noiseScale: number(
    'sigma_0 of noisy networks: learned noise in the dense layers explores; 0: none, 0.5: Fortunato et al. 2018',
    'factor',
  ),
};

/** What a step is worth. */
export const returnSettings = {
  discount: number('gamma', 'per agent step', 0, 1),
  nStep: wholeNumber('rewards summed before the target network takes over', 'agent steps', 1),
  doubleQ: flag('the online network chooses the action that the target network values (van Hasselt et al. 2016)'),
};

/** What quantile regression learns. */
export const quantileSettings = {
  quantiles: wholeNumber(
    'of each action that an update learns, at the middles of as many equal parts of probability (qr-dqn) or at ' +
      'random probabilities (iqn: N)',
    'count',
    1,
  ),
  kappa: number('errors up to this size are squared in the quantile Huber loss; 0: none', 'discounted rewards'),
};

/** What Munchausen reinforcement learning (Vieillard et al. 2020) adds to rewards and targets. */
export const munchausenSettings = {
  munchausenScale: number(
    'alpha: how much of the scaled log-policy the reward gains, and targets are soft; 0: none, 0.9: Vieillard et al. ' +
      '2020',
    'factor',
    0,
    1,
  ),
  munchausenTemperature: number('tau: the policy is softmax(Q / tau), with a scale', 'value', 1e-4),
  munchausenClip: number('the smallest tau log pi(a|s) that counts, with a scale', 'value', -Number.MAX_VALUE, 0),
};

/** Which steps are learned from more often than others. */
export const prioritySettings = {
  priorityExponent: number(
    'alpha of prioritized replay: a step is drawn in proportion to its error to the power of this; 0: all are as ' +
      'likely (Schaul et al. 2016)',
    'exponent',
  ),
  importanceExponentStart: number(
    'beta of prioritized replay when learning starts: how much of the bias the weights of the steps make up for',
    'exponent',
    0,
    1,
  ),
  importanceAnnealingSteps: wholeNumber(
    'beta rises to 1 over, from the start of learning; to the end of a new run unless given',
    'agent steps',
    1,
  ),
};

const valueSchema = z.strictObject({
  ...environmentSettings,
  ...networkSettings,
  ...optimizerSettings,
  ...returnSettings,
  ...replaySettings,
  ...prioritySettings,
  ...explorationSettings,
  ...runSettings,
});
/** The settings that every agent has which learns values from a replay. */
export type ValueSettings = z.infer<typeof valueSchema>;

const prioritySchema = z.strictObject(prioritySettings);
/** The settings of {@link prioritySettings}, by name. */
export type PrioritySettings = z.infer<typeof prioritySchema>;
const headSchema = z.strictObject(headSettings);
/** The settings of {@link headSettings}, by name. */
export type HeadSettings = z.infer<typeof headSchema>;
const munchausenSchema = z.strictObject(munchausenSettings);
/** The settings of {@link munchausenSettings}, by name. */
export type MunchausenSettings = z.infer<typeof munchausenSchema>;

/** Every step as likely as every other; what beta would be is that of Schaul et al. 2016. */
export const uniformReplay = {
  priorityExponent: 0,
  importanceExponentStart: 0.4,
  importanceAnnealingSteps: 1_000_000,
} satisfies PrioritySettings;

/** One stream, without noise. */
export const plainHead = { dueling: false, noiseScale: 0 } satisfies HeadSettings;

/** None; with a scale, what Vieillard et al. 2020 have on Atari. */
export const noMunchausen = {
  munchausenScale: 0,
  munchausenTemperature: 0.03,
  munchausenClip: -1,
} satisfies MunchausenSettings;

/** What the presets for frames share: Mnih et al. 2015, but for the optimizer, which is Dopamine's. */
export const valueDefaults = {
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
  discount: 0.99,
  nStep: 1,
  doubleQ: false,
  batchSize: 32,
  replayCapacity: 1_000_000,
  replayCompression: 'none',
  learningStarts: 50_000,
  updatePeriodSteps: 4,
  targetUpdatePeriodSteps: 10_000,
  ...uniformReplay,
  exploration: 'epsilon-greedy',
  holdExponent: 2,
  longestHoldSteps: 500,
  epsilonStart: 1,
  epsilonEnd: 0.1,
  epsilonDecaySteps: 1_000_000,
  epsilonSpread: 0,
} satisfies ValueSettings;

/** What `fast` presets change of them: docs/results.md has the runs that decided. */
export const fastChanges = {
  numEnvs: 4,
  network: 'nips',
  hiddenUnits: [256],
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
  epsilonDecaySteps: 60_000,
  diagnosticsPeriodSteps: 25_000,
} satisfies Partial<ValueSettings>;

/** What Dopamine's agents have in common, but for the optimizer. */
export const dopamineChanges = {
  padding: 'same',
  stickyActionProbability: 0.25,
  maxNoops: 0,
  lifeLossTerminates: false,
  learningStarts: 20_000,
  targetUpdatePeriodSteps: 8_000,
  epsilonEnd: 0.01,
  epsilonDecaySteps: 250_000,
  evaluationEpsilon: 0.001,
} satisfies Partial<ValueSettings>;

/** What presets for MinAtar change: Young & Tian 2019, but for the optimizer. */
export const minAtarChanges = {
  ...minAtarDefaults,
  steps: 5_000_000,
  replayCapacity: 100_000,
  learningStarts: 5_000,
  updatePeriodSteps: 1,
  targetUpdatePeriodSteps: 1_000,
  epsilonEnd: 0.1,
  epsilonDecaySteps: 100_000,
} satisfies Partial<ValueSettings>;

/** How the distributional agents of Obando-Ceron & Castro 2021 (arXiv:2011.14826) learn there. */
export const minAtarRate = { updatePeriodSteps: 4, learningRate: 2.5e-4 } satisfies Partial<ValueSettings>;

/** What presets for small vector observations change. */
export const classicControlChanges = {
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
} satisfies Partial<ValueSettings>;

/**
 * What follows from other settings of a new run: the beta of priorities rises to 1 over what the run learns in (resumed
 * and made longer it keeps that), and noise in the network explores where there is such, random actions elsewhere.
 */
export function adjustValueSettings(
  settings: Pick<ValueSettings, 'steps' | 'learningStarts' | 'exploration'> & Partial<HeadSettings>,
): Pick<ValueSettings, 'importanceAnnealingSteps' | 'exploration'> {
  const { steps, learningStarts, exploration, noiseScale = 0 } = settings;
  const importanceAnnealingSteps = Math.max(1, steps - learningStarts);
  if (noiseScale > 0) return { importanceAnnealingSteps, exploration: 'none' };
  return { importanceAnnealingSteps, exploration: exploration === 'none' ? 'epsilon-greedy' : exploration };
}

/** What is wrong between a replay's settings. */
export function checkReplay(settings: ValueSettings): SettingProblem | undefined {
  const { numEnvs, nStep, frameStack, learningStarts, replayCapacity } = settings;
  const needed = numEnvs * leastRows({ nStep, frameStack });
  const what = `${numEnvs} environments and ${nStep}-step returns need at least ${needed} agent steps`;
  if (learningStarts < needed) return { key: 'learningStarts', value: learningStarts, reason: `is too early: ${what}` };
  if (replayCapacity < needed) return { key: 'replayCapacity', value: replayCapacity, reason: `is too small: ${what}` };
  return undefined;
}

/** A setting of prioritized replay that was given without it. */
export function checkGivenPriorities(
  given: Partial<PrioritySettings>,
  { priorityExponent }: PrioritySettings,
): SettingProblem | undefined {
  if (priorityExponent > 0) return undefined;
  const key = (['importanceExponentStart', 'importanceAnnealingSteps'] as const).find(
    (name) => given[name] !== undefined,
  );
  if (key === undefined) return undefined;
  const reason = 'does nothing with {priorityExponent} 0';
  return { key, value: given[key], reason, mend: 'leave it out, or give {priorityExponent} 0.6' };
}

/** Double Q-learning beside soft targets, which take no largest value. */
export function checkMunchausen({
  munchausenScale,
  doubleQ,
}: Pick<MunchausenSettings & ValueSettings, 'munchausenScale' | 'doubleQ'>): SettingProblem | undefined {
  if (munchausenScale === 0 || !doubleQ) return undefined;
  const reason = 'and {doubleQ} exclude each other: targets are then soft, and choose no action';
  return { key: 'munchausenScale', value: munchausenScale, reason, mend: 'give {doubleQ} false' };
}

/** A setting of Munchausen reinforcement learning that was given without it. */
export function checkGivenMunchausen(
  given: Partial<MunchausenSettings>,
  { munchausenScale }: MunchausenSettings,
): SettingProblem | undefined {
  if (munchausenScale > 0) return undefined;
  const key = (['munchausenTemperature', 'munchausenClip'] as const).find((name) => given[name] !== undefined);
  if (key === undefined) return undefined;
  const reason = 'does nothing with {munchausenScale} 0';
  return { key, value: given[key], reason, mend: 'leave it out, or give {munchausenScale} 0.9' };
}
