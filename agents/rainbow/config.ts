import { type CategoricalSettings, categoricalSchema } from '../../src/agent/categorical.ts';

/** Every setting of a Rainbow run: the command line of `train-agent`, and the settings in config.json. */
export const rainbowSchema = categoricalSchema;

/** These settings, by name. */
export type RainbowSettings = CategoricalSettings;
