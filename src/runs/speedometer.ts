/** How fast a count rises, over about the last 20 seconds. */
export class Speedometer {
  private readonly marks: { count: number; ms: number }[];
  private idleMs = 0;

  constructor(count: number) {
    this.marks = [{ count, ms: this.now() }];
  }

  /** Tells what the count is now. */
  tick(count: number): void {
    const ms = this.now();
    if (ms - this.marks.at(-1)!.ms < 500) return;
    this.marks.push({ count, ms });
    if (this.marks.length > 40) this.marks.shift();
  }

  /** So many milliseconds were spent on something else: they do not count. */
  skip(ms: number): void {
    this.idleMs += ms;
  }

  /** The count's pace, at what it is now. */
  perSecond(count: number): number {
    const [oldest] = this.marks;
    return ((count - oldest.count) / Math.max(1, this.now() - oldest.ms)) * 1000;
  }

  /** Milliseconds of work, from some moment on. */
  private now(): number {
    return performance.now() - this.idleMs;
  }
}
