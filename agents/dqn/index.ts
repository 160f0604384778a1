import { defineValueAgent } from '../../src/agent/value-definition.ts';
import { checkGivenMunchausen, checkMunchausen } from '../../src/agent/value-settings.ts';
import { type DqnSettings, dqnSchema } from './config.ts';
import { actionValues, dqnUpdate } from './learner.ts';
import { dqnPresets, settingsOfEarlierRuns } from './presets.ts';

/**
 * Deep Q-learning (Mnih et al. 2015), with double Q-learning, n-step returns, prioritized replay, dueling and noisy
 * networks, Munchausen targets and weight normalisation as settings.
 */
export const dqn = defineValueAgent<DqnSettings>({
  name: 'dqn',
  about:
    'deep Q-learning with replay and target network (Mnih et al. 2015); double, n-step, prioritized, dueling, noisy, ' +
    'Munchausen',
  schema: dqnSchema,
  presets: dqnPresets,
  ofEarlierRuns: settingsOfEarlierRuns,
  check: checkMunchausen,
  checkGiven: checkGivenMunchausen,
  actionValues: (network, states, _, noise) => actionValues(network, states, false, noise),
  update: dqnUpdate,
  takesLoss: true,
});

/** A new DQN over environments. */
export const createDqn = dqn.create;

export type { DqnSettings } from './config.ts';
