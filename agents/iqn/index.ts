import { defineValueAgent } from '../../src/agent/value-definition.ts';
import { checkGivenMunchausen, checkMunchausen } from '../../src/agent/value-settings.ts';
import { type IqnSettings, iqnSchema } from './config.ts';
import { actionValues, inputsFor, iqnNetwork, iqnUpdate } from './learner.ts';
import { iqnPresets } from './presets.ts';

/**
 * IQN (Dabney et al. 2018): a network that gives the quantile of a return at any probability; Munchausen-IQN (Vieillard
 * et al. 2020) as a setting.
 */
export const iqn = defineValueAgent<IqnSettings>({
  name: 'iqn',
  about: 'learns implicit quantile functions of returns (Dabney et al. 2018); Munchausen',
  schema: iqnSchema,
  presets: iqnPresets,
  check: checkMunchausen,
  checkGiven: checkGivenMunchausen,
  outputs: ({ policyQuantiles }) => ({ kind: 'implicit-quantiles', count: policyQuantiles }),
  actionValues: (network, states, settings) => actionValues(network, states, settings),
  update: (networks, optimizer, settings) => iqnUpdate(networks, optimizer, settings),
  networks: { factory: iqnNetwork, inputsFor },
});

/** A new IQN over environments. */
export const createIqn = iqn.create;

export type { IqnSettings } from './config.ts';
