import { z } from 'zod';
import {
  environmentSettings,
  explorationSettings,
  networkSettings,
  optimizerSettings,
  replaySettings,
  runSettings,
} from '../../src/agent/settings.ts';
import {
  munchausenSettings,
  prioritySettings,
  quantileSettings,
  returnSettings,
} from '../../src/agent/value-settings.ts';
import { wholeNumber } from '../../src/settings/index.ts';

/** Every setting of an IQN run: the command line of `train-agent`, and the settings in config.json. */
export const iqnSchema = z.strictObject({
  ...environmentSettings,
  ...networkSettings,
  cosines: wholeNumber('cosines of a probability that the network sees', 'count', 1),
  ...optimizerSettings,
  ...quantileSettings,
  targetQuantiles: wholeNumber("N': random probabilities of the targets, for each next state", 'count', 1),
  policyQuantiles: wholeNumber('K: an action is worth the mean of so many quantiles', 'count', 1),
  ...returnSettings,
  ...munchausenSettings,
  ...replaySettings,
  ...prioritySettings,
  ...explorationSettings,
  ...runSettings,
});

/** These settings, by name. */
export type IqnSettings = z.infer<typeof iqnSchema>;
