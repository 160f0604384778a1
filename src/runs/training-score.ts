/** A training score is the mean return of so many newest episodes. */
export const SCORE_EPISODES = 100;

/** The mean of the newest returns, and of how many; undefined before an episode has ended. */
export function trainingScore(
  returns: readonly number[],
  mostEpisodes = SCORE_EPISODES,
): { readonly episodes: number; readonly mean: number } | undefined {
  const newest = returns.slice(-mostEpisodes);
  if (newest.length === 0) return undefined;
  return { episodes: newest.length, mean: newest.reduce((sum, value) => sum + value, 0) / newest.length };
}
