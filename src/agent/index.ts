export { AGENT_STEPS, type Agent, type AgentStep, episodeEvents } from './agent.ts';
export type {
  AgentDefinition,
  AgentParts,
  AnyAgentDefinition,
  CreateAgentOptions,
  NetworkOutputs,
} from './definition.ts';
export { envOptions, makeEnv } from './environment.ts';
export {
  type EvaluateAgentOptions,
  type Evaluation,
  evaluateAgentRun,
  type ProtocolName,
  protocols,
} from './evaluate.ts';
export {
  createExploration,
  EXPLORATIONS,
  type Exploration,
  type ExplorationOptions,
  type ExplorationState,
} from './exploration.ts';
export { createLearner, type Learner } from './learner.ts';
export { type NetworkFactory, type NetworkSpec, networkSpec, settingsNetwork } from './networks.ts';
export { settingsOptimizer } from './optimizer.ts';
export { createPlayer, type Player } from './player.ts';
export { type Progress, type ReplayAgentParts, restore, type StepUnderWay, stateOf } from './replay-agent.ts';
export { settingsSampler } from './sampler.ts';
export { isScheduled, LEARNING_RATE_SCHEDULES, linearDecay, type RateSchedule, scheduledRate } from './schedules.ts';
export { type Scores, scores } from './scores.ts';
export {
  type AgentSettings,
  agentChangeable,
  agentSettingsOfEarlierRuns,
  atariDefaults,
  checkAgentSettings,
  checkGivenEnvironment,
  checkGivenExploration,
  checkGivenOptimizer,
  checkNetwork,
  checkOptimizer,
  type ExplorationSettings,
  environmentSettings,
  explorationSettings,
  isMinAtar,
  minAtarDefaults,
  networkSettings,
  type OptimizerSettings,
  optimizerConfig,
  optimizerDefaults,
  optimizerSettings,
  presetFor,
  replaySettings,
  runSettings,
} from './settings.ts';
export {
  applyNetwork,
  networkInput,
  type StateOptions,
  stateOptions,
  statesInput,
  statesTensor,
  transitionInputs,
  valueRange,
} from './states.ts';
export { type AgentRunOptions, type ResumeOptions, readAgentRun, resumeAgentRun, startAgentRun } from './train.ts';
export { ValueAgent } from './value-agent.ts';
export { defineValueAgent, type ValueAgentDefinition, type ValueAgentOptions } from './value-definition.ts';
export {
  createValueLearner,
  descend,
  type Learned,
  type TransitionTensors,
  type ValueLearner,
  type ValueLearnerOptions,
  type ValueNetworks,
  type ValueUpdate,
} from './value-learner.ts';
export {
  adjustValueSettings,
  checkGivenMunchausen,
  checkGivenPriorities,
  checkMunchausen,
  checkReplay,
  type HeadSettings,
  headSettings,
  type MunchausenSettings,
  munchausenSettings,
  noMunchausen,
  type PrioritySettings,
  plainHead,
  prioritySettings,
  returnSettings,
  uniformReplay,
  type ValueSettings,
  valueDefaults,
} from './value-settings.ts';
