import type { Command } from 'commander';
import { z } from 'zod';
import type { SettingsDefinition } from '../settings/index.ts';
import { addSettings } from './schema-options.ts';

// biome-ignore lint/suspicious/noExplicitAny: definitions of different settings side by side
type AnyDefinition = SettingsDefinition<any>;

/**
 * Adds the settings of several agents or tasks to a command, in groups by who has them.
 * @returns All of them as one schema, for `givenSettings`.
 */
export function addAllSettings(command: Command, definitions: Readonly<Record<string, AnyDefinition>>): z.ZodObject {
  const { schema, groups } = allSettings(definitions);
  for (const group of groups) {
    command.optionsGroup(group.heading);
    addSettings(command, group.schema, group.defaults);
  }
  return schema;
}

/** For the help of a command: each agent or task with its presets, a line each. */
export function listPresets(definitions: Readonly<Record<string, AnyDefinition & { about: string }>>): string {
  const known = Object.values(definitions);
  const width =
    2 + Math.max(...known.flatMap(({ name, presets }) => [name, ...Object.keys(presets)]).map((n) => n.length));
  return known
    .flatMap(({ name, about, presets }) => [
      `  ${name.padEnd(width + 2)}${about}`,
      ...Object.entries(presets).map(([preset, entry]) => `    ${preset.padEnd(width)}${entry.about}`),
    ])
    .join('\n');
}

/** The settings of several agents or tasks as one schema for the command line, and in groups by who has them. */
function allSettings(definitions: Readonly<Record<string, AnyDefinition>>): {
  schema: z.ZodObject;
  groups: { heading: string; schema: z.ZodObject; defaults: Record<string, unknown> }[];
} {
  const all = Object.values(definitions);
  const groups = new Map<string, Record<string, z.ZodType>>();
  const fields: Record<string, z.ZodType> = {};
  for (const { schema } of all) {
    for (const [key, field] of Object.entries(schema.shape)) {
      if (key in fields) continue;
      fields[key] = field as z.ZodType;
      const owners = all.filter((definition) => key in definition.schema.shape).map(({ name }) => name);
      const heading = owners.length === all.length ? 'Settings:' : `Settings of ${owners.join(', ')}:`;
      groups.set(heading, { ...groups.get(heading), [key]: field as z.ZodType });
    }
  }
  return {
    schema: z.object(fields),
    groups: Array.from(groups, ([heading, shape]) => ({
      heading,
      schema: z.object(shape),
      defaults: Object.fromEntries(Object.keys(shape).map((key) => [key, defaultOf(all, key)])),
    })),
  };
}

/** One value where the first presets agree, else each one's: "cifar10 200, vae-mnist 300". */
function defaultOf(definitions: readonly AnyDefinition[], key: string): unknown {
  const values = definitions.flatMap(({ name, presets }) => {
    const value = Object.values(presets)[0].settings[key];
    return value === undefined || value === null ? [] : [[name, value] as const];
  });
  const first = values[0]?.[1];
  if (values.every(([, value]) => String(value) === String(first))) return first;
  return values.map(([name, value]) => `${name} ${value}`).join(', ');
}
