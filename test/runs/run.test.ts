// The loop with a trainable of a few lines that writes down what is asked of it; real agents and tasks are tested
// beside.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RunDescription } from '../../src/runs/description.ts';
import { readEvents } from '../../src/runs/events.ts';
import { RunFolder } from '../../src/runs/folder.ts';
import { metricsFile } from '../../src/runs/metrics.ts';
import { resumeIn } from '../../src/runs/resume.ts';
import { Run, type RunOptions } from '../../src/runs/run.ts';
import { saveEvery, type Tracker } from '../../src/runs/tracker.ts';
import type { RunStep, State, StoredTensors, Trainable } from '../../src/runs/trainable.ts';

let parent: string;
let path: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'run-'));
  path = join(parent, 'run');
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const description: RunDescription = {
  ...{ formatVersion: 2, kind: 'supervised', name: 'counter', preset: null, version: '0.1.0', commit: null },
  ...{ settings: {}, machine: null, packages: {} },
};

/** Counts; its state is its count. */
class Counter implements Trainable {
  readonly unit = {
    ...({ key: 'updates', singular: 'update', plural: 'updates' } as const),
    rate: { key: 'updatesPerSecond', factor: 1 },
  };
  readonly tape: string[];
  position = 0;
  canBeSaved = true;
  failAt = Number.POSITIVE_INFINITY;
  divergeAt = Number.POSITIVE_INFINITY;

  constructor(tape: string[] = []) {
    this.tape = tape;
  }

  async step(): Promise<RunStep> {
    if (this.position + 1 === this.failAt) throw new Error('the network is down');
    this.position += 1;
    this.tape.push(`step ${this.position}`);
    const value = this.position === this.divergeAt ? Number.NaN : this.position;
    return { position: this.position, size: 1, now: { half: value / 2 }, learned: [{ loss: value }], events: [] };
  }

  getState(): State {
    this.tape.push(`state ${this.position}`);
    const data = Float32Array.of(this.position >= this.divergeAt ? Number.NaN : this.position);
    return { values: { position: this.position }, tensors: { weight: { dtype: 'F32', shape: [1], data } } };
  }

  setState({ values, tensors }: State<StoredTensors>): void {
    expect(tensors.weight.data[0]).toBe(values.position);
    this.position = values.position as number;
  }
}

/** A run of a new counter in the folder, with what it writes by default. */
async function start(counter: Counter, options: Partial<RunOptions<RunStep>> = {}): Promise<Run> {
  const folder = await RunFolder.create(path, description);
  return runIn(folder, counter, options);
}

function runIn(folder: RunFolder, counter: Counter, options: Partial<RunOptions<RunStep>> = {}): Run {
  return new Run({
    trainable: counter,
    total: 10,
    reportPeriod: 4,
    folder,
    trackers: [metricsFile(folder.metricsPath), saveEvery(5)],
    close: () => folder.unlock(),
    ...options,
  });
}

function resume(counter: Counter, options: Partial<RunOptions<RunStep>> = {}, note?: (line: string) => void) {
  const folder = RunFolder.open(path);
  return resumeIn(folder, { note, settings: {}, changeable: [] }, async (point) => {
    if (point) counter.setState(point.state);
    return runIn(folder, counter, { state: point?.loop, ...options });
  });
}

const losses = async () =>
  (await readEvents(join(path, 'metrics.jsonl'))).map(({ kind, position, numbers }) => [
    kind,
    position,
    (numbers as Record<string, number>).loss,
  ]);

test('a run goes to its end; its last, partial period is written too', async () => {
  const counter = new Counter();
  const summary = await (await start(counter)).finish();
  expect(summary).toMatchObject({ position: 10, total: 10, interrupted: false });
  expect(summary.checkpoint).toBe(join(path, 'checkpoints/10'));
  expect(await losses()).toEqual([
    ['progress', 4, 2.5],
    ['progress', 8, 6.5],
    ['progress', 10, 9.5],
  ]);
  expect(existsSync(join(path, 'run.lock'))).toBe(false);
});

test('a run that was stopped and resumed writes what an unbroken one does', async () => {
  await (await start(new Counter())).finish();
  const expected = await losses();
  rmSync(path, { recursive: true });

  const controller = new AbortController();
  const run = await start(new Counter(), { signal: controller.signal });
  for await (const { position } of run) if (position === 6) controller.abort();
  expect(run.summary()).toMatchObject({ position: 6, interrupted: true });
  expect(await losses()).toEqual([
    ['progress', 4, 2.5],
    ['progress', 6, 5.5], // of the interruption: the resumed run writes the whole period instead
  ]);
  const resumed = await resume(new Counter());
  expect(resumed.position).toBe(6);
  await resumed.finish();
  expect(await losses()).toEqual(expected);
});

test('trackers hear in their order, before the checkpoint; what they are asked for is in it', async () => {
  const tape: string[] = [];
  const counter = new Counter(tape);
  let heard = 0;
  const own: Tracker = {
    name: 'own',
    onStep: ({ position }) => void tape.push(`own step ${position}`),
    async onEvent({ kind, position }) {
      await Promise.resolve();
      tape.push(`own ${kind} ${position}`);
    },
    onCheckpoint: () => void tape.push('own checkpoint'),
    close: () => void tape.push('own close'),
    getState: () => ({ heard: ++heard }),
    setState: (state) => {
      heard = (state as { heard: number }).heard;
    },
    summary: () => ({ heard }),
  };
  const run = await start(counter, { total: 2, reportPeriod: 2, trackers: [own, saveEvery(1)] });
  expect((await run.finish()).numbers).toEqual({ heard: 2 });
  expect(tape).toEqual([
    ...['step 1', 'own step 1', 'state 1', 'own checkpoint'],
    ...['step 2', 'own progress 2', 'own step 2', 'state 2', 'own checkpoint'],
    'own close',
  ]);
  const resumed = await resume(new Counter(), { total: 3, trackers: [own] });
  expect(heard).toBe(2);
  await resumed.finish();
});

test('a tracker stops a run early, and the loop can be left: both save', async () => {
  const early: Tracker = {
    onStep({ position }, run) {
      if (position === 3) run.stop();
    },
  };
  const run = await start(new Counter(), { trackers: [early] });
  expect(await run.finish()).toMatchObject({ position: 3, interrupted: true });
  expect(existsSync(join(path, 'checkpoints/3'))).toBe(true);
  const left = await resume(new Counter(), { trackers: [] });
  for await (const { position } of left) if (position === 7) break;
  expect(existsSync(join(path, 'checkpoints/7'))).toBe(true);
  expect(existsSync(join(path, 'run.lock'))).toBe(false);
});

test('a run without a folder writes nothing', async () => {
  const run = new Run({ trainable: new Counter(), total: 5, reportPeriod: 2 });
  expect(await run.finish()).toMatchObject({ position: 5, checkpoint: undefined, latest: { progress: { loss: 5 } } });
  expect(existsSync(path)).toBe(false);
});

test('a step that fails leaves a checkpoint of what came before it', async () => {
  const counter = new Counter();
  counter.failAt = 8;
  const notes: string[] = [];
  const run = await start(counter, { note: (line) => notes.push(line) });
  await expect(run.finish()).rejects.toThrow('the network is down');
  expect(notes).toEqual(['saved at update 7: the run can be resumed from there']);
  const resumed = await resume(new Counter());
  expect(resumed.position).toBe(7);
  await resumed.finish();
  expect((await losses()).at(-1)).toEqual(['progress', 10, 9.5]);
});

test('what has diverged is named and not kept, whoever learns', async () => {
  const counter = new Counter();
  counter.divergeAt = 7;
  const run = await start(counter, { divergedMend: 'give a {learningRate} below 3' });
  await expect(run.finish()).rejects.toThrow(
    'learning has diverged at update 7: loss is NaN, "weight" is not finite; give a learningRate below 3; ' +
      `the newest good checkpoint is ${join(path, 'checkpoints/5')}`,
  );
  expect(existsSync(join(path, 'checkpoints/7'))).toBe(false);
  expect((await losses()).map(([, position]) => position)).toEqual([4]);
});

test('weights that have diverged while the loss is finite still are named where they would be saved', async () => {
  const counter = new Counter();
  const run = await start(counter, { divergedMend: 'give a {learningRate} below 3' });
  counter.getState = () => ({
    values: {},
    tensors: { weight: { dtype: 'F32', shape: [1], data: Float32Array.of(Number.POSITIVE_INFINITY) } },
  });
  await expect(run.finish()).rejects.toThrow(
    'learning has diverged at update 5: "weight" holds numbers that are not finite; give a learningRate below 3; ' +
      'there is no checkpoint from before it',
  );
});

test('everything is closed, also where closing one tracker fails', async () => {
  const tape: string[] = [];
  const failing: Tracker = {
    close() {
      throw new Error('the disk is full');
    },
  };
  const trackers = [failing, { close: () => void tape.push('tracker') }];
  const run = await start(new Counter(), { trackers, close: () => void tape.push('run') });
  await expect(run.finish()).rejects.toThrow('the disk is full');
  expect(tape).toEqual(['tracker', 'run']);
});

test('a run that was ended before its first checkpoint begins anew', async () => {
  const folder = await RunFolder.create(path, description);
  folder.unlock();
  const notes: string[] = [];
  const run = await resume(new Counter(), {}, (line) => notes.push(line));
  expect(notes).toEqual([`${path} has no checkpoint yet: its run begins anew`]);
  expect(await run.finish()).toMatchObject({ position: 10 });
});

test('a damaged newest checkpoint is named, and the run goes on from the one before it', async () => {
  await (await start(new Counter())).finish();
  const expected = await losses();
  const tensors = join(path, 'checkpoints/10/state.safetensors');
  const bytes = readFileSync(tensors);
  bytes[bytes.length - 1] ^= 1;
  const { writeFileSync } = await import('node:fs');
  writeFileSync(tensors, bytes);
  const notes: string[] = [];
  const run = await resume(new Counter(), {}, (line) => notes.push(line));
  expect(run.position).toBe(5);
  expect(notes[0]).toContain('checkpoints/10/state.safetensors: its content has changed');
  await run.finish();
  expect(await losses()).toEqual(expected);
});

test('a run is gone through once', async () => {
  const run = new Run({ trainable: new Counter(), total: 2, reportPeriod: 2 });
  await run.finish();
  await expect(run.finish()).rejects.toThrow('a run can be gone through once');
});
