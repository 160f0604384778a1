/** One way to do a piece of work, among those that a benchmark compares. */
export interface Variant {
  /** Key in the JSON output. */
  readonly name: string;
  readonly title: string;
  /** Works for about `turnMs`; returns the milliseconds that one piece of work took. */
  turn(turnMs: number): number | Promise<number>;
}

/** The time of `above` divided by the time of `below`. */
export interface Ratio {
  readonly name: string;
  readonly title: string;
  readonly above: string;
  readonly below: string;
  readonly target?: { readonly atLeast: number } | { readonly atMost: number };
}

/** What a benchmark measures once it is prepared. */
export interface Plan {
  /** What one piece of work is. */
  readonly work: string;
  /** The unit in which times are shown; JSON always has milliseconds. */
  readonly unit: 'ms' | 'us';
  readonly settings: Readonly<Record<string, unknown>>;
  readonly variants: readonly Variant[];
  readonly ratios: readonly Ratio[];
  /** Further numbers, from each variant's median milliseconds. */
  figures?(medianMs: Readonly<Record<string, number>>): Record<string, number>;
}

export interface PrepareOptions {
  /** Whether to measure other projects' software too, in an environment of its own. */
  readonly peers: boolean;
  /** Tells the user what is going on, a line each. */
  note(line: string): void;
  /** What to run when the benchmark is over or fails, last first. */
  defer(close: () => void | Promise<void>): void;
}

export interface Benchmark {
  readonly about: string;
  /** Defaults of the command line; no round begins after `seconds`. */
  readonly rounds: number;
  readonly turnSeconds: number;
  readonly seconds: number;
  prepare(options: PrepareOptions): Promise<Plan>;
}
