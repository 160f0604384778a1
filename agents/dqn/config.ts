import { z } from 'zod';
import {
  environmentSettings,
  explorationSettings,
  networkSettings,
  optimizerSettings,
  replaySettings,
  runSettings,
} from '../../src/agent/settings.ts';
import { REGRESSION_LOSSES } from '../../src/losses/index.ts';
import { leastRows } from '../../src/replay/options.ts';
import { choice, flag, number, type SettingProblem, wholeNumber } from '../../src/settings/index.ts';

/** Every setting of a DQN run: the command line of `train-agent`, and the settings in config.json. */
export const dqnSchema = z.strictObject({
  ...environmentSettings,
  ...networkSettings,
  ...optimizerSettings,
  loss: choice('huber: squared error up to 1, absolute beyond', REGRESSION_LOSSES),
  discount: number('gamma', 'per agent step', 0, 1),
  nStep: wholeNumber('rewards summed before the target network takes over', 'agent steps', 1),
  doubleQ: flag('the online network chooses the action that the target network values (van Hasselt et al. 2016)'),
  ...replaySettings,
  ...explorationSettings,
  ...runSettings,
});

export type DqnSettings = z.infer<typeof dqnSchema>;

/** What is wrong between a replay's settings. */
export function checkReplay(settings: DqnSettings): SettingProblem | undefined {
  const { numEnvs, nStep, frameStack, learningStarts, replayCapacity } = settings;
  const needed = numEnvs * leastRows({ nStep, frameStack });
  const what = `${numEnvs} environments and ${nStep}-step returns need at least ${needed} agent steps`;
  if (learningStarts < needed) return { key: 'learningStarts', value: learningStarts, reason: `is too early: ${what}` };
  if (replayCapacity < needed) return { key: 'replayCapacity', value: replayCapacity, reason: `is too small: ${what}` };
  return undefined;
}
