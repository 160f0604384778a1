export { FrameStacks } from './frame-stacks.ts';
export { type FrameArray, REPLAY_COMPRESSIONS, type ReplayCompression } from './frame-store.ts';
export { type RandomSource, Replay, type ReplayOptions, replayBytes, type TransitionBatch } from './replay.ts';
