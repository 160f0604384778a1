import { categoricalUpdate, categoricalValues, checkSupport } from '../../src/agent/categorical.ts';
import { defineValueAgent } from '../../src/agent/value-definition.ts';
import { type C51Settings, c51Schema } from './config.ts';
import { c51Presets } from './presets.ts';

/** C51 (Bellemare et al. 2017): the value of an action is the mean of a learned distribution over returns. */
export const c51 = defineValueAgent<C51Settings>({
  name: 'c51',
  about: 'learns a categorical distribution over returns (Bellemare et al. 2017)',
  schema: c51Schema,
  presets: c51Presets,
  check: checkSupport,
  outputs: ({ atoms, vMin, vMax }) => ({ kind: 'categorical', atoms, vMin, vMax }),
  actionValues: categoricalValues,
  update: categoricalUpdate,
});

/** A new C51 over environments. */
export const createC51 = c51.create;

export type { C51Settings } from './config.ts';
