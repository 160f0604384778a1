import { type CategoricalSettings, categoricalSchema } from '../../src/agent/categorical.ts';

/** Every setting of a C51 run: the command line of `train-agent`, and the settings in config.json. */
export const c51Schema = categoricalSchema;

/** These settings, by name. */
export type C51Settings = CategoricalSettings;
