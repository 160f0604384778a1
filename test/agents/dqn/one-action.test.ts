// An environment in which there is nothing to choose.
import '../../node-backend.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Env, vectorize } from 'gymnasium-js-bridge/environments';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { train } from '../../../agents/index.ts';
import { readEvents } from '../../../src/runs/events.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'one-action-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Five steps forward, with the only action that there is. */
function forward(): Env {
  let place = 0;
  return {
    id: 'Forward',
    observationSpace: { kind: 'box', shape: [1], dtype: 'float32', low: 0, high: 5 },
    actionSpace: { kind: 'discrete', n: 1, meanings: ['FORWARD'] },
    maxEpisodeSteps: 10,
    reset() {
      place = 0;
      return [place];
    },
    step() {
      place += 1;
      return { observation: [place], reward: 1, terminated: place === 5 };
    },
  };
}

test.each([false, true])('trains, doubleQ %s', async (doubleQ) => {
  const runDir = join(folder, String(doubleQ));
  const run = await train({
    env: vectorize(forward, { numEnvs: 2, seed: 1 }),
    runDir,
    ...{ learningStarts: 40, hiddenUnits: [8], batchSize: 8, replayCapacity: 200, epsilonDecaySteps: 100 },
    ...{ logPeriodSteps: 50, steps: 150, doubleQ },
  });
  expect(await run.finish()).toMatchObject({ position: 150 });
  const last = (await readEvents(join(runDir, 'metrics.jsonl'))).at(-1)!;
  expect(Number.isFinite((last.numbers as { loss: number }).loss)).toBe(true);
});
