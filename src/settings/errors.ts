/**
 * Text that names settings as `{learningRate}`: each user of the library spells them as its users do, a command as
 * `--learning-rate`.
 */
export type SettingText = string;

/** A text with its settings spelled by `spelling`, which gets their keys. */
export function spellSettings(text: SettingText, spelling: (key: string) => string = (key) => key): string {
  return text.replaceAll(/\{(\w+)\}/g, (_, key: string) => spelling(key));
}

/** What is wrong with one setting. */
export interface SettingProblem {
  /** The setting's key, such as `learningRate`. */
  readonly key: string;
  /** The value that it has; undefined where it is the setting's absence that is wrong. */
  readonly value: unknown;
  /** Why it will not do, as the rest of a sentence that begins with key and value; a whole one without a value. */
  readonly reason: SettingText;
  /** What to do instead. */
  readonly mend?: SettingText | undefined;
  /** The key that was probably meant, in place of a mend. */
  readonly meant?: string | undefined;
}

/** A setting that cannot be used: data, which whoever talks to the user turns into words. */
export class SettingError extends Error implements SettingProblem {
  override readonly name = 'SettingError';
  readonly key: string;
  readonly value: unknown;
  readonly reason: SettingText;
  readonly mend: SettingText | undefined;
  readonly meant: string | undefined;
  /** The file that the setting is from; undefined where it was given by the caller. */
  readonly file: string | undefined;

  constructor(problem: SettingProblem, file?: string) {
    super(describeProblem({ ...problem, file }));
    this.key = problem.key;
    this.value = problem.value;
    this.reason = problem.reason;
    this.mend = problem.mend;
    this.meant = problem.meant;
    this.file = file;
  }
}

/**
 * One line: `learningStarts 3 is too early: ...; give at least 20`. What is from a file keeps the file's spelling.
 * @param spelling How the user spells a key.
 */
export function describeProblem(
  { key, value, reason, mend, meant, file }: SettingProblem & { readonly file?: string | undefined },
  spelling?: (key: string) => string,
): string {
  const spelled = file === undefined ? spelling : undefined;
  const subject = value === undefined ? '' : `{${key}} ${showSetting(value)}${reason.startsWith(':') ? '' : ' '}`;
  const sentence = `${file === undefined ? '' : `${file}: `}${spellSettings(`${subject}${reason}`, spelled)}`;
  // What was meant stands where the key does; a mend may name another setting, which the user gives.
  const advice =
    meant === undefined
      ? mend && spellSettings(mend, spelling)
      : `did you mean ${spellSettings(`{${meant}}`, spelled)}?`;
  return advice === undefined ? sentence : `${sentence}${/:|\?$/.test(reason) ? ';' : ':'} ${advice}`;
}

/** Does something with settings from a file; a `SettingError` then names the file. */
export function fromFile<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof SettingError ? new SettingError(error, file) : error;
  }
}

/** A value as it is typed on a command line: a list with commas. */
export function showSetting(value: unknown): string {
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
