export { humanNormalizedScore } from './human-scores.ts';
export { type EpisodeListener, type PlayOptions, type Policy, playEpisodes } from './play.ts';
export { type ReturnSummary, summarizeReturns } from './summary.ts';
