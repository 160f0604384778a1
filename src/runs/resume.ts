import { DamagedFileError } from '../files/errors.ts';
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

/**
 * Locks a run's folder and finds the newest whole checkpoint in it, for as long as `use` takes where that fails; where
 * it succeeds, what it made unlocks the folder.
 * @param use Gets the checkpoint, or undefined where the run was ended before it wrote one: it begins anew then.
 * @param options.force Takes the folder's lock, whoever has it.
 * @param options.note Hears of damaged checkpoints that were passed over.
 * @throws RunFolderError where another process has the lock; DamagedFileError where every checkpoint is damaged.
 */
export async function resumeIn<T>(
  folder: RunFolder,
  { force = false, note }: { force?: boolean | undefined; note?: ((line: string) => void) | undefined },
  use: (point: ResumePoint | undefined) => Promise<T>,
): Promise<T> {
  folder.lock({ force });
  try {
    if ((await folder.checkpoints.list()).length === 0) {
      note?.(`${folder.path} has no checkpoint yet: its run begins anew`);
      return await use(undefined);
    }
    const { path } = await folder.checkpoints.find(undefined, note);
    const [loop, state] = [await readLoopState(path), await readState(path)];
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
