/** The shortest time between two lines of one kind, in ms. */
const PERIOD_MS = 10_000;

/** Hands on one line of each kind every ten seconds, with the number of those left out: peers may not flood a log. */
export class Seldom {
  private readonly note: (line: string) => void;
  private readonly kinds = new Map<string, { lastMs: number; leftOut: number }>();

  constructor(note: (line: string) => void) {
    this.note = note;
  }

  say(kind: string, line: string): void {
    const nowMs = performance.now();
    const { lastMs, leftOut } = this.kinds.get(kind) ?? { lastMs: -Infinity, leftOut: 0 };
    if (nowMs - lastMs < PERIOD_MS) {
      this.kinds.set(kind, { lastMs, leftOut: leftOut + 1 });
      return;
    }
    this.kinds.set(kind, { lastMs: nowMs, leftOut: 0 });
    this.note(leftOut === 0 ? line : `${line} (and ${leftOut} more since the last such line)`);
  }
}
