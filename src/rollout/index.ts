export { type Minibatch, Rollout, type RolloutOptions, type RolloutStep, type Trajectories } from './rollout.ts';
