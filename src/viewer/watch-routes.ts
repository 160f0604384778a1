// What the page may ask for below /api/watch/.
import { join } from 'node:path';
import { RECORDING_EXTENSION } from '../recording/episode-file.ts';
import { listRunFiles } from '../runs/contents.ts';
import type { FoundRun } from './run-index.ts';
import type { WatchAnswer, WatchPart, WatchRequest } from './watch-api.ts';
import type { Watcher } from './watcher.ts';

/** In one answer: some megabytes. */
const MOST_STEPS: Readonly<Record<WatchPart, number>> = {
  steps: 200,
  screens: 200,
  distributions: 200,
  saliency: 50,
};
const PARTS = Object.keys(MOST_STEPS) as WatchPart[];

/**
 * What the watching process says of a run.
 * @returns undefined where there is no such thing to watch.
 */
export async function askWatcher(
  watcher: Watcher,
  part: string,
  { path, row }: FoundRun,
  query: URLSearchParams,
): Promise<WatchAnswer | undefined> {
  const known = PARTS.find((name) => name === part);
  const from = wholeNumber(query.get('from') ?? '0');
  const count = wholeNumber(query.get('count') ?? '0');
  const checkpoint = checkpointOf(query.get('checkpoint') ?? 'newest');
  if (known === undefined || from === undefined || count === undefined || checkpoint === undefined) return undefined;
  const recording = query.has('live') ? null : await findRecording(path, query.get('recording'));
  if (recording === undefined) return undefined;
  if (row.problem !== null) return { problem: row.problem };
  const request = { run: path, recording, checkpoint, from, count: Math.min(count, MOST_STEPS[known]) };
  const answer = await watcher.ask({ part: known, ...request });
  return 'problem' in answer ? { problem: withoutPath(answer.problem, path) } : answer;
}

/** Names no place of the machine. */
function withoutPath(line: string, run: string): string {
  const own = line.replaceAll(`run folder ${run}`, 'the run').replaceAll(`${run}/`, '');
  return own.replaceAll(`${run}: `, '').replaceAll(run, 'the run');
}

/** Only what the list of recordings names: neither a path nor a link out of the folder is in it. */
async function findRecording(run: string, wanted: string | null): Promise<WatchRequest['recording'] | undefined> {
  const files = await listRunFiles(run, 'recordings', [RECORDING_EXTENSION]);
  const file = files.find(({ name }) => name === wanted);
  return file && { path: join(run, 'recordings', file.name), version: `${file.bytes} ${file.changedMs}` };
}

function checkpointOf(text: string): WatchRequest['checkpoint'] | undefined {
  return text === 'newest' || text === 'best' ? text : wholeNumber(text);
}

function wholeNumber(text: string): number | undefined {
  const value = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(value) ? value : undefined;
}
