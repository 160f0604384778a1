import { DamagedFileError } from '../files/errors.ts';
import { SettingError, showSetting } from '../settings/index.ts';
import type { RunFolder } from './folder.ts';
import { type LoopState, readLoopState, readState } from './state.ts';
import { type State, StateError, type StoredTensors } from './trainable.ts';

/** What a resumed run goes on from. */
export interface ResumePoint {
  /** The checkpoint's folder. */
  readonly path: string;
  /** For `RunOptions.state`. */
  readonly loop: LoopState;
  readonly state: State<StoredTensors>;
}

export interface ResumeOptions {
  /** Takes the folder's lock, whoever has it. */
  readonly force?: boolean | undefined;
  /** Hears what the user should know, a line each. */
  readonly note?: ((line: string) => void) | undefined;
  /** The step of the checkpoint to go back to; the newest whole one where undefined. Later ones are set aside. */
  readonly checkpoint?: number | undefined;
  /** Those of config.json, and which of them may have been changed since the checkpoint. */
  readonly settings: object;
  readonly changeable: readonly string[];
}

/**
 * Locks a run's folder and finds the newest whole checkpoint in it, for as long as `use` takes where that fails; where
 * it succeeds, what it made unlocks the folder.
 * @param use Gets the checkpoint, or undefined where the run was ended before it wrote one: it begins anew then.
 * @throws RunFolderError where another process has the lock; DamagedFileError where every checkpoint is damaged;
 *   SettingError where a setting in config.json is not that of the checkpoint.
 */
export async function resumeIn<T>(
  folder: RunFolder,
  { force = false, note, checkpoint: step, settings, changeable }: ResumeOptions,
  use: (point: ResumePoint | undefined) => Promise<T>,
): Promise<T> {
  folder.lock({ force });
  try {
    if ((await folder.checkpoints.list()).length === 0) {
      note?.(`${folder.path} has no checkpoint yet: its run begins anew`);
      return await use(undefined);
    }
    const { path } = await folder.checkpoints.find(step, note);
    const [loop, state] = [await readLoopState(path), await readState(path)];
    checkSettings(folder, { settings, changeable }, loop);
    if (step !== undefined) {
      await folder.checkpoints.setAsideAfter(step, note);
      await folder.best.setAsideAfter(step, note);
    }
    try {
      return await use({ path, loop, state });
    } catch (error) {
      throw error instanceof StateError ? new DamagedFileError(path, error.message) : error;
    }
  } catch (error) {
    folder.unlock();
    throw error;
  }
}

/** A run's settings were part of what it learned: changed by hand they would make another run of it without a word. */
function checkSettings(
  folder: RunFolder,
  { settings, changeable }: Pick<ResumeOptions, 'settings' | 'changeable'>,
  { settings: before }: LoopState,
): void {
  if (before === undefined) return; // version 0.1.0 kept none
  for (const [key, value] of Object.entries(settings)) {
    if (changeable.includes(key) || !(key in before)) continue;
    if (JSON.stringify(before[key]) === JSON.stringify(value)) continue;
    const reason = `: the run learned with ${showSetting(before[key])}`;
    const mend = 'put that back, or start a new run';
    throw new SettingError({ key, value, reason, mend }, folder.configPath);
  }
}
