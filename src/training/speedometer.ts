/** How fast a count rises, over about the last 20 seconds. */
export class Speedometer {
  private marks: { count: number; ms: number }[];

  constructor(count: number) {
    this.marks = [{ count, ms: performance.now() }];
  }

  /** Tells what the count is now. */
  tick(count: number): void {
    const ms = performance.now();
    if (ms - this.marks.at(-1)!.ms < 500) return;
    this.marks.push({ count, ms });
    if (this.marks.length > 40) this.marks.shift();
  }

  /** The time since the last tick was spent on something else: it does not count. */
  skip(): void {
    const idleMs = performance.now() - this.marks.at(-1)!.ms;
    this.marks = this.marks.map(({ count, ms }) => ({ count, ms: ms + idleMs }));
  }

  perSecond(count: number): number {
    const [oldest] = this.marks;
    return ((count - oldest.count) / Math.max(1, performance.now() - oldest.ms)) * 1000;
  }
}
