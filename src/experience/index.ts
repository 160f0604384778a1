export { Experience, type ExperienceOptions } from './experience.ts';
export { asFrames, FrameStacks } from './frame-stacks.ts';
