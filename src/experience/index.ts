export { Experience, type ExperienceOptions } from './experience.ts';
export { FrameStacks } from './frame-stacks.ts';
