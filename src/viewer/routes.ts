// What the page may ask for below /api/: every answer is about a run of the list, and named in it.
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { publishedCurves } from '../comparison/published-curves.ts';
import { resolveInside } from '../files/inside.ts';
import { RECORDING_EXTENSION } from '../recording/episode-file.ts';
import { listCheckpointSizes, listRunFiles } from '../runs/contents.ts';
import type { CurveColumns } from '../runs/curve.ts';
import { RunFolder } from '../runs/folder.ts';
import { machineRows, packageRows, settingRows } from '../summary/facts.ts';
import type { RunCurves, RunDetails } from './api.ts';
import type { FoundRun, RunIndex } from './run-index.ts';
import { askWatcher } from './watch-routes.ts';
import type { Watcher } from './watcher.ts';

/** The folders of a run whose files are handed out, with the kinds of files. */
const PARTS = { pictures: ['.png', '.gif'], recordings: [RECORDING_EXTENSION] } as const;
const MEDIA_TYPES: Readonly<Record<string, string>> = { '.png': 'image/png', '.gif': 'image/gif' };
/** Far more than the page shows at once. */
const MOST_CURVES_ASKED = 200;
/** A report is shown as it is, with nothing in it that runs or asks for anything. */
const REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";

/** Something that was asked for is not there. */
class NotFound extends Error {}

/** Answers a request below /api/. */
export async function answerApi(
  index: RunIndex,
  watcher: Watcher,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const { pathname, searchParams } = url;
    if (pathname === '/api/runs') sendJson(request, response, await index.list());
    else if (pathname === '/api/curves') {
      const run = await findRun(index, searchParams);
      sendJson(request, response, await curvesOf(run, searchParams.getAll('curve')));
    } else if (pathname === '/api/run')
      sendJson(request, response, await detailsOf(await findRun(index, searchParams)));
    else if (pathname === '/api/published') {
      sendJson(request, response, publishedCurves(searchParams.get('environment') ?? ''));
    } else if (pathname === '/api/file') await sendFile(await findRun(index, searchParams), searchParams, response);
    else if (pathname === '/api/report') await sendReport(await findRun(index, searchParams), response);
    else if (pathname.startsWith('/api/watch/')) {
      const part = pathname.slice('/api/watch/'.length);
      const answer = await askWatcher(watcher, part, await findRun(index, searchParams), searchParams);
      if (answer === undefined) throw new NotFound();
      if (answer instanceof Uint8Array) sendBytes(response, answer);
      else sendJson(request, response, answer);
    } else throw new NotFound();
  } catch (error) {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    response.statusCode = error instanceof NotFound ? 404 : 500;
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    response.end(error instanceof NotFound ? 'There is no such thing.\n' : 'This could not be answered.\n');
  }
}

async function findRun(index: RunIndex, query: URLSearchParams): Promise<FoundRun> {
  const run = await index.find(query.get('run') ?? '');
  if (run === undefined) throw new NotFound();
  return run;
}

/** What has not changed since the page asked last is not sent again. */
function sendJson(request: IncomingMessage, response: ServerResponse, value: unknown): void {
  const text = JSON.stringify(value);
  const tag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
  response.setHeader('etag', tag);
  response.setHeader('cache-control', 'no-cache');
  if (request.headers['if-none-match'] === tag) {
    response.writeHead(304).end();
    return;
  }
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.end(request.method === 'HEAD' ? undefined : text);
}

function sendBytes(response: ServerResponse, bytes: Uint8Array): void {
  response.setHeader('content-type', 'application/octet-stream').setHeader('cache-control', 'no-store').end(bytes);
}

async function curvesOf({ metrics, path, row }: FoundRun, wanted: readonly string[]): Promise<RunCurves> {
  if ((await resolveInside(path, join(path, 'metrics.jsonl'))) !== undefined) await metrics.update();
  const curves = wanted.slice(0, MOST_CURVES_ASKED).flatMap((name) => {
    const curve = metrics.curve(name);
    return curve === undefined ? [] : [[name, rounded(curve.columns())] as const];
  });
  const damage = metrics.damage ?? (row.version === '' ? 'there is no metrics.jsonl' : null);
  return { names: metrics.names, damage, curves };
}

/** Six digits are finer than a screen, and a third of the text. */
function rounded(points: CurveColumns): CurveColumns {
  const short = (column: readonly (number | null)[]) =>
    column.map((value) => (value === null || Number.isInteger(value) ? value : Number(value.toPrecision(6))));
  return {
    position: points.position,
    wallSeconds: short(points.wallSeconds),
    mean: short(points.mean),
    ...(points.low && points.high && { low: short(points.low), high: short(points.high) }),
  };
}

async function detailsOf({ id, path, row, description }: FoundRun): Promise<RunDetails> {
  const files = (part: keyof typeof PARTS) => listRunFiles(path, part, PARTS[part]);
  const [pictures, recordings] = await Promise.all([files('pictures'), files('recordings')]);
  const isRun = existsSync(join(path, 'config.json'));
  return {
    id,
    problem: row.problem,
    preset: description?.preset ?? null,
    version: description?.version ?? null,
    commit: description?.commit ?? null,
    machine: description ? machineRows(description) : [],
    packages: description ? packageRows(description) : [],
    settings: description ? settingRows(description) : [],
    checkpoints: isRun ? await listCheckpointSizes(path, RunFolder.open(path)) : [],
    pictures,
    recordings,
    hasReport: (await resolveInside(path, join(path, 'report.html'))) !== undefined,
  };
}

async function sendFile({ path }: FoundRun, query: URLSearchParams, response: ServerResponse): Promise<void> {
  const part = query.get('part');
  if (part !== 'pictures' && part !== 'recordings') throw new NotFound();
  // Only what the list names: neither a path nor a link out of the folder is in it.
  const file = (await listRunFiles(path, part, PARTS[part])).find(({ name }) => name === query.get('name'));
  if (file === undefined) throw new NotFound();
  const type = MEDIA_TYPES[file.name.slice(-4)];
  if (type === undefined) response.setHeader('content-disposition', 'attachment');
  await send(join(path, part, file.name), type ?? 'application/octet-stream', response);
}

async function sendReport({ path }: FoundRun, response: ServerResponse): Promise<void> {
  const file = await resolveInside(path, join(path, 'report.html'));
  if (file === undefined) throw new NotFound();
  response.setHeader('content-security-policy', REPORT_POLICY);
  await send(file, 'text/html; charset=utf-8', response);
}

function send(path: string, type: string, response: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = createReadStream(path);
    stream.once('error', reject);
    stream.once('open', () => response.setHeader('content-type', type).setHeader('cache-control', 'no-cache'));
    response.once('close', () => {
      stream.destroy();
      resolve();
    });
    stream.pipe(response);
  });
}
