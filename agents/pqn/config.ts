import { z } from 'zod';
import {
  environmentSettings,
  explorationSettings,
  networkSettings,
  optimizerSettings,
  runSettings,
} from '../../src/agent/settings.ts';
import { number, type SettingProblem, wholeNumber } from '../../src/settings/index.ts';

/** Every setting of a PQN run: the command line of `train-agent`, and the settings in config.json. */
export const pqnSchema = z.strictObject({
  ...environmentSettings,
  ...networkSettings,
  ...optimizerSettings,
  discount: number('gamma', 'per agent step', 0, 1),
  lambda: number('weight of longer returns; 0: one-step Q-learning, 1: rewards up to the end', 'factor', 0, 1),
  rolloutSteps: wholeNumber('steps of each environment before the agent learns from them', 'agent steps', 1),
  epochs: wholeNumber('times that it learns from each of them', 'count', 1),
  minibatches: wholeNumber('updates in an epoch: the rollout is divided among them at random', 'count', 1),
  ...explorationSettings,
  ...runSettings,
});

/** These settings, by name. */
export type PqnSettings = z.infer<typeof pqnSchema>;

/** Steps in a minibatch. */
export function batchSize({ numEnvs, rolloutSteps, minibatches }: PqnSettings): number {
  return (numEnvs * rolloutSteps) / minibatches;
}

/** What is wrong between a rollout's settings. */
export function checkRollout(settings: PqnSettings): SettingProblem | undefined {
  const { numEnvs, rolloutSteps, minibatches } = settings;
  if (Number.isInteger(batchSize(settings))) return undefined;
  const steps = numEnvs * rolloutSteps;
  const product = `{numEnvs} ${numEnvs} x {rolloutSteps} ${rolloutSteps}`;
  const reason = `does not divide a rollout of ${steps} agent steps (${product})`;
  return { key: 'minibatches', value: minibatches, reason, mend: `give a divisor of ${steps}` };
}
