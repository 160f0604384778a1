import { atariSupport } from '../../src/agent/categorical.ts';
import {
  adjustValueSettings,
  classicControlChanges,
  dopamineChanges,
  fastChanges,
  minAtarChanges,
  minAtarRate,
  plainHead,
  valueDefaults,
} from '../../src/agent/value-settings.ts';
import type { Preset } from '../../src/settings/index.ts';
import type { C51Settings } from './config.ts';

/** What the presets share: the optimizer is that of the paper. */
const defaults = {
  ...valueDefaults,
  ...plainHead,
  ...atariSupport,
  learningRate: 2.5e-4,
  optimizerEpsilon: 0.01 / 32,
  epsilonEnd: 0.01,
  epsilonDecaySteps: 250_000,
  evaluationEpsilon: 0.001,
} satisfies C51Settings;

/** Each says what it is; docs/c51.md lists where each differs from its source. */
export const c51Presets = {
  fast: {
    about: 'for 2 cores (the default): weight norm, 3-step double returns, held exploration, 4 environments',
    settings: { ...defaults, ...fastChanges },
    adjust: adjustValueSettings,
  },
  paper: {
    about: 'Bellemare et al. 2017',
    settings: defaults,
    adjust: adjustValueSettings,
  },
  dopamine: {
    about: 'Dopamine (JAX): sticky actions, a life lost ends nothing',
    settings: { ...defaults, ...dopamineChanges },
    adjust: adjustValueSettings,
  },
  minatar: {
    about: "C51 for MinAtar's games (Obando-Ceron & Castro 2021: update every 4 steps): returns from 0 to 50",
    settings: { ...defaults, ...minAtarChanges, ...minAtarRate, vMin: 0, vMax: 50 },
    adjust: adjustValueSettings,
  },
  'classic-control': {
    about: 'small vector observations such as CartPole (the default with --env-id): returns from -100 to 100',
    settings: { ...defaults, ...classicControlChanges, vMin: -100, vMax: 100 },
    adjust: adjustValueSettings,
  },
} satisfies Record<string, Preset<C51Settings>>;
