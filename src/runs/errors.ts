import { type SettingText, spellSettings } from '../settings/errors.ts';

/** A run folder cannot be used as asked; the message is one line that says how to mend it. */
export class RunFolderError extends Error {
  override readonly name = 'RunFolderError';
}

/** Learning has left the numbers that float32 has: nothing of the state is worth keeping. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError';
  /** The message, with settings as `{learningRate}`. */
  readonly text: SettingText;

  constructor(text: SettingText) {
    super(spellSettings(text));
    this.text = text;
  }
}

/** Work was asked to stop before it had a result. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}
