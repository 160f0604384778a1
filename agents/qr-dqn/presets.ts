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
import type { QrDqnSettings } from './config.ts';

/** What the presets share: quantiles and optimizer are those of the paper. */
const defaults = {
  ...valueDefaults,
  ...plainHead,
  quantiles: 200,
  kappa: 1,
  learningRate: 5e-5,
  optimizerEpsilon: 0.01 / 32,
  epsilonEnd: 0.01,
  epsilonDecaySteps: 250_000,
  evaluationEpsilon: 0.001,
} satisfies QrDqnSettings;

/** Each says what it is; docs/qr-dqn.md lists where each differs from its source. */
export const qrDqnPresets = {
  fast: {
    about: 'for 2 cores (the default): weight norm, 3-step double returns, held exploration, 4 environments',
    settings: { ...defaults, ...fastChanges },
    adjust: adjustValueSettings,
  },
  paper: {
    about: 'Dabney et al. 2018: 200 quantiles, kappa 1',
    settings: defaults,
    adjust: adjustValueSettings,
  },
  dopamine: {
    about: 'Dopamine (JAX): 3-step returns, sticky actions, a life lost ends nothing',
    settings: { ...defaults, ...dopamineChanges, nStep: 3 },
    adjust: adjustValueSettings,
  },
  minatar: {
    about: "QR-DQN for MinAtar's games (Obando-Ceron & Castro 2021: update every 4 steps)",
    settings: { ...defaults, ...minAtarChanges, ...minAtarRate },
    adjust: adjustValueSettings,
  },
  'classic-control': {
    about: 'small vector observations such as CartPole (the default with --env-id)',
    settings: { ...defaults, ...classicControlChanges, quantiles: 32 },
    adjust: adjustValueSettings,
  },
} satisfies Record<string, Preset<QrDqnSettings>>;
