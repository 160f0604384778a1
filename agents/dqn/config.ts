import { z } from 'zod';
import {
  environmentSettings,
  explorationSettings,
  networkSettings,
  optimizerSettings,
  replaySettings,
  runSettings,
} from '../../src/agent/settings.ts';
import { headSettings, munchausenSettings, prioritySettings, returnSettings } from '../../src/agent/value-settings.ts';
import { REGRESSION_LOSSES } from '../../src/losses/index.ts';
import { choice } from '../../src/settings/index.ts';

/** Every setting of a DQN run: the command line of `train-agent`, and the settings in config.json. */
export const dqnSchema = z.strictObject({
  ...environmentSettings,
  ...networkSettings,
  ...headSettings,
  ...optimizerSettings,
  loss: choice('huber: squared error up to 1, absolute beyond', REGRESSION_LOSSES),
  ...returnSettings,
  ...munchausenSettings,
  ...replaySettings,
  ...prioritySettings,
  ...explorationSettings,
  ...runSettings,
});

/** These settings, by name. */
export type DqnSettings = z.infer<typeof dqnSchema>;
