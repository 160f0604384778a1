// Trackers of your own: a logger, and a stop at a score. Run: npm run build && node dist/examples/early-stopping.js
import { train } from 'weightnorm-rl/agents';
import type { Tracker } from 'weightnorm-rl/runs';

const logger: Tracker = {
  onEvent({ kind, position, numbers }) {
    if (kind === 'progress') console.log(position, JSON.stringify(numbers));
  },
};

/** Stops when the mean of the last ten returns has reached a score. */
function stopAt(score: number): Tracker {
  let returns: number[] = [];
  return {
    onEvent(event, run) {
      if (event.kind !== 'episode') return;
      returns = [...returns, event.numbers.episodeReturn].slice(-10);
      const mean = returns.reduce((sum, value) => sum + value, 0) / returns.length;
      if (returns.length === 10 && mean >= score) run.stop();
    },
  };
}

const run = await train({ env: 'CartPole-v1', steps: 30_000, trackers: [logger, stopAt(40)] });
const { position, interrupted } = await run.finish();
console.log(interrupted ? `stopped at agent step ${position}` : 'never reached the score');
