import { z } from 'zod';
import {
  environmentSettings,
  explorationSettings,
  networkSettings,
  optimizerSettings,
  replaySettings,
  runSettings,
} from '../../src/agent/settings.ts';
import { headSettings, prioritySettings, quantileSettings, returnSettings } from '../../src/agent/value-settings.ts';

/** Every setting of a QR-DQN run: the command line of `train-agent`, and the settings in config.json. */
export const qrDqnSchema = z.strictObject({
  ...environmentSettings,
  ...networkSettings,
  ...headSettings,
  ...optimizerSettings,
  ...quantileSettings,
  ...returnSettings,
  ...replaySettings,
  ...prioritySettings,
  ...explorationSettings,
  ...runSettings,
});

/** These settings, by name. */
export type QrDqnSettings = z.infer<typeof qrDqnSchema>;
