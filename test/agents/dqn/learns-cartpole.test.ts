import '../../node-backend.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { evaluateDqn } from '../../../agents/dqn/evaluate.ts';
import { resolveConfig } from '../../../agents/dqn/resolve.ts';
import { trainDqn } from '../../../agents/dqn/train.ts';

const STEPS = 12_000;
const SOLVED = 195;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cartpole-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([1, 2, 3])(
  'weight-normalised DQN reaches a mean return of 195 on CartPole-v1 within 12,000 agent steps, seed %i',
  async (seed) => {
    const runDir = join(folder, String(seed));
    const config = resolveConfig(undefined, { envId: 'CartPole-v1', seed, steps: STEPS });
    expect(config.normalization).toBe('weight');
    await trainDqn(config, { runDir, version: 'test' });
    const { meanReturn, checkpointAgentSteps } = await evaluateDqn({ runDir, episodes: 20, seed: 100 });
    expect(checkpointAgentSteps).toBe(STEPS);
    expect(meanReturn).toBeGreaterThanOrEqual(SOLVED);
  },
  180_000,
);
