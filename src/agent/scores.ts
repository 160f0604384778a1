import { z } from 'zod';
import type { Tracker } from '../runs/tracker.ts';
import { SCORE_EPISODES, trainingScore } from '../runs/training-score.ts';

const stateSchema = z.object({ episodes: z.int().min(0), recentReturns: z.array(z.number()) });

/** The scores of training so far. */
export interface Scores extends Tracker {
  readonly episodes: number;
  /** The unclipped return of the last episode; undefined before one has ended. */
  readonly lastReturn: number | undefined;
  /** The mean of the last 100 returns. */
  readonly meanReturn: number | undefined;
}

/** Counts episodes and keeps their newest returns. */
export function scores(): Scores {
  let state: z.infer<typeof stateSchema> = { episodes: 0, recentReturns: [] };
  return {
    name: 'scores',
    onEvent(event) {
      if (event.kind !== 'episode') return;
      state.episodes += 1;
      state.recentReturns = [...state.recentReturns, event.numbers.episodeReturn].slice(-SCORE_EPISODES);
    },
    getState: () => state,
    setState(stored) {
      state = stateSchema.parse(stored);
    },
    summary(): Record<string, number> {
      const { lastReturn, meanReturn, episodes } = this as Scores;
      return {
        episodes,
        ...(lastReturn !== undefined && { lastReturn }),
        ...(meanReturn !== undefined && { meanReturn }),
      };
    },
    get episodes() {
      return state.episodes;
    },
    get lastReturn() {
      return state.recentReturns.at(-1);
    },
    get meanReturn() {
      return trainingScore(state.recentReturns)?.mean;
    },
  };
}
