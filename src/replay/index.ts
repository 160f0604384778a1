export { FrameStacks } from './frame-stacks.ts';
export type { FrameArray } from './lane.ts';
export { type RandomSource, Replay, type ReplayOptions, replayBytes, type TransitionBatch } from './replay.ts';
