import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';

export interface FileServer {
  /** Address of the server, without a slash at the end. */
  url: string;
  /** The `Range` header of each request so far, undefined where there was none. */
  ranges: (string | undefined)[];
  /** Called after each test. */
  close: () => Promise<void>;
}

/** What a server does with one request, in place of sending all that was asked for. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse, bytes: Uint8Array) => void;

/**
 * A web server on this machine that sends files with support of ranges, as the real ones do. `behaviours` are how it
 * treats the first requests, one each.
 */
export async function serve(
  files: Record<string, Uint8Array>,
  behaviours: (Behaviour | undefined)[] = [],
): Promise<FileServer> {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    const behaviour = behaviours[ranges.length];
    ranges.push(request.headers.range);
    const bytes = files[decodeURIComponent(request.url!.slice(1))];
    if (!bytes) response.writeHead(404).end('<html>no such page</html>');
    else (behaviour ?? whole)(request, response, bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  running.push(close);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ranges, close };
}

const running: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of running.splice(0)) await close();
});

/** Sends all that was asked for. */
export const whole: Behaviour = (request, response, bytes) => {
  response.end(start(request, response, bytes));
};

/** The headers and `share` of the body, then the connection breaks. */
export function cutAt(share: number): Behaviour {
  return (request, response, bytes) => {
    const body = start(request, response, bytes);
    response.write(body.subarray(0, Math.floor(body.length * share)), () => response.destroy());
  };
}

/** The headers and `share` of the body, then nothing more. */
export function stallAt(share: number): Behaviour {
  return (request, response, bytes) => {
    const body = start(request, response, bytes);
    response.write(body.subarray(0, Math.floor(body.length * share)));
  };
}

export function status(code: number): Behaviour {
  return (_, response) => response.writeHead(code).end();
}

/** The whole file, whatever part was asked for. */
export const ignoreRange: Behaviour = (_, response, bytes) => {
  response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
};

function start(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array): Uint8Array {
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  if (!range) {
    response.writeHead(200, { 'content-length': bytes.length });
    return bytes;
  }
  const from = Number(range[1]);
  if (from >= bytes.length) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` });
    return new Uint8Array(0);
  }
  const body = bytes.subarray(from);
  response.writeHead(206, {
    'content-length': body.length,
    'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
  });
  return body;
}
