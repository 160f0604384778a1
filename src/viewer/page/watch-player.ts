// Which step is shown, and how it goes on.
import type { WatchSource } from './watch-source.ts';

export const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];

export interface PlayerEvents {
  /** Another step is shown, or it plays or pauses. */
  readonly onStep: () => void;
  /** Called with each picture of the screen while somebody can see it. */
  readonly onTick: () => void;
}

export class WatchPlayer {
  step = 0;
  speed = 1;
  isPlaying = false;
  private readonly element: HTMLElement;
  private readonly events: PlayerEvents;
  private source: WatchSource | undefined;
  /** Parts of a step that have passed. */
  private passed = 0;
  private tickedMs = 0;
  private isTicking = false;

  /** @param element Where it is shown: where that is not in the page, nothing plays. */
  constructor(element: HTMLElement, events: PlayerEvents) {
    this.element = element;
    this.events = events;
  }

  begin(source: WatchSource, { step, isPlaying }: { step: number; isPlaying: boolean }): void {
    Object.assign(this, { source, step, isPlaying, passed: 0 });
    this.wake();
  }

  /** Steps have come; those that are shown may be gone. */
  onNews(): void {
    const { oldest, end, facts } = this.source!;
    // What goes on was begun anew where its end is before this.
    const isGone = this.step < oldest || (facts?.totalSteps === null && this.step >= end);
    if (isGone) this.step = oldest;
    this.wake();
  }

  /** Whether less than so many steps are left to play. */
  wantsMore(steps: number): boolean {
    const { end } = this.source!;
    return end === 0 || (this.isPlaying && end - this.step < steps * Math.max(this.speed, 1));
  }

  toggle(): void {
    this.isPlaying = !this.isPlaying;
    const { end, isComplete, oldest } = this.source!;
    if (this.isPlaying && isComplete && this.step === end - 1) this.step = oldest;
    this.passed = 0;
    this.events.onStep();
  }

  seek(step: number): void {
    const { oldest, end } = this.source!;
    this.step = Math.min(Math.max(step, oldest), Math.max(end - 1, oldest));
    this.passed = 0;
    this.events.onStep();
  }

  /** Pauses there. */
  seekBy(steps: number): void {
    this.isPlaying = false;
    this.seek(this.step + steps);
  }

  /** Goes to the next step that brought a reward, or to the one before. */
  toReward(direction: 1 | -1): void {
    this.isPlaying = false;
    const source = this.source!;
    let step = this.step + direction;
    while (source.at(step) !== undefined && source.at(step)!.reward === 0) step += direction;
    this.seek(source.at(step) === undefined ? this.step : step);
  }

  /** Goes to the newest step and on from there. */
  follow(): void {
    this.isPlaying = true;
    this.seek(this.source!.end - 1);
  }

  setSpeed(speed: number): void {
    this.speed = speed;
    this.events.onStep();
  }

  /** The next faster speed, or the next slower one. */
  changeSpeed(by: 1 | -1): void {
    this.setSpeed(SPEEDS[Math.min(Math.max(SPEEDS.indexOf(this.speed) + by, 0), SPEEDS.length - 1)]);
  }

  /** Goes on where the page is shown again. */
  wake(): void {
    if (this.isTicking) return;
    this.isTicking = true;
    this.tickedMs = performance.now();
    requestAnimationFrame(() => this.tick());
  }

  /** Runs while the page is looked at: an animation frame does not come to one that is not. */
  private tick(): void {
    const source = this.source!;
    if (!this.element.isConnected) {
      this.isTicking = false;
      return;
    }
    const now = performance.now();
    const { facts, end, isComplete } = source;
    if (this.isPlaying && facts !== undefined) {
      this.passed += ((now - this.tickedMs) / 1000) * facts.stepsPerSecond * this.speed;
      const steps = Math.min(Math.floor(this.passed), Math.max(end - 1 - this.step, 0));
      this.passed = Math.min(this.passed - steps, 1);
      if (steps > 0) {
        this.step += steps;
        this.events.onStep();
      }
      if (isComplete && this.step === end - 1) {
        this.isPlaying = false;
        this.events.onStep();
      }
    }
    this.tickedMs = now;
    this.events.onTick();
    requestAnimationFrame(() => this.tick());
  }
}
