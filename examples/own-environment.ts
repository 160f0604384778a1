// An environment of your own, without Python. Run: npm run build && node dist/examples/own-environment.js
import { type Env, vectorize } from 'gymnasium-js-bridge/environments';
import { evaluate, train } from 'weightnorm-rl/agents';

/** A corridor of eight places: the right end pays 1, and every step costs 0.05. */
function corridor(): Env {
  const length = 8;
  let place = 0;
  const observation = () => Array.from({ length }, (_, i) => Number(i === place));
  return {
    id: 'Corridor',
    observationSpace: { kind: 'box', shape: [length], dtype: 'float32', low: 0, high: 1 },
    actionSpace: { kind: 'discrete', n: 2, meanings: ['LEFT', 'RIGHT'] },
    maxEpisodeSteps: 50,
    reset(seed) {
      place = seed % (length - 1);
      return observation();
    },
    step(action) {
      place = Math.max(0, place + (action === 1 ? 1 : -1));
      const terminated = place === length - 1;
      return { observation: observation(), reward: terminated ? 1 : -0.05, terminated };
    },
  };
}

const runDir = process.argv[2] ?? 'runs/corridor';
const env = vectorize(corridor, { numEnvs: 4, seed: 1 });
const run = await train({ env, runDir, preset: 'classic-control', steps: 4_000, hiddenUnits: [32] });
await run.finish();
const { meanReturn } = await evaluate({ runDir, env: vectorize(corridor, { numEnvs: 4 }), episodes: 20 });
console.log(`mean return ${meanReturn.toFixed(2)}`);
