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
import type { RainbowSettings } from './config.ts';

/** The six parts: distributional, prioritized, 3-step, double, dueling, noisy. */
const six = {
  priorityExponent: 0.5,
  nStep: 3,
  doubleQ: true,
  dueling: true,
  noiseScale: 0.5,
  exploration: 'none',
} as const;

/** Hessel et al. 2018, table 1; noise explores, in evaluation there is none. */
const paper = {
  ...valueDefaults,
  ...atariSupport,
  ...six,
  learningStarts: 20_000,
  targetUpdatePeriodSteps: 8_000,
  epsilonEnd: 0.01,
  epsilonDecaySteps: 250_000,
  evaluationEpsilon: 0,
} satisfies RainbowSettings;

/** Each says what it is; docs/rainbow.md lists where each differs from its source. */
export const rainbowPresets = {
  fast: {
    about: 'for 2 cores (the default): weight norm, held exploration in place of noise, 4 environments',
    settings: { ...paper, noiseScale: 0, ...fastChanges, evaluationEpsilon: 0.001 },
    adjust: adjustValueSettings,
  },
  paper: {
    about: 'Hessel et al. 2018: distributional, prioritized, 3-step, double, dueling and noisy',
    settings: paper,
    adjust: adjustValueSettings,
  },
  dopamine: {
    about: "Dopamine's: distributional, prioritized and 3-step only",
    settings: { ...paper, ...plainHead, doubleQ: false, exploration: 'epsilon-greedy', ...dopamineChanges },
    adjust: adjustValueSettings,
  },
  minatar: {
    about:
      "Rainbow for MinAtar's games, all six (Obando-Ceron & Castro 2021: update every 4 steps): returns from 0 to 50",
    settings: { ...paper, ...minAtarChanges, ...minAtarRate, vMin: 0, vMax: 50 },
    adjust: adjustValueSettings,
  },
  'classic-control': {
    about:
      'small vector observations such as CartPole (the default with --env-id): all but noisy, returns from -100 to 100',
    settings: { ...paper, ...classicControlChanges, atoms: 101, vMin: -100, vMax: 100, noiseScale: 0 },
    adjust: adjustValueSettings,
  },
} satisfies Record<string, Preset<RainbowSettings>>;
