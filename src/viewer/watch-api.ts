// What the page, the server and the process that watches tell each other: types only, which all of them import.

/** What an agent says of each action besides its value. */
export type Distribution =
  | { readonly kind: 'none' }
  /** Probabilities of so many returns, equally spaced from `low` to `high`. */
  | { readonly kind: 'probabilities'; readonly count: number; readonly low: number; readonly high: number }
  /** Returns at the midpoints of so many equal parts of probability. */
  | { readonly kind: 'quantiles'; readonly count: number };

/** What is watched: the same for all of its steps, but for the checkpoint of what goes on. */
export interface WatchedFacts {
  readonly agent: string;
  readonly environment: string;
  /** The actions' names. */
  readonly actions: readonly string[];
  readonly distribution: Distribution;
  /** Size of the screen, and how wide one of its pixels is for its height; null where there is none. */
  readonly screen: { readonly height: number; readonly width: number; readonly pixelAspect: number } | null;
  /** Why there is no screen, in one sentence. */
  readonly noScreen: string | null;
  /** The size of what the agent sees where that is a picture; null where it is a row of numbers. */
  readonly sight: { readonly height: number; readonly width: number } | null;
  readonly stepsPerSecond: number;
  /** How many steps there will be; null where it goes on. */
  readonly totalSteps: number | null;
  /** The checkpoint whose network was asked. */
  readonly checkpoint: { readonly step: number; readonly isBest: boolean };
  /** Who played a recording, in words; null where it does not say, and where the agent plays now. */
  readonly playedBy: string | null;
  /** The share of random actions where the agent plays now; null for a recording. */
  readonly epsilon: number | null;
}

/** Steps on end, by columns. Step i is the state before the action, with the reward that followed. */
export interface WatchedSteps {
  readonly facts: WatchedFacts;
  /** The oldest step that is still held. */
  readonly oldest: number;
  /** The first of these steps. */
  readonly from: number;
  readonly actions: readonly number[];
  readonly rewards: readonly number[];
  /** The values of each step, one for each action. */
  readonly values: readonly (readonly number[])[];
  /** The step that the episode of each step began with. */
  readonly starts: readonly number[];
  /** What the agent saw at each step, where that is a short row of numbers. */
  readonly observations: readonly (readonly number[])[] | null;
}

/** Instead of an answer: what went wrong, in one line. */
export interface WatchProblem {
  readonly problem: string;
}

export type WatchPart = 'steps' | 'screens' | 'distributions' | 'saliency';

/** A question to the process that watches. */
export interface WatchRequest {
  readonly part: WatchPart;
  /** The real path of the run's folder. */
  readonly run: string;
  /** A recording's real path, and a text that changes with the file; null: what the agent plays now. */
  readonly recording: { readonly path: string; readonly version: string } | null;
  readonly checkpoint: number | 'newest' | 'best';
  readonly from: number;
  readonly count: number;
}

/**
 * Its answer: steps; else bytes, of `screens` for each step the length of a PNG picture (uint32) and the picture, of
 * `distributions` float32 [steps, actions, count], of `saliency` for each step the largest gradient (float32), then for
 * each step bytes [height, width], 255 where the gradient is the largest. All little-endian.
 */
export type WatchAnswer = WatchedSteps | Uint8Array | WatchProblem;
