/**
 * By how much the actions fall short of the best ones at most, of the largest value: 0 where all are greedy. Two routes
 * to the same values differ by rounding, so where two actions are as good as equal they may choose either.
 *
 * @param values of each action, a row for each state
 */
export function shortfall(actions: ArrayLike<number>, values: readonly number[][]): number {
  const largest = Math.max(...values.flat().map(Math.abs));
  return Math.max(...values.map((row, i) => Math.max(...row) - row[actions[i]])) / largest;
}
