// Runs that version 0.1.0 made, kept in test/fixtures: they resume, evaluate and replay as they did.
import '../node-backend.ts';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { evaluate, resume } from '../../agents/index.ts';
import { readRecording, verifyRecording } from '../../src/recording/index.ts';
import { readEvents } from '../../src/runs/events.ts';
import { RunFolder } from '../../src/runs/folder.ts';
import { evaluateTaskRun, resumeTaskRun } from '../../src/supervised/index.ts';

const fixtures = fileURLToPath(new URL('../fixtures/runs-0.1.0', import.meta.url));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'earlier-runs-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A copy of a run that can be written to. */
function copyOf(name: string): string {
  const path = join(folder, name);
  cpSync(join(fixtures, name), path, { recursive: true });
  return path;
}

const lines = (runDir: string) => readFileSync(join(runDir, 'metrics.jsonl'), 'utf8').trim().split('\n');

test.each([
  ['cartpole', 'held actions in two environments', 350, 600],
  ['cartpole-before-exploration', 'made before exploration was a setting', 250, 500],
  ['pong', 'three emulators, a data-dependent initialisation behind it', 450, 540],
])('%s: %s', async (name, _, stop, steps) => {
  const runDir = copyOf(name);
  const before = lines(runDir);
  const run = await resume({ runDir, steps });
  expect(run.position).toBe(stop);
  const episodesBefore = (await readEvents(join(runDir, 'metrics.jsonl'))).filter(({ kind }) => kind === 'episode');
  expect(run.summary().numbers.episodes).toBe(episodesBefore.length);
  const summary = await run.finish();
  expect(summary).toMatchObject({ position: steps, interrupted: false });
  expect(summary.numbers.episodes).toBeGreaterThanOrEqual(episodesBefore.length);
  // Not a byte of what was there has changed.
  expect(lines(runDir).slice(0, before.length)).toEqual(before);
  const events = await readEvents(join(runDir, 'metrics.jsonl'));
  const positions = events.map(({ position }) => position);
  expect(positions).toEqual([...positions].sort((a, b) => a - b));
  expect(events.at(-1)).toMatchObject({ kind: 'progress', unit: 'agentSteps', position: steps });
  expect(events.at(-1)!.numbers).toHaveProperty('loss');
  expect(existsSync(join(runDir, 'run.lock'))).toBe(false);

  const old = await evaluate({ runDir: join(fixtures, name), episodes: 2, maxEpisodeSteps: 100 });
  expect(old).toMatchObject({ checkpointAgentSteps: stop, episodes: [expect.anything(), expect.anything()] });
});

test.each(['cartpole', 'pong'])('the recordings of %s verify', async (name) => {
  const recordings = join(fixtures, name, 'recordings');
  const files = readdirSync(recordings);
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) {
    const verification = await verifyRecording(await readRecording(join(recordings, file)));
    expect(verification.difference).toBeUndefined();
    expect(verification.equal).toBe(true);
  }
});

test('a supervised run that was stopped in the midst of an epoch', async () => {
  const runDir = copyOf('vae-mnist');
  const before = lines(runDir);
  const { settings } = await RunFolder.open(runDir).describe();
  expect(settings.epochs).toBe(200);
  const run = await resumeTaskRun({ epochs: 7 } as object, { runDir });
  expect(run.position).toBe(83);
  expect(run.latest.evaluation).toHaveProperty('testBound');
  const summary = await run.finish();
  expect(summary).toMatchObject({ position: 7 * 15, interrupted: false });
  expect(lines(runDir).slice(0, before.length)).toEqual(before);
  const events = await readEvents(join(runDir, 'metrics.jsonl'));
  const epochs = events.flatMap((event) => (event.kind === 'epoch' ? event.numbers.epoch : []));
  expect(epochs).toEqual([1, 2, 3, 4, 5, 6, 7]);
  // The means of the epoch that was broken are those of all its updates: far from those of its end alone.
  const sixth = events.find(({ kind, numbers }) => kind === 'epoch' && (numbers as { epoch: number }).epoch === 6)!;
  expect(Number.isFinite((sixth.numbers as { loss: number }).loss)).toBe(true);

  const { metrics, checkpoint } = await evaluateTaskRun(join(fixtures, 'vae-mnist'), {});
  expect(checkpoint).toBe(83);
  // The weights of the checkpoint, on the same images with the same noise: near the test of the epoch before.
  expect(metrics.testBound).toBeGreaterThan(-320);
  expect(metrics.testBound).toBeLessThan(-200);
});
