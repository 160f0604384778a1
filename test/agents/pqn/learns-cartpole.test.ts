import '../../node-backend.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CartPole, type VectorEnv, vectorize } from 'gymnasium-js-bridge/environments';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { evaluate, resume, train } from '../../../agents/index.ts';

const SOLVED = 195;
/** Another processor rounds differently, and the run takes another course: one in a dip at the first look gets more. */
const LOOKS = [30_000, 40_000, 50_000, 60_000];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cartpole-pqn-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const inTypeScript = (numEnvs: number) => vectorize(() => new CartPole(), { numEnvs });
const isLong = process.env.WEIGHTNORM_LEARNING === 'long';
/** The two have the same numbers (train.test.ts): where it is to be short, one will do. */
const kinds: [kind: string, env: (numEnvs: number) => string | VectorEnv][] = [
  ['CartPole in TypeScript', inTypeScript],
  ...(isLong ? [['CartPole-v1', () => 'CartPole-v1'] satisfies [string, () => string]] : []),
];
const seeds = isLong ? [1, 2, 3] : [1];

test.each(kinds.flatMap(([kind, env]) => seeds.map((seed) => ({ kind, env, seed }))))(
  'PQN reaches a mean return of 195 on $kind within 60,000 agent steps, seed $seed',
  async ({ kind, env: make, seed }) => {
    const runDir = join(folder, `${kind}-${seed}`);
    const scores: number[] = [];
    for (const steps of LOOKS) {
      const env = make(8);
      const handedIn = typeof env === 'string' ? {} : { env };
      const run =
        scores.length === 0
          ? await train({ agent: 'pqn', preset: 'classic-control', env, seed, steps, runDir })
          : await resume({ steps, runDir, ...handedIn });
      await run.finish();
      const { meanReturn } = await evaluate({ runDir, episodes: 20, seed: 100, ...handedIn });
      scores.push(meanReturn);
      if (meanReturn >= SOLVED) break;
    }
    expect(scores.at(-1), `mean returns ${scores}`).toBeGreaterThanOrEqual(SOLVED);
  },
);
