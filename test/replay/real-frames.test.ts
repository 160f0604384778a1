import { makeVectorEnv } from 'gymnasium-js-bridge';
import { beforeAll, describe, expect, test } from 'vitest';
import { Generator } from '../../src/random/index.ts';
import { Replay, type ReplayOptions, replayBytes, uniformSampler } from '../../src/replay/index.ts';
import { takenBytes } from './memory.ts';

const options: ReplayOptions = {
  capacity: 1_000_000,
  lanes: 1,
  frameShape: [84, 84],
  dtype: 'uint8',
  frameStack: 4,
  nStep: 3,
  discount: 0.99,
  batchSize: 32,
};
const FRAME_BYTES = 84 * 84;
const STEPS = 2000;

/** Enduro as the emulator shows it, half a day of it: the accelerator mostly held, steering and braking at random. */
describe('with Enduro', () => {
  const frames = new Uint8Array(STEPS * FRAME_BYTES);
  const ends = new Uint8Array(STEPS);

  beforeAll(async () => {
    const env = await makeVectorEnv({ game: 'Enduro', numEnvs: 1, seed: 7, frameStack: 1 });
    try {
      const random = new Generator(3, 'actions');
      let { observations } = await env.reset();
      for (let t = 0; t < STEPS; t++) {
        frames.set(observations as Uint8Array, t * FRAME_BYTES);
        const action = random.integer(3) === 0 ? random.integer(env.actionSpace.n) : 1; // 1 accelerates
        const result = await env.step([action]);
        observations = result.observations;
        ends[t] = result.terminated[0];
      }
    } finally {
      await env.close();
    }
  });

  const fill = (replay: Replay) => {
    for (let t = 0; t < STEPS; t++) {
      const frame = frames.subarray(t * FRAME_BYTES, (t + 1) * FRAME_BYTES);
      const ended = ends[t] === 1;
      replay.append(0, { frame, action: t % 9, reward: t % 5, terminal: ended, episodeEnds: ended });
    }
  };

  test('a million compressed agent steps take at most 1.5 GB, and less than is reckoned with', async () => {
    const before = await takenBytes();
    const replay = new Replay({ ...options, replayCompression: 'delta' }, uniformSampler(new Generator(1, 'sampling')));
    const empty = (await takenBytes()) - before;
    fill(replay);
    const perStep = ((await takenBytes()) - before - empty) / STEPS;
    expect(replay.size).toBe(STEPS);
    expect(perStep).toBeGreaterThan(300); // an entropy that no counting error reaches
    const million = empty + 1e6 * perStep;
    expect(million).toBeLessThanOrEqual(1.5e9);
    expect(million).toBeLessThanOrEqual(replayBytes(replay.options));
  });

  test('compressed and uncompressed replays give the same batches, also when all has been overwritten', () => {
    const replays = (['none', 'delta'] as const).map(
      (replayCompression) =>
        new Replay({ ...options, capacity: 1000, replayCompression }, uniformSampler(new Generator(11, 'sampling'))),
    );
    const [plain, compressed] = replays.map((replay) => {
      fill(replay);
      return Array.from({ length: 20 }, () => {
        const { states, actions, returns, discounts, nextStates } = replay.sample();
        return [states, actions, returns, discounts, nextStates].map((values) =>
          Buffer.from(values.buffer.slice(0) as ArrayBuffer),
        );
      });
    });
    for (const [draw, batch] of plain.entries()) {
      for (const [part, values] of batch.entries()) {
        expect(Buffer.compare(values, compressed[draw][part]), `batch ${draw}, part ${part}`).toBe(0);
      }
    }
  });
});
