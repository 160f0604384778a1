import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MetricsWriter } from '../../src/training/metrics.ts';
import { RunFolder } from '../../src/training/run-folder.ts';

let parent: string;
let path: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'run-folder-'));
  path = join(parent, 'run');
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const writeMark = (folder: string) => writeFile(join(folder, 'mark'), 'x');

test('a folder with anything in it is refused and left as it was', async () => {
  mkdirSync(path);
  writeFileSync(join(path, 'thesis.txt'), 'precious');
  await expect(RunFolder.create(path, {})).rejects.toThrow('not empty');
  expect(readdirSync(path)).toEqual(['thesis.txt']);
});

test('the config can be read back', async () => {
  (await RunFolder.create(path, { seed: 3 })).unlock();
  expect(await RunFolder.open(path).readConfig()).toEqual({ seed: 3 });
});

test('a damaged config, a missing folder and a folder without a run are told apart', async () => {
  expect(() => RunFolder.open(path)).toThrow('does not exist');
  mkdirSync(path);
  expect(() => RunFolder.open(path)).toThrow('no config.json');
  writeFileSync(join(path, 'config.json'), '{"seed": ');
  await expect(RunFolder.open(path).readConfig()).rejects.toThrow('not JSON');
});

test('two processes cannot train in one folder, and a dead one does not block it', async () => {
  const folder = await RunFolder.create(path, {});
  expect(() => RunFolder.open(path).lock()).toThrow(`in use by process ${process.pid}`);
  folder.unlock();
  const lockPath = join(path, 'run.lock');
  expect(existsSync(lockPath)).toBe(false);
  const other = spawn('true');
  await new Promise((resolve) => other.once('exit', resolve));
  // The process is gone; one that has its id again started at another time.
  for (const holder of [`${other.pid} 123`, `${process.pid} 123`, '']) {
    writeFileSync(lockPath, holder);
    folder.lock();
    folder.unlock();
  }
});

test('the newest checkpoints are kept and found', async () => {
  const folder = await RunFolder.create(path, {});
  await expect(folder.checkpoint()).rejects.toThrow('no checkpoint yet');
  for (const step of [100, 200, 1000]) await folder.writeCheckpoint(step, 2, writeMark);
  expect((await folder.checkpoints()).map((entry) => entry.step)).toEqual([200, 1000]);
  expect((await folder.checkpoint()).step).toBe(1000);
  expect((await folder.checkpoint(200)).path).toBe(join(path, 'checkpoints', '200'));
  await expect(folder.checkpoint(7)).rejects.toThrow('there are 200, 1000');
});

test('a checkpoint that fails to be written leaves the older ones and no trace', async () => {
  const folder = await RunFolder.create(path, {});
  await folder.writeCheckpoint(100, 1, writeMark);
  const failing = folder.writeCheckpoint(200, 1, async (target) => {
    await writeMark(target);
    throw new Error('ENOSPC: no space left on device');
  });
  await expect(failing).rejects.toThrow('no space left');
  expect(readdirSync(join(path, 'checkpoints'))).toEqual(['100']);
});

test('what a killed process left of a checkpoint is not taken for one, and goes with the next', async () => {
  const folder = await RunFolder.create(path, {});
  await folder.writeCheckpoint(100, 3, writeMark);
  mkdirSync(join(path, 'checkpoints', '.tmp-killed'));
  expect((await folder.checkpoint()).step).toBe(100);
  await folder.writeCheckpoint(200, 3, writeMark);
  expect(readdirSync(join(path, 'checkpoints')).sort()).toEqual(['100', '200']);
});

test('metrics of a resumed run go on where the checkpoint stood', () => {
  mkdirSync(path);
  const file = join(path, 'metrics.jsonl');
  const line = { updates: 1, stepsPerSecond: 10, epsilon: 0.5, loss: 0.1, wallSeconds: 1 };
  const first = new MetricsWriter(file);
  first.progress({ agentSteps: 10, ...line });
  const { position } = first;
  first.progress({ agentSteps: 20, ...line });
  first.close();
  const scalars: [string, number, number][] = [];
  const resumed = new MetricsWriter(
    file,
    { scalar: (name, value, step) => scalars.push([name, value, step]), flush: () => {}, close: () => {} },
    position,
  );
  resumed.progress({ agentSteps: 30, ...line });
  resumed.close();
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  expect(lines.map((text) => JSON.parse(text).agentSteps)).toEqual([10, 30]);
  expect(scalars).toContainEqual(['train/loss', 0.1, 30]);
});
