import type { AnyAgentDefinition } from '../src/agent/definition.ts';
import { unknownName } from '../src/settings/index.ts';
import { c51 } from './c51/index.ts';
import { dqn } from './dqn/index.ts';
import { iqn } from './iqn/index.ts';
import { pqn } from './pqn/index.ts';
import { qrDqn } from './qr-dqn/index.ts';
import { rainbow } from './rainbow/index.ts';

/** Every agent by its name; the first is the default. */
export const agents: Readonly<Record<string, AnyAgentDefinition>> = { dqn, c51, 'qr-dqn': qrDqn, rainbow, iqn, pqn };

export const DEFAULT_AGENT = 'dqn';

/** @throws SettingError for a name that no agent has, with the nearest one. */
export function findAgent(name: string): AnyAgentDefinition {
  if (Object.hasOwn(agents, name)) return agents[name];
  throw unknownName('agent', name, Object.keys(agents));
}

/** The settings by which runs of these agents may differ and compare as the same, such as their lengths. */
export function changeableSettings(runs: readonly { readonly agent: string }[]): string[] {
  return [...new Set(runs.flatMap(({ agent }) => findAgent(agent).changeable))];
}
