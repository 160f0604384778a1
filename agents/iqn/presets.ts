import {
  adjustValueSettings,
  classicControlChanges,
  dopamineChanges,
  fastChanges,
  minAtarChanges,
  minAtarRate,
  noMunchausen,
  valueDefaults,
} from '../../src/agent/value-settings.ts';
import type { Preset } from '../../src/settings/index.ts';
import type { IqnSettings } from './config.ts';

/** What the presets share: quantiles and optimizer are those of the paper. */
const defaults = {
  ...valueDefaults,
  ...noMunchausen,
  cosines: 64,
  quantiles: 64,
  targetQuantiles: 64,
  policyQuantiles: 32,
  kappa: 1,
  learningRate: 5e-5,
  optimizerEpsilon: 0.01 / 32,
  epsilonEnd: 0.01,
  epsilonDecaySteps: 250_000,
  evaluationEpsilon: 0.001,
} satisfies IqnSettings;

/** With 64 the dense layers cost thirteen times as much as the convolutions. */
const few = { quantiles: 8, targetQuantiles: 8, policyQuantiles: 8 };

/** Each says what it is; docs/iqn.md lists where each differs from its source. */
export const iqnPresets = {
  fast: {
    about: 'for 2 cores (the default): 8 quantiles, weight norm, 3-step double returns, held exploration',
    settings: { ...defaults, ...fastChanges, ...few },
    adjust: adjustValueSettings,
  },
  paper: {
    about: "Dabney et al. 2018: N = N' = 64, K = 32",
    settings: defaults,
    adjust: adjustValueSettings,
  },
  dopamine: {
    about: 'Dopamine (JAX): 3-step returns, sticky actions, a life lost ends nothing',
    settings: { ...defaults, ...dopamineChanges, nStep: 3 },
    adjust: adjustValueSettings,
  },
  munchausen: {
    about: 'M-IQN of Vieillard et al. 2020: 1-step soft targets that reward likely actions',
    settings: { ...defaults, ...dopamineChanges, munchausenScale: 0.9 },
    adjust: adjustValueSettings,
  },
  minatar: {
    about: "IQN for MinAtar's games (Obando-Ceron & Castro 2021: update every 4 steps): 8 quantiles",
    settings: { ...defaults, ...minAtarChanges, ...minAtarRate, ...few },
    adjust: adjustValueSettings,
  },
  'classic-control': {
    about: 'small vector observations such as CartPole (the default with --env-id): 8 quantiles',
    settings: { ...defaults, ...classicControlChanges, ...few },
    adjust: adjustValueSettings,
  },
} satisfies Record<string, Preset<IqnSettings>>;
