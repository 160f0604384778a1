import '../../node-backend.ts';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { evaluate, resume, train } from '../../../agents/index.ts';

const SOLVED = 195;
/**
 * Another processor rounds differently, and the run takes another course: one that is in a dip at the first look gets
 * more.
 */
const LOOKS = [6_000, 12_000, 18_000, 24_000];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cartpole-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// `npm run test:learning` asks three.
const SEEDS = process.env.WEIGHTNORM_LEARNING === 'long' ? [1, 2, 3] : [1];

test.each(SEEDS)(
  'weight-normalised DQN reaches a mean return of 195 on CartPole-v1 within 24,000 agent steps, seed %i',
  async (seed) => {
    const runDir = join(folder, String(seed));
    const scores: number[] = [];
    for (const steps of LOOKS) {
      const run =
        scores.length === 0
          ? await train({ env: 'CartPole-v1', seed, steps, runDir })
          : await resume({ steps, runDir });
      await run.finish();
      const { meanReturn, checkpointAgentSteps } = await evaluate({ runDir, episodes: 20, seed: 100 });
      expect(checkpointAgentSteps).toBe(steps);
      scores.push(meanReturn);
      if (meanReturn >= SOLVED) break;
    }
    const { settings } = JSON.parse(readFileSync(join(runDir, 'config.json'), 'utf8'));
    expect(settings.normalization).toBe('weight');
    expect(scores.at(-1), `mean returns ${scores}`).toBeGreaterThanOrEqual(SOLVED);
  },
);
