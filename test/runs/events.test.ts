import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventLine, type RunEvent, readEvents } from '../../src/runs/events.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'events-'));
  file = join(folder, 'metrics.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const episode = {
  ...{ episodeReturn: 12.5, episodeLengthSteps: 30, episodeLengthFrames: 120, episodeSeed: 7, episodeIndex: 2, env: 1 },
  truncated: false,
};
const events: RunEvent[] = [
  { kind: 'episode', unit: 'agentSteps', position: 30, wallSeconds: 1.5, numbers: episode },
  { kind: 'progress', unit: 'agentSteps', position: 100, wallSeconds: 2, numbers: { updates: 25, loss: 0.5 } },
  { kind: 'evaluation', unit: 'agentSteps', position: 100, wallSeconds: 3, numbers: { meanReturn: 200 } },
  { kind: 'epoch', unit: 'updates', position: 20, wallSeconds: 4, numbers: { epoch: 1, loss: 3 } },
];
const write = (lines: readonly object[], rest = '') =>
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join('') + rest);

test('what is written is read, and half a line at the end is left out', async () => {
  expect(await readEvents(file)).toEqual([]);
  write(events.map(eventLine), '{"kind":"progress","agentS');
  expect(await readEvents(file)).toEqual(events);
  expect(eventLine(events[1])).toEqual({ kind: 'progress', agentSteps: 100, updates: 25, loss: 0.5, wallSeconds: 2 });
});

test('a number that is not finite is null in JSON, and NaN when it is read', async () => {
  write([eventLine({ ...events[1], numbers: { loss: Number.NaN } } as RunEvent)]);
  const [event] = await readEvents(file);
  expect(event.numbers).toEqual({ loss: Number.NaN });
});

test('lines of version 0.1.0 are read: agents told episodes by keys, supervised runs named the event', async () => {
  write([
    { agentSteps: 30, ...episode },
    { agentSteps: 100, updates: 25, epsilon: 0.5, wallSeconds: 2 },
    { event: 'epoch', epoch: 1, updates: 20, loss: 3, testError: 0.5, wallSeconds: 4 },
  ]);
  expect(await readEvents(file)).toEqual([
    { ...events[0], wallSeconds: undefined },
    { ...events[1], numbers: { updates: 25, epsilon: 0.5 } },
    { ...events[3], numbers: { epoch: 1, loss: 3, testError: 0.5 } },
  ]);
});

test.each([
  ['no JSON', '{"kind":'],
  ['no object', '7'],
  ['null', 'null'],
  ['another kind', '{"kind":"dragon","agentSteps":1}'],
  ['a word for a number', '{"kind":"progress","agentSteps":1,"loss":"high"}'],
  ['an episode without its return', '{"kind":"episode","agentSteps":1}'],
])('a damaged line is named: %s', async (_, line) => {
  write(events.map(eventLine), `${line}\n`);
  await expect(readEvents(file)).rejects.toThrow(`${file}: line 5 is not an event of a run`);
});
