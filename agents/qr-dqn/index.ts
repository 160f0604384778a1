import { defineValueAgent } from '../../src/agent/value-definition.ts';
import { type QrDqnSettings, qrDqnSchema } from './config.ts';
import { actionValues, qrDqnUpdate } from './learner.ts';
import { qrDqnPresets } from './presets.ts';

/** QR-DQN (Dabney et al. 2018): the value of an action is the mean of learned quantiles of its return. */
export const qrDqn = defineValueAgent<QrDqnSettings>({
  name: 'qr-dqn',
  about: 'learns quantiles of returns by quantile regression (Dabney et al. 2018)',
  schema: qrDqnSchema,
  presets: qrDqnPresets,
  outputs: ({ quantiles }) => ({ kind: 'quantiles', count: quantiles }),
  actionValues,
  update: qrDqnUpdate,
});

/** A new QR-DQN over environments. */
export const createQrDqn = qrDqn.create;

export type { QrDqnSettings } from './config.ts';
