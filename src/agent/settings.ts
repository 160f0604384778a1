// What the settings of all agents share. An agent step is one decision; at a frame skip of 4 it is 4 emulator frames.
import { atariGame, type BoxSpace, isAtariId, type VectorEnv } from 'gymnasium-js-bridge/environments';
import { z } from 'zod';
import { LAYER_NORMS } from '../networks/layer-norm.ts';
import { IMAGE_NETWORKS, type ImageNetwork } from '../networks/q-networks.ts';
import type { OptimizerConfig } from '../optimizers/index.ts';
import { REPLAY_COMPRESSIONS } from '../replay/index.ts';
import { choice, flag, number, precision, type SettingProblem, seed, sizes, wholeNumber } from '../settings/index.ts';
import { WEIGHT_PROJECTIONS } from '../weightnorm/index.ts';
import { EXPLORATIONS } from './exploration.ts';
import { LEARNING_RATE_SCHEDULES } from './schedules.ts';
import { valueRange } from './states.ts';

const MAX_INT32 = 2 ** 31 - 1;

/** Where an agent acts, and for how long. */
export const environmentSettings = {
  // One name for a game however it is spelled; what is none that is known here is left to the emulator.
  game: z
    .string()
    .transform((name) => atariGame(name) ?? name)
    .nullable()
    .meta({ help: 'Atari game, in any spelling: Enduro, space_invaders, ALE/Pong-v5', unit: 'name' }),
  envId: z.string().nullable().meta({ help: 'any Gymnasium environment instead of a game: CartPole-v1', unit: 'id' }),
  envOptions: z.record(z.string(), z.json()).meta({
    help: 'a keyword argument of the Gymnasium environment, JSON or text; may be repeated',
    unit: 'key=value',
  }),
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
  maxEpisodeFrames: wholeNumber('an episode of a game is cut off after this long', 'frames', 1),
  maxEpisodeSteps: z.int().min(1).max(MAX_INT32).nullable().meta({
    help: "an episode is cut off after this long, also in evaluation (default: the environment's own limit)",
    unit: 'agent steps',
  }),
  lifeLossTerminates: flag('a lost life ends the training episode: its value is not bootstrapped'),
  clipRewards: flag('the learner sees the sign of the reward'),
};

/** The Q-network, and how it computes. */
export const networkSettings = {
  network: choice(
    'nature: 3 convolutions, for frames (Mnih et al. 2015); nips: 2 convolutions of half the width, for frames (Mnih ' +
      'et al. 2013); minatar: 1 convolution, for 10 x 10 channels; mlp: for vectors',
    ['nature', 'nips', 'minatar', 'mlp'],
  ),
  padding: choice('of the convolutions', ['valid', 'same']),
  hiddenUnits: sizes('widths of the hidden dense layers', 'units'),
  normalization: choice('of every layer of the Q-network', [
    'none',
    'weight',
    'mean-only-batch',
    'weight+mean-only-batch',
  ]),
  layerNorm: choice(
    'before each ReLU, beside the normalization of the kernels: over the channels of each position, or over all of ' +
      'them',
    LAYER_NORMS,
  ),
  initialization: choice(
    'data-dependent: scales and shifts from the first states played (Salimans & Kingma 2016, section 3); ' +
      'default: from the kernels',
    ['default', 'data-dependent'],
  ),
  precision,
};

/** The update rule. */
export const optimizerSettings = {
  optimizer: choice('update rule', ['adam', 'adamax', 'centered-rmsprop', 'radam', 'sgd']),
  learningRate: number('step size', 'per update', Number.MIN_VALUE),
  learningRateSchedule: choice(
    'after the warm-up the step size stays, or falls until the end of the run',
    LEARNING_RATE_SCHEDULES,
  ),
  learningRateWarmupSteps: wholeNumber(
    'the step size rises from 0 over the first, from the start of learning; 0: no warm-up',
    'agent steps',
  ),
  learningRateEnd: number('step size at the end of the run (linear, cosine)', 'per update'),
  beta1: number('decay of the mean gradient (adam, adamax, radam)', 'factor', 0, 0.999999),
  beta2: number('decay of the squared (adam, radam) or largest (adamax) gradient', 'factor', 0, 0.9999999),
  decay: number('decay of both gradient averages (centered-rmsprop)', 'factor', 0, 0.999999),
  momentum: number('momentum (sgd, centered-rmsprop)', 'factor', 0, 0.999999),
  optimizerEpsilon: number(
    'added to the denominator of the update, for gradients averaged over the batch',
    'gradient units',
    1e-37,
  ),
  maxGradientNorm: number('gradients are scaled down to this global norm; 0: never', 'gradient units'),
  weightProjection: choice(
    'after an update. direction: v back to its first length, which changes no output; gain: so that w keeps its length',
    ['none', ...WEIGHT_PROJECTIONS],
  ),
  weightProjectionPeriodUpdates: wholeNumber('weights are projected after so many', 'updates', 1, 2 ** 24),
  weightProjectionOutputs: flag('the output layer is projected too'),
};

/** What is learned from, and when. */
export const replaySettings = {
  batchSize: wholeNumber('transitions in an update', 'count', 1),
  replayCapacity: wholeNumber('newest steps kept to learn from', 'agent steps', 1),
  replayCompression: choice(
    'delta: exact and several times smaller, for half a millisecond an update',
    REPLAY_COMPRESSIONS,
  ),
  learningStarts: wholeNumber('first steps, before learning', 'agent steps'),
  updatePeriodSteps: wholeNumber('one update every', 'agent steps', 1),
  targetUpdatePeriodSteps: wholeNumber('the target network is copied every', 'agent steps', 1),
};

/** How an agent finds out what it has not tried. */
export const explorationSettings = {
  exploration: choice(
    'epsilon-greedy: each random action for one step; temporally-extended: held for a random length ' +
      '(Dabney et al. 2021); none, as for noisy networks',
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
  epsilonSpread: number(
    'the k-th of N environments explores with epsilon to the power of 1 + this x k / (N - 1); 0: all alike, 7: Ape-X',
    'factor',
  ),
};

/** What a run writes, and when. */
export const runSettings = {
  evaluationEpsilon: number('probability of a random action in evaluation', 'probability', 0, 1),
  evaluationPeriodSteps: wholeNumber('the agent is evaluated while it learns every; 0: never', 'agent steps'),
  evaluationEpisodes: wholeNumber('episodes in an evaluation while it learns', 'count', 1),
  recordPeriodEpisodes: wholeNumber('each so-manieth training episode is recorded; 0: none', 'episodes'),
  diagnosticsPeriodSteps: wholeNumber(
    'lengths of weights, dormant units and ranks are measured every; 0: never',
    'agent steps',
  ),
  checkpointPeriodSteps: wholeNumber('a checkpoint is written every', 'agent steps', 1),
  keepCheckpoints: wholeNumber('newest checkpoints kept', 'count', 1),
  logPeriodSteps: wholeNumber('a line of averages goes to metrics.jsonl every', 'agent steps', 1),
};

const agentSchema = z.strictObject({ ...environmentSettings, ...networkSettings, ...runSettings });
/** The settings that every agent has. */
export type AgentSettings = z.infer<typeof agentSchema>;

const explorationSchema = z.strictObject(explorationSettings);
/** The settings of {@link explorationSettings}, by name. */
export type ExplorationSettings = z.infer<typeof explorationSchema>;
const optimizerSchema = z.strictObject(optimizerSettings);
/** The settings of {@link optimizerSettings}, by name. */
export type OptimizerSettings = z.infer<typeof optimizerSchema>;

/** What the presets for frames share: the environment of Mnih et al. 2015, and what a run writes. */
export const atariDefaults = {
  game: null,
  envId: null,
  envOptions: {},
  seed: 1,
  steps: 1_000_000,
  numEnvs: 1,
  envTimeoutSeconds: 60,
  frameStack: 4,
  stickyActionProbability: 0,
  maxNoops: 30,
  maxEpisodeFrames: 108_000,
  maxEpisodeSteps: null,
  lifeLossTerminates: true,
  clipRewards: true,
  network: 'nature',
  padding: 'valid',
  hiddenUnits: [512],
  normalization: 'none',
  layerNorm: 'none',
  initialization: 'default',
  precision: 'float32',
  evaluationEpsilon: 0.05,
  evaluationPeriodSteps: 0,
  evaluationEpisodes: 10,
  recordPeriodEpisodes: 0,
  diagnosticsPeriodSteps: 0,
  checkpointPeriodSteps: 50_000,
  keepCheckpoints: 3,
  logPeriodSteps: 1_000,
} satisfies AgentSettings;

/** Settings that came later than version 0.1.0 or in it, with what they are in runs from before. */
export const agentSettingsOfEarlierRuns = {
  envOptions: atariDefaults.envOptions,
  maxEpisodeSteps: atariDefaults.maxEpisodeSteps,
  envTimeoutSeconds: atariDefaults.envTimeoutSeconds,
  evaluationPeriodSteps: atariDefaults.evaluationPeriodSteps,
  evaluationEpisodes: atariDefaults.evaluationEpisodes,
  recordPeriodEpisodes: atariDefaults.recordPeriodEpisodes,
  diagnosticsPeriodSteps: atariDefaults.diagnosticsPeriodSteps,
  layerNorm: atariDefaults.layerNorm,
} satisfies Partial<AgentSettings>;

/** What optimizers without a schedule have. */
export const optimizerDefaults = {
  learningRateSchedule: 'constant',
  learningRateWarmupSteps: 0,
  learningRateEnd: 0,
  weightProjection: 'none',
  weightProjectionPeriodUpdates: 1,
  weightProjectionOutputs: false,
} satisfies Partial<OptimizerSettings>;

/** Settings that a resumed run may change: they do not touch what is learned. */
export const agentChangeable: readonly string[] = [
  'steps',
  'replayCompression',
  'evaluationPeriodSteps',
  'evaluationEpisodes',
  'recordPeriodEpisodes',
  'diagnosticsPeriodSteps',
  'checkpointPeriodSteps',
  'keepCheckpoints',
  'logPeriodSteps',
  'envTimeoutSeconds',
];

/** What is wrong between the settings of any agent. */
export function checkAgentSettings({ game, envId }: AgentSettings): SettingProblem | undefined {
  if (game === null && envId === null) {
    const reason = 'no environment';
    return { key: 'game', value: undefined, reason, mend: 'name one with {game} Enduro, or {envId} CartPole-v1' };
  }
  if (game !== null && envId !== null) {
    return { key: 'game', value: game, reason: `and {envId} ${envId} exclude each other`, mend: 'give one' };
  }
  if (game !== null && atariGame(game) === undefined && /-v\d+$/.test(game) && !isAtariId(game)) {
    const mend = `give {envId} ${game} for a Gymnasium environment`;
    return { key: 'game', value: game, reason: 'names no Atari game', mend };
  }
  // A name without a version may be one of an environment written in TypeScript.
  return envId !== null && /[/]|-v\d+$/.test(envId) ? checkEnvId(envId) : undefined;
}

/** Whether an id names one of MinAtar's games (Young & Tian 2019), such as `MinAtar/Breakout-v1`. */
export function isMinAtar(envId: string | null | undefined): boolean {
  return envId?.startsWith('MinAtar/') ?? false;
}

/** The preset for the kind of environment that was given: the kinds are the presets' names. */
export function presetFor({ game, envId }: Partial<AgentSettings>): 'fast' | 'minatar' | 'classic-control' {
  if (envId == null || game != null) return 'fast';
  return isMinAtar(envId) ? 'minatar' : 'classic-control';
}

/** What the presets for MinAtar share: its games at 10 x 10 channels, whose agent steps are its frames. */
export const minAtarDefaults = {
  frameStack: 1,
  lifeLossTerminates: false,
  clipRewards: false,
  network: 'minatar',
  hiddenUnits: [128],
  evaluationEpsilon: 0,
} satisfies Partial<AgentSettings>;

/** What is wrong with an id that Gymnasium's environments are to be made by. */
export function checkEnvId(envId: string): SettingProblem | undefined {
  if (!isAtariId(envId)) return undefined;
  const mend = `give {game} ${atariGame(envId) ?? 'NAME'}`;
  return { key: 'envId', value: envId, reason: 'names an Atari game', mend };
}

/** What is wrong between the network of the settings and the states that it is to take. */
export function checkNetwork(
  { network, padding }: Pick<AgentSettings, 'network' | 'padding'>,
  { frameShape }: { frameShape: readonly number[] },
  space?: BoxSpace,
): SettingProblem | undefined {
  if (network === 'mlp') return undefined;
  const shown = `and this environment shows [${frameShape}]`;
  const problem = { key: 'network', value: network, mend: 'give {network} mlp' };
  if (frameShape.length !== 2 && frameShape.length !== 3) {
    const reason = `: its convolutions take images [height, width] or [height, width, channels], ${shown}`;
    return { ...problem, reason };
  }
  const least = padding === 'same' ? 1 : leastImage(network);
  if (Math.min(frameShape[0], frameShape[1]) < least) {
    const reason = `: its convolutions take images of at least ${least} x ${least} with {padding} ${padding}, ${shown}`;
    return { ...problem, reason, mend: 'give {padding} same or {network} mlp' };
  }
  if (space !== undefined && valueRange(space) === undefined) {
    const reason = ': it scales images by the bounds of their space, and those of this environment are infinite';
    return { ...problem, reason, mend: 'give the space finite bounds, or {network} mlp' };
  }
  return undefined;
}

/** The smallest image of which the convolutions of a network leave anything, without padding. */
function leastImage(network: ImageNetwork): number {
  return IMAGE_NETWORKS[network].reduceRight((size, { kernelSize, strides }) => (size - 1) * strides + kernelSize, 1);
}

/** What is wrong between the settings and environments, whatever is learned there. */
export function checkEnvironment(settings: AgentSettings, env: VectorEnv): SettingProblem | undefined {
  const { kind, id, maxEpisodeSteps: limit, frameStack = 1 } = env.settings;
  const key = kind === 'atari' ? 'game' : 'envId';
  if (env.actionSpace.n < 2) {
    const reason = `has ${env.actionSpace.n} action, so there is nothing to choose and nothing to learn`;
    return { key, value: id, reason, mend: 'give an environment with 2 actions or more' };
  }
  if (kind === 'atari' && frameStack !== 1) {
    const reason = `was handed in with ${frameStack} frames in an observation, and the agent stacks frames itself`;
    return { key, value: id, reason, mend: 'make it with frameStack 1' };
  }
  const { maxEpisodeSteps } = settings;
  if (kind !== 'atari' && maxEpisodeSteps !== null && maxEpisodeSteps !== limit) {
    const reason = `does nothing: ${id} was handed in with ${limit === undefined ? 'no limit' : `a limit of ${limit}`}`;
    return { key: 'maxEpisodeSteps', value: maxEpisodeSteps, reason, mend: 'give it to vectorize or makeVectorEnv' };
  }
  return undefined;
}

/** A setting of another kind of environment that was given: it would do nothing. */
export function checkGivenEnvironment(
  given: Partial<AgentSettings>,
  { game, envId }: AgentSettings,
): SettingProblem | undefined {
  const foreign =
    game === null ? (['stickyActionProbability', 'maxNoops', 'maxEpisodeFrames'] as const) : (['envOptions'] as const);
  const key = foreign.find((name) => given[name] !== undefined);
  if (key === undefined) return undefined;
  const reason = game === null ? `does nothing with {envId} ${envId}` : `does nothing with {game} ${game}`;
  const instead = key === 'maxEpisodeFrames' ? 'give {maxEpisodeSteps}' : undefined;
  return { key, value: given[key], reason, mend: instead ?? 'leave it out' };
}

/** A setting of exploration that was given where it does nothing. */
export function checkGivenExploration(
  given: Partial<ExplorationSettings>,
  { exploration, numEnvs }: ExplorationSettings & { numEnvs: number },
): SettingProblem | undefined {
  const find = (keys: readonly (keyof ExplorationSettings)[]) => keys.find((key) => given[key] !== undefined);
  const held = exploration === 'temporally-extended' ? undefined : find(['holdExponent', 'longestHoldSteps']);
  const random =
    exploration === 'none' ? find(['epsilonStart', 'epsilonEnd', 'epsilonDecaySteps', 'epsilonSpread']) : undefined;
  const key = random ?? held;
  if (key !== undefined) {
    const reason = `does nothing with {exploration} ${exploration}`;
    const instead = key === held ? 'temporally-extended' : 'epsilon-greedy';
    return { key, value: given[key], reason, mend: `leave it out, or give {exploration} ${instead}` };
  }
  if (numEnvs > 1 || given.epsilonSpread === undefined) return undefined;
  const reason = 'does nothing with {numEnvs} 1';
  return { key: 'epsilonSpread', value: given.epsilonSpread, reason, mend: 'leave it out, or give {numEnvs} 8' };
}

/** The settings that not every update rule has, and the rules that have them. */
const RULES_WITH = {
  beta1: ['adam', 'adamax', 'radam'],
  beta2: ['adam', 'adamax', 'radam'],
  decay: ['centered-rmsprop'],
  momentum: ['centered-rmsprop', 'sgd'],
  optimizerEpsilon: ['adam', 'adamax', 'radam', 'centered-rmsprop'],
} satisfies Partial<Record<keyof OptimizerSettings, OptimizerSettings['optimizer'][]>>;

/** A setting of an optimizer that was given and does nothing beside the others. */
export function checkGivenOptimizer(
  given: Partial<OptimizerSettings>,
  { optimizer, learningRateSchedule, weightProjection }: OptimizerSettings,
): SettingProblem | undefined {
  const foreign = (Object.keys(RULES_WITH) as (keyof typeof RULES_WITH)[]).find(
    (name) => given[name] !== undefined && !(RULES_WITH[name] as string[]).includes(optimizer),
  );
  if (foreign !== undefined) {
    const mend = `leave it out, or give {optimizer} ${RULES_WITH[foreign].join(' or ')}`;
    return { key: foreign, value: given[foreign], reason: `does nothing with {optimizer} ${optimizer}`, mend };
  }
  if (given.learningRateEnd !== undefined && learningRateSchedule === 'constant') {
    const reason = 'does nothing with {learningRateSchedule} constant';
    const mend = 'leave it out, or give {learningRateSchedule} linear or cosine';
    return { key: 'learningRateEnd', value: given.learningRateEnd, reason, mend };
  }
  if (weightProjection !== 'none') return undefined;
  const key = (['weightProjectionPeriodUpdates', 'weightProjectionOutputs'] as const).find(
    (name) => given[name] !== undefined,
  );
  if (key === undefined) return undefined;
  const mend = 'leave it out, or give {weightProjection} direction or gain';
  return { key, value: given[key], reason: 'does nothing with {weightProjection} none', mend };
}

/** What is wrong between an optimizer's settings and those of the run and the network. */
export function checkOptimizer({
  learningRateWarmupSteps,
  weightProjection,
  steps,
  normalization,
}: Pick<OptimizerSettings, 'learningRateWarmupSteps' | 'weightProjection'> &
  Pick<AgentSettings, 'steps' | 'normalization'>): SettingProblem | undefined {
  if (learningRateWarmupSteps > steps) {
    const reason = `is longer than the run of {steps} ${steps}`;
    return { key: 'learningRateWarmupSteps', value: learningRateWarmupSteps, reason };
  }
  if (weightProjection === 'direction' && !normalization.startsWith('weight')) {
    const reason = `projects the v of w = g v/||v||, which {normalization} ${normalization} has not`;
    const mend = 'give {normalization} weight, or {weightProjection} gain';
    return { key: 'weightProjection', value: weightProjection, reason, mend };
  }
  return undefined;
}

/** The update rule of the settings. */
export function optimizerConfig(settings: OptimizerSettings): OptimizerConfig {
  const { optimizer: name, learningRate, beta1, beta2, decay, momentum, optimizerEpsilon: epsilon } = settings;
  switch (name) {
    case 'adam':
    case 'adamax':
    case 'radam':
      return { name, learningRate, beta1, beta2, epsilon };
    case 'centered-rmsprop':
      return { name, learningRate, decay, momentum, epsilon };
    case 'sgd':
      return { name, learningRate, momentum };
  }
}
