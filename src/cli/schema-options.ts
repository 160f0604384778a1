import { type Command, InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import { showSetting } from '../settings/index.ts';

type Settings = z.ZodObject;

/** A longer one would push the help of all options to the right. */
const LONGEST_PLACEHOLDER = 40;

interface SettingMeta {
  help: string;
  unit?: string;
}

/** "learningRate" -> "learning-rate" */
export function kebab(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Settings that are a record: each entry is an option of its own, named in the singular. */
const REPEATED: Readonly<Record<string, string>> = { envOptions: 'envOption' };

/** "learningRate" -> "--learning-rate" */
export function optionName(key: string): string {
  return `--${kebab(REPEATED[key] ?? key)}`;
}

/**
 * Adds one option for each setting of a zod object: name, unit, range and help come from the schema, the default shown
 * from `defaults`. A switch `key` becomes `--key` and `--no-key`; a record is an option `key=value` that may be
 * repeated. Values are checked by the schema, so a wrong one is named with its range.
 */
export function addSettings(command: Command, schema: Settings, defaults: Record<string, unknown>): void {
  for (const [key, field] of Object.entries(schema.shape)) {
    const { help, unit } = (field as z.ZodType).meta() as unknown as SettingMeta;
    const name = kebab(key);
    const values = choicesOf(field as z.ZodType);
    const shown = defaults[key];
    if (field instanceof z.ZodBoolean) {
      const state = typeof shown === 'boolean' ? (shown ? 'on' : 'off') : shown;
      command.addOption(new Option(`--${name}`, `${help} (default: ${state})`));
      command.addOption(new Option(`--no-${name}`).hideHelp());
      continue;
    }
    if (field instanceof z.ZodRecord) {
      const option = new Option(`${optionName(key)} <${unit}>`, help).argParser(parseEntry);
      command.addOption(Object.assign(option, { attributeName: () => key }));
      continue;
    }
    const choices = values?.join('|');
    const fits = choices === undefined || choices.length <= LONGEST_PLACEHOLDER;
    const placeholder = `<${fits ? (choices ?? unit) : 'name'}>`;
    const about = fits ? help : `${help}: ${values!.join(', ')}`;
    const text = shown === null || shown === undefined ? about : `${about} (default: ${showSetting(shown)})`;
    command.addOption(
      new Option(`--${name} ${placeholder}`, text).argParser((raw: string) => parseSetting(field as z.ZodType, raw)),
    );
  }
}

/** The settings that were given on the command line, and no others. */
export function givenSettings(command: Command, schema: Settings): Record<string, unknown> {
  const options = command.opts();
  return Object.fromEntries(
    Object.keys(schema.shape)
      .filter((key) => command.getOptionValueSource(key) === 'cli')
      .map((key) => [key, options[key]]),
  );
}

/** `key=value` beside the entries before it: the value is JSON where it parses as such, else a text. */
function parseEntry(raw: string, entries: Record<string, unknown> = {}): Record<string, unknown> {
  const [, key, text] = /^([^=]+)=(.*)$/s.exec(raw) ?? [];
  if (key === undefined) throw new InvalidArgumentError('It takes key=value.');
  if (Object.hasOwn(entries, key)) throw new InvalidArgumentError(`"${key}" was given before.`);
  return { ...entries, [key]: parseJson(text) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function parseSetting(field: z.ZodType, raw: string): unknown {
  const asNumber = raw.trim() === '' ? Number.NaN : Number(raw.replaceAll('_', ''));
  const asList = raw.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  for (const value of [asNumber, raw, asList]) {
    const result = field.safeParse(value);
    if (result.success) return result.data;
  }
  const value = field instanceof z.ZodArray ? asList : Number.isNaN(asNumber) ? raw : asNumber;
  const failed = field.safeParse(value);
  throw new InvalidArgumentError(failed.success ? '' : `${failed.error.issues[0].message}.`);
}

function choicesOf(field: z.ZodType): string[] | undefined {
  return 'options' in field && Array.isArray(field.options) && field.options.every((value) => typeof value === 'string')
    ? field.options
    : undefined;
}
