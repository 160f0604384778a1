import type { z } from 'zod';
import { SettingError, type SettingProblem, showSetting } from './errors.ts';
import { nearest } from './nearest.ts';

/** Named settings. */
export interface Preset<S> {
  readonly about: string;
  readonly settings: S;
  /** Settings that follow from others, such as a learning rate that depends on the normalization; given ones win. */
  readonly adjust?: (settings: S) => Partial<S>;
}

/** Everything that is known of the settings of an agent or a task. */
export interface SettingsDefinition<S> {
  readonly name: string;
  /** Every setting with its range, help and unit: the command line, and what config.json holds. */
  readonly schema: z.ZodObject;
  /** By name; the first is the default. */
  readonly presets: Readonly<Record<string, Preset<S>>>;
  /** The settings that a resumed run may change, since they do not touch what is learned. */
  readonly changeable: readonly string[];
  /** Settings that came later, with the values that runs from before them had. */
  readonly ofEarlierRuns?: Partial<S>;
  /** What is wrong between settings that are each right. */
  check?(settings: S): SettingProblem | undefined;
  /** What is wrong with given settings, such as one that does nothing beside the others. */
  checkGiven?(given: Partial<S>, settings: S): SettingProblem | undefined;
}

/**
 * The settings of a new run: those of a preset with the given ones in their place.
 * @param preset The preset's name; the definition's first where it is undefined.
 * @param presetKey What the user calls the choice of a preset.
 * @throws SettingError for the first setting that will not do.
 */
export function resolveSettings<S extends object>(
  definition: SettingsDefinition<S>,
  preset: string | undefined,
  given: Partial<S>,
  presetKey = 'preset',
): { preset: string; settings: S } {
  const known = Object.keys(definition.presets);
  const name = preset ?? known[0];
  if (!Object.hasOwn(definition.presets, name)) throw unknownName(presetKey, name, known);
  const { settings: base, adjust } = definition.presets[name];
  const merged = { ...base, ...given };
  const settings = parseSettings(definition, { ...merged, ...adjust?.(merged), ...given });
  const problem = definition.checkGiven?.(given, settings);
  if (problem !== undefined) throw new SettingError(problem);
  return { preset: name, settings };
}

/**
 * Checks whole settings, such as those of a run folder.
 * @param file The file that they are from, for errors.
 * @throws SettingError for the first setting that will not do.
 */
export function parseSettings<S extends object>(
  definition: Pick<SettingsDefinition<S>, 'schema' | 'ofEarlierRuns' | 'check' | 'name'>,
  value: unknown,
  file?: string,
): S {
  const { schema, ofEarlierRuns } = definition;
  const isObject = typeof value === 'object' && value !== null;
  const complete = file !== undefined && isObject ? { ...ofEarlierRuns, ...value } : value;
  const result = schema.safeParse(complete);
  if (!result.success) throw new SettingError(problemOf(result.error.issues[0], complete, definition), file);
  const settings = result.data as S;
  const problem = definition.check?.(settings);
  if (problem !== undefined) throw new SettingError(problem, file);
  return settings;
}

/**
 * The settings of a resumed run: the stored ones, with those of the given ones that may change.
 * @throws SettingError for one that may not.
 */
export function resumedSettings<S extends object>(definition: SettingsDefinition<S>, stored: S, given: Partial<S>): S {
  const settings = parseSettings(definition, { ...stored, ...given });
  for (const key of Object.keys(given) as (keyof S & string)[]) {
    const [before, value] = [stored[key], settings[key]];
    if (definition.changeable.includes(key) || JSON.stringify(before) === JSON.stringify(value)) continue;
    const reason = `: a resumed run keeps its settings, and this one has ${showSetting(before)}`;
    throw new SettingError({ key, value, reason, mend: 'leave the option out, or start a new run' });
  }
  return settings;
}

/** For a name that is none of the known ones. */
export function unknownName(key: string, value: string, known: readonly string[]): SettingError {
  const meant = nearest(value, known);
  const hint = meant === undefined ? '' : `, did you mean ${meant}?`;
  return new SettingError({ key, value, reason: `is unknown${hint}`, mend: `there are ${known.join(', ')}` });
}

function problemOf(
  issue: z.core.$ZodIssue,
  settings: unknown,
  { schema, name }: Pick<SettingsDefinition<never>, 'schema' | 'name'>,
): SettingProblem {
  if (issue.code === 'unrecognized_keys') {
    const [key] = issue.keys;
    const meant = nearest(key, Object.keys(schema.shape));
    const advice = meant === undefined ? { mend: 'leave it out' } : { meant };
    return { key, value: (settings as Record<string, unknown>)[key], reason: `is no setting of ${name}`, ...advice };
  }
  const key = String(issue.path[0]);
  return { key, value: (settings as Record<string, unknown> | undefined)?.[key], reason: `: ${issue.message}` };
}
