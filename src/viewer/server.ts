import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import sirv from 'sirv';
import { packageFolder } from '../files/package-folder.ts';
import { answerApi } from './routes.ts';
import { RunIndex } from './run-index.ts';
import { Watcher, type WatcherOptions } from './watcher.ts';

export interface ViewerOptions extends WatcherOptions {
  /** The folder of a run, or one with runs in it or a few folders below it. */
  readonly folder: string;
  /** 0 or undefined: one that is free. */
  readonly port?: number | undefined;
}

export interface Viewer {
  /** Where the page is, such as `http://127.0.0.1:4000/`. */
  readonly address: string;
  close(): Promise<void>;
}

/** The page is told to ask nobody but this server for anything, and to be shown within no other page. */
const POLICY = [
  "default-src 'self'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** By these names alone: a stranger's name that is made to lead to this machine gets nothing. */
const LOOPBACK_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;

/**
 * Serves the page over a folder of runs, on loopback. Nothing is written, and nothing outside the folder is read. Where
 * an agent is watched, that is done in a process of its own, which ends with the server at the latest.
 * @throws RunFolderError where there is no such folder; the system's error where the port cannot be had.
 */
export async function startViewer({ folder, port = 0, ...watching }: ViewerOptions): Promise<Viewer> {
  const index = await RunIndex.open(folder);
  const watcher = new Watcher(watching);
  const page = sirv(join(packageFolder(), 'dist/viewer'), { etag: true });
  const server = createServer((request, response) => {
    answer(request, response, { index, watcher, page });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      watcher.close();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { index, watcher, page }: { index: RunIndex; watcher: Watcher; page: ReturnType<typeof sirv> },
): void {
  response.setHeader('content-security-policy', POLICY);
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('referrer-policy', 'no-referrer');
  response.setHeader('cross-origin-resource-policy', 'same-origin');
  const target = `http://localhost${request.url ?? '/'}`;
  const url = URL.canParse(target) ? new URL(target) : undefined;
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (!LOOPBACK_HOST.test(request.headers.host ?? '')) refuse(response, 403, 'This is for localhost only.');
  else if (!isRead) refuse(response.setHeader('allow', 'GET, HEAD'), 405, 'There is nothing to change here.');
  else if (isFromElsewhere(request)) refuse(response, 403, 'This is for its own page only.');
  else if (url === undefined) refuse(response, 400, 'This is no address.');
  else if (url.pathname.startsWith('/api/')) void answerApi(index, watcher, url, request, response);
  else page(request, response, () => refuse(response, 404, 'There is no such page.'));
}

/** Whether a browser says that another site's page asks: none is to make this one watch a run. */
function isFromElsewhere({ headers, url }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  return url?.startsWith('/api/watch/') === true && site !== undefined && site !== 'same-origin' && site !== 'none';
}

function refuse(response: ServerResponse, status: number, reason: string): void {
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.writeHead(status).end(`${reason}\n`);
}
