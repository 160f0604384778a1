export { type AgentStep, DqnAgent, type DqnParts } from './agent.ts';
export { type DqnConfig, dqnConfigSchema, type PresetName, presets } from './config.ts';
export { createDqn, envOptions } from './create.ts';
export { type Evaluation, evaluateDqn, protocols } from './evaluate.ts';
export { resolveConfig } from './resolve.ts';
export { resumeDqn, trainDqn } from './train.ts';
