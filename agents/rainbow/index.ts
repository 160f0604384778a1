import { categoricalUpdate, categoricalValues, checkSupport } from '../../src/agent/categorical.ts';
import { defineValueAgent } from '../../src/agent/value-definition.ts';
import { type RainbowSettings, rainbowSchema } from './config.ts';
import { rainbowPresets } from './presets.ts';

/**
 * Rainbow (Hessel et al. 2018): C51 with prioritized replay, multi-step returns, double Q-learning, and dueling and
 * noisy networks. Each part is a setting.
 */
export const rainbow = defineValueAgent<RainbowSettings>({
  name: 'rainbow',
  about: 'C51, prioritized, multi-step, double, dueling and noisy together (Hessel et al. 2018)',
  schema: rainbowSchema,
  presets: rainbowPresets,
  check: checkSupport,
  outputs: ({ atoms, vMin, vMax }) => ({ kind: 'categorical', atoms, vMin, vMax }),
  actionValues: categoricalValues,
  update: categoricalUpdate,
});

/** A new Rainbow over environments. */
export const createRainbow = rainbow.create;

export type { RainbowSettings } from './config.ts';
