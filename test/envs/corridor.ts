import { type Env, vectorize } from 'gymnasium-js-bridge/environments';

/** A walk to the right end of a corridor of 10 places, from one of the first three. */
export function corridor(): Env {
  let place = 0;
  return {
    id: 'Corridor',
    observationSpace: { kind: 'box', shape: [1], dtype: 'float32', low: 0, high: 9 },
    actionSpace: { kind: 'discrete', n: 2, meanings: ['LEFT', 'RIGHT'] },
    maxEpisodeSteps: 100,
    reset(seed) {
      place = seed % 3;
      return [place];
    },
    step(action) {
      place = Math.max(0, place + (action === 1 ? 1 : -1));
      const arrived = place === 9;
      return { observation: [place], reward: arrived ? 1 : -0.01, terminated: arrived };
    },
  };
}

export async function walk(): Promise<number[]> {
  const env = vectorize(corridor, { numEnvs: 4, seed: 7 });
  const returns: number[] = [];
  await env.reset();
  while (returns.length < 8) {
    const { finished } = await env.step([1, 1, 1, 1]);
    returns.push(...finished.map((episode) => episode.return));
  }
  await env.close();
  return returns;
}
