/** One episode as far as it has been played: with the settings, all that is needed to play it again. */
export interface LoggedEpisode {
  seed: number;
  /** The replay row that its first step stands in. */
  firstRow: number;
  /** The actions taken so far. */
  actions: Uint8Array | Int32Array;
  /** Whether it has ended. */
  ended: boolean;
}

/**
 * The seeds and actions of one environment's latest episodes. Since emulators are deterministic this is the whole
 * content of its replay and its own state, at one byte a step instead of 7,056 (four bytes where there are more than
 * 256 actions): a checkpoint keeps this, and resuming plays it again.
 */
export class EpisodeLog {
  private readonly Actions: Uint8ArrayConstructor | Int32ArrayConstructor;
  private readonly episodes: (LoggedEpisode & { length: number })[] = [];

  /** @param numActions How many actions there are. */
  constructor(numActions: number) {
    this.Actions = numActions > 256 ? Int32Array : Uint8Array;
  }

  startEpisode(seed: number, firstRow: number): void {
    const latest = this.episodes.at(-1);
    if (latest !== undefined) latest.ended = true;
    this.episodes.push({ seed, firstRow, actions: new this.Actions(256), length: 0, ended: false });
  }

  append(action: number): void {
    const episode = this.episodes.at(-1);
    if (episode === undefined) throw new Error('An action came before the first episode');
    if (episode.length === episode.actions.length) {
      const larger = new this.Actions(episode.length * 2);
      larger.set(episode.actions);
      episode.actions = larger;
    }
    episode.actions[episode.length++] = action;
  }

  /** Forgets the episodes that ended before `oldestRow`. */
  dropBefore(oldestRow: number): void {
    while (this.episodes.length > 1 && this.episodes[1].firstRow <= oldestRow) this.episodes.shift();
  }

  /** The episodes held, oldest first; the last one is still being played. */
  held(): LoggedEpisode[] {
    return this.episodes.map(({ seed, firstRow, actions, length, ended }) => ({
      seed,
      firstRow,
      actions: actions.subarray(0, length),
      ended,
    }));
  }
}
