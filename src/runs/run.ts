import type { SettingText } from '../settings/errors.ts';
import { DivergedError } from './errors.ts';
import type { NewEvent, Numbers, RunEvent } from './events.ts';
import { firstNotFinite } from './finite.ts';
import type { RunFolder } from './folder.ts';
import { type Means, meansOf } from './means.ts';
import { Speedometer } from './speedometer.ts';
import type { LoopState } from './state.ts';
import { afterGrace } from './stop.ts';
import type { Tracker } from './tracker.ts';
import { crossed, type RunStep, type Trainable } from './trainable.ts';

/** What is run, how far, where to, and who follows. */
export interface RunOptions<S extends RunStep> {
  readonly trainable: Trainable<S>;
  /** Length of the run, in the trainable's unit. */
  readonly total: number;
  /** The settings that a run resumed from its checkpoints must have. */
  readonly settings?: object | undefined;
  /** Means of what was learned become an event whenever a multiple of this is reached, in the trainable's unit. */
  readonly reportPeriod: number;
  /** Where checkpoints are written; without it, none are. */
  readonly folder?: RunFolder | undefined;
  /** The newest checkpoints that are kept. Default 3. */
  readonly keepCheckpoints?: number;
  /** Writes what else a checkpoint is to have, such as a network in a form that others read. */
  readonly saveExtras?: ((folder: string) => Promise<void>) | undefined;
  readonly trackers?: readonly Tracker<S>[];
  /** Further numbers for the means' events, with units in their names. */
  readonly measure?: (() => Numbers) | undefined;
  /** What to do where learning diverges, such as `give a {learningRate} below 0.01`. */
  readonly divergedMend?: SettingText | undefined;
  /** Frees what the run was made for, such as environments and the folder's lock; called once, at the end. */
  readonly close?: (() => void | Promise<void>) | undefined;
  /** Asked to stop, the run ends after the step under way, or in its midst where that comes to no end. */
  readonly signal?: AbortSignal | undefined;
  /** Hears what the user should know, a line each. */
  readonly note?: ((line: string) => void) | undefined;
  /** What the loop remembered in the checkpoint that the run goes on from. */
  readonly state?: LoopState | undefined;
}

/** How a run has ended, and where. */
export interface RunSummary {
  /** In the run's unit. */
  readonly position: number;
  readonly total: number;
  /** Over all its starts. */
  readonly wallSeconds: number;
  /** Whether it was asked to stop before its end. */
  readonly interrupted: boolean;
  /** The numbers of the newest event of each kind. */
  readonly latest: LoopState['latest'];
  /** What trackers have to say, such as the mean of the last returns. */
  readonly numbers: Numbers;
  /** The newest checkpoint's folder, where there is one. */
  readonly checkpoint: string | undefined;
}

/**
 * A run: the stream of a trainable's steps, which trackers follow.
 *
 *     for await (const step of run) console.log(step.position);   // or, without looking: await run.finish()
 *
 * A checkpoint is written however it ends, also when a step fails or the loop is left; what has diverged is not kept.
 */
export class Run<S extends RunStep = RunStep> implements AsyncIterable<S> {
  readonly trainable: Trainable<S>;
  readonly total: number;
  readonly folder: RunFolder | undefined;
  /** The numbers of the newest event of each kind. */
  readonly latest: LoopState['latest'];
  private readonly options: RunOptions<S>;
  private readonly trackers: readonly Tracker<S>[];
  private readonly speed: Speedometer;
  private readonly startMs: number;
  private means: Means;
  private now: Numbers = {};
  private reportedAt: number;
  private stopped = false;
  private started = false;
  private ended = false;
  private checkpointPath: string | undefined;
  private savedAt = -1;
  /** Where the newest checkpoint was written, if that makes way for the next one. */
  private interimAt: number | undefined;
  /** Saves follow one another: a fault of the environments and a request to stop may come together. */
  private saving: Promise<void> = Promise.resolve();

  constructor(options: RunOptions<S>) {
    const { trainable, total, folder, trackers = [], state } = options;
    this.options = options;
    this.trainable = trainable;
    this.total = total;
    this.folder = folder;
    this.trackers = trackers;
    this.means = meansOf(structuredClone(state?.sums));
    this.latest = structuredClone(state?.latest) ?? {};
    this.startMs = performance.now() - (state?.wallSeconds ?? 0) * 1000;
    this.reportedAt = state?.reportedAt ?? trainable.position;
    this.interimAt = state?.interim ? trainable.position : undefined;
    this.speed = new Speedometer(trainable.position);
    for (const tracker of trackers) {
      const stored = tracker.name === undefined ? undefined : state?.trackers[tracker.name];
      if (stored !== undefined) tracker.setState?.(stored);
    }
  }

  /** How far it has come, in its unit. */
  get position(): number {
    return this.trainable.position;
  }

  /** Seconds that it has taken, over all its starts. */
  get wallSeconds(): number {
    return (performance.now() - this.startMs) / 1000;
  }

  /** Steps a second in the run's unit, over about the last 20 seconds; what trackers wait for does not count. */
  get pace(): number {
    return this.speed.perSecond(this.position);
  }

  /** The newest of the numbers that steps report as they are, such as epsilon. */
  get current(): Numbers {
    return this.now;
  }

  /** Lets the run end after the step under way. */
  stop(): void {
    this.stopped = true;
  }

  /** Tells all trackers of an event; the run adds where it stands and the time. */
  async emit(event: NewEvent): Promise<void> {
    const unit = this.trainable.unit.key;
    const whole: RunEvent = { ...event, unit, position: this.position, wallSeconds: this.wallSeconds };
    if (event.kind !== 'episode') this.latest[event.kind] = { ...event.numbers };
    for (const tracker of this.trackers) await tracker.onEvent?.(whole, this);
  }

  /**
   * Writes a checkpoint, where the run has a folder.
   * @param interim Whether it makes way for the next one: so those of a period stay, however often a run is stopped.
   */
  save({ interim = false }: { interim?: boolean } = {}): Promise<void> {
    this.saving = this.saving.catch(() => {}).then(() => this.saveNow(interim));
    return this.saving;
  }

  /** Goes to the end of the run. */
  async finish(): Promise<RunSummary> {
    for await (const _ of this);
    return this.summary();
  }

  /** How the run stands. */
  summary(): RunSummary {
    return {
      position: this.position,
      total: this.total,
      wallSeconds: this.wallSeconds,
      interrupted: this.position < this.total,
      latest: this.latest,
      numbers: Object.assign({}, ...this.trackers.map((tracker) => tracker.summary?.())),
      checkpoint: this.checkpointPath,
    };
  }

  /**
   * Goes through the steps; each is given once its trackers have heard of it.
   * @throws Error where the run was gone through before, and what a step or a tracker throws.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<S, void> {
    if (this.started) throw new Error('a run can be gone through once: resume it from its folder to go on');
    this.started = true;
    let failure: { error: unknown } | undefined;
    try {
      for await (const step of this.steps()) {
        await this.follow(step);
        yield step;
      }
    } catch (error) {
      failure = { error };
    } finally {
      await this.end(failure);
    }
    if (failure !== undefined) throw failure.error;
  }

  /** The steps alone. A step that hangs is left a while after the request to stop. */
  private async *steps(): AsyncGenerator<S, void> {
    const { trainable, total } = this;
    const { signal } = this.options;
    let leaveStep = () => {};
    const forget = afterGrace(signal, () => leaveStep());
    try {
      while (trainable.position < total && !this.stopped && signal?.aborted !== true) {
        // Not Promise.race with one promise for the whole run: it would remember every step.
        const step = await new Promise<S | undefined>((resolve, reject) => {
          leaveStep = () => resolve(undefined);
          trainable.step().then(resolve, reject);
        });
        if (step === undefined) return;
        yield step;
      }
    } finally {
      forget();
    }
  }

  private async follow(step: S): Promise<void> {
    const { reportPeriod } = this.options;
    this.now = step.now;
    for (const numbers of step.learned) {
      const wrong = Object.keys(numbers).find((name) => !Number.isFinite(numbers[name]));
      if (wrong !== undefined) throw await this.diverged(this.whatDiverged(wrong, numbers[wrong]));
      this.means.add(numbers);
    }
    this.speed.tick(step.position);
    const ms = performance.now();
    for (const event of step.events) await this.emit(event);
    if (crossed(step, reportPeriod)) await this.report();
    for (const tracker of this.trackers) await tracker.onStep?.(step, this);
    this.speed.skip(performance.now() - ms);
  }

  /** Means since the last report. */
  private async report(): Promise<void> {
    const { unit } = this.trainable;
    const means = this.means.result();
    this.means = meansOf();
    this.reportedAt = this.position;
    const rate = { [unit.rate.key]: this.pace * unit.rate.factor };
    await this.emit({ kind: 'progress', numbers: { ...this.now, ...rate, ...means, ...this.options.measure?.() } });
  }

  private async saveNow(interim: boolean): Promise<void> {
    const { folder, position, trainable } = this;
    if (folder === undefined) return;
    if (this.savedAt === position) {
      if (!interim) this.interimAt = undefined;
      return;
    }
    const loop: LoopState = {
      formatVersion: 2,
      wallSeconds: this.wallSeconds,
      reportedAt: this.reportedAt,
      ...(this.options.settings && { settings: { ...this.options.settings } }),
      ...(interim && { interim }),
      sums: this.means.sums,
      latest: this.latest,
      trackers: {},
    };
    for (const tracker of this.trackers) {
      if (tracker.name !== undefined && tracker.getState) loop.trackers[tracker.name] = tracker.getState();
    }
    const { keepCheckpoints: keep = 3, saveExtras } = this.options;
    let path: string;
    try {
      const superseded = this.interimAt === position ? undefined : this.interimAt;
      const kept = { keep, superseded };
      path = await folder.writeCheckpoint(position, kept, { trainable, loop, saveExtras });
    } catch (error) {
      throw error instanceof DivergedError ? await this.diverged(error.text) : error;
    }
    this.checkpointPath = path;
    this.savedAt = position;
    this.interimAt = interim ? position : undefined;
    for (const tracker of this.trackers) await tracker.onCheckpoint?.(path, this);
  }

  /** Ends a run that was never gone through, or left. Safe to call again. */
  async close(): Promise<void> {
    await this.end(undefined);
  }

  private async end(failure: { error: unknown } | undefined): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    const { trackers, options } = this;
    const isWorthless = failure?.error instanceof DivergedError;
    const problem = await firstFailure([
      async () => {
        if (failure !== undefined) await this.saveAfter(failure.error);
        else if (this.started) await this.save({ interim: this.position < this.total });
      },
      async () => {
        // After the checkpoint, which does not know of this line: a resumed run goes on with the period.
        if (this.started && !isWorthless && this.position > this.reportedAt) await this.report();
      },
      ...trackers.map((tracker) => () => tracker.close?.()),
      () => options.close?.(),
    ]);
    if (problem !== undefined && failure === undefined) throw problem.error;
  }

  /** Saves what there is when the run has failed; the failure itself is what the user must hear last. */
  private async saveAfter(failure: unknown): Promise<void> {
    const { folder, trainable, position } = this;
    if (folder === undefined || failure instanceof DivergedError || !trainable.canBeSaved) return;
    const { note } = this.options;
    try {
      await this.save({ interim: true });
      note?.(`saved at ${trainable.unit.singular} ${position}: the run can be resumed from there`);
    } catch (error) {
      note?.(`nothing could be saved: ${(error as Error).message}`);
    }
  }

  /** Names a number that is not finite, and the tensor where one is. */
  private whatDiverged(name: string, value: number): string {
    const tensor = firstNotFinite(this.trainable.getState().tensors);
    const where = tensor === undefined ? 'the weights are finite still' : `"${tensor}" is not finite`;
    return `${name} is ${value}, ${where}`;
  }

  /** Says what has diverged and where, what to do and what is left. */
  private async diverged(what: SettingText): Promise<DivergedError> {
    const { trainable, position, folder } = this;
    const kept = (await folder?.checkpoints.list())?.at(-1);
    const left =
      kept === undefined ? 'there is no checkpoint from before it' : `the newest good checkpoint is ${kept.path}`;
    const { divergedMend } = this.options;
    const mend = divergedMend === undefined ? '' : `; ${divergedMend}`;
    return new DivergedError(
      `learning has diverged at ${trainable.unit.singular} ${position}: ${what}${mend}; ${left}`,
    );
  }
}

/** Does one piece of work after the other, also where some fail. Returns the first failure. */
async function firstFailure(pieces: readonly (() => void | Promise<void>)[]): Promise<{ error: unknown } | undefined> {
  let first: { error: unknown } | undefined;
  for (const piece of pieces) {
    try {
      await piece();
    } catch (error) {
      first ??= { error };
    }
  }
  return first;
}
