/**
 * Experience replay: frames, transitions, and samplers that choose what is learned from.
 * @module weightnorm-rl/replay
 */
export { type FrameArray, newFrames, REPLAY_COMPRESSIONS, type ReplayCompression } from './frame-store.ts';
export type { TransitionBatch } from './n-step.ts';
export { type ReplayOptions, replayBytes } from './options.ts';
export { type PrioritizedOptions, prioritizedSampler, type UniformSource } from './prioritized-sampler.ts';
export { Replay } from './replay.ts';
export { type HeldRows, type RandomSource, type SampledRows, type Sampler, uniformSampler } from './sampler.ts';
export type { ReplayStep, ReplayStorage } from './storage.ts';
