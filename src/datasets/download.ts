// Files over HTTP: a download that was cut goes on where it stopped, and nothing takes its place before its SHA-256 is
// right.
import { existsSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { syncToDisk } from '../files/atomic.ts';
import { DamagedFileError } from '../files/errors.ts';
import { sha256OfFile } from './checksum.ts';

/** A download that failed. The message is one line: the address, what went wrong and the mend. */
export class DownloadError extends Error {
  override readonly name = 'DownloadError';
}

export interface DownloadOptions {
  /** Address of the file, http or https. */
  url: string;
  /** Where the file goes; until it is whole and right it is `path` with `.part` behind. */
  path: string;
  /** SHA-256 that the file must have, in hexadecimal. */
  sha256: string;
  /** Whether `sha256` is that of what the gzip file holds. */
  decompressed?: boolean;
  /** Stops the download; what has come stays for the next time. */
  signal?: AbortSignal;
  /** Told the bytes that are there, and all of them where the server says. */
  onProgress?: (bytes: number, totalBytes: number | undefined) => void;
  /** Told, in words, that a try failed and another follows. */
  onRetry?: (line: string) => void;
  /** Tries in a row that may fail, without a byte gained, before the download does. Default 5. */
  tries?: number;
  /** How long to wait before the second try, in milliseconds; doubled for each further one. Default 1000. */
  retryDelayMs?: number;
  /** How long a server may send nothing, in milliseconds. Default 60,000. */
  idleTimeoutMs?: number;
}

/** A failure that another try may not meet. */
class PassingFault extends Error {}

/**
 * Downloads a file, unless it is there already.
 *
 * @returns Whether it was downloaded; false when it was there.
 * @throws DownloadError; DamagedFileError when `path` is there already and is another file.
 */
export async function download(options: DownloadOptions): Promise<boolean> {
  const { url, path, sha256, decompressed = false } = options;
  if (existsSync(path)) {
    const actual = await sha256OfFile(path, { decompressed });
    if (actual === sha256) return false;
    throw new DamagedFileError(
      path,
      `is there already, with SHA-256 ${actual}, not ${sha256}: move it away and try again`,
    );
  }
  const part = `${path}.part`;
  let resumed = sizeOf(part) > 0;
  for (;;) {
    await transfer(options, part);
    const actual = await digestOf(part, decompressed);
    if (actual === sha256) break;
    await rm(part, { force: true });
    // Perhaps the server's file changed between two tries, or what was there was damaged.
    if (!resumed)
      throw new DownloadError(
        `${url}: what came has SHA-256 ${actual}, not ${sha256}, and was removed: give the right address with --url`,
      );
    resumed = false;
  }
  await syncToDisk(part);
  await rename(part, path);
  return true;
}

/** Tries until the part is whole. */
async function transfer(options: DownloadOptions, part: string): Promise<void> {
  const { url, signal, tries = 5, retryDelayMs = 1000, onRetry = () => {} } = options;
  for (let failed = 0; ; ) {
    const before = sizeOf(part);
    try {
      await tryOnce(options, part);
      return;
    } catch (error) {
      if (signal?.aborted) throw stopped(part);
      if (!(error instanceof PassingFault)) throw error;
      failed = sizeOf(part) > before ? 1 : failed + 1;
      const kept = sizeOf(part) > 0 ? `; ${sizeOf(part)} bytes are kept, run it again to go on` : '';
      if (failed >= tries)
        throw new DownloadError(`${url}: ${error.message}; tries: ${failed}${kept}`, { cause: error.cause });
      const delayMs = retryDelayMs * 2 ** (failed - 1);
      onRetry(`${error.message}: trying again in ${delayMs / 1000} s`);
      await sleep(delayMs, undefined, signal ? { signal } : {}).catch(() => {
        throw stopped(part);
      });
    }
  }
}

/** One request, from where the part ends. */
async function tryOnce(options: DownloadOptions, part: string): Promise<void> {
  const { url, signal, onProgress = () => {}, idleTimeoutMs = 60_000 } = options;
  const controller = new AbortController();
  const abort = () => controller.abort();
  let idle = false;
  const timer = setTimeout(() => {
    idle = true;
    abort();
  }, idleTimeoutMs);
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  try {
    const have = sizeOf(part);
    // identity: a .gz must arrive as it is, not unpacked on the way.
    const headers = { 'accept-encoding': 'identity', ...(have > 0 && { range: `bytes=${have}-` }) };
    const response = await fetch(url, { headers, signal: controller.signal });
    const { start, total } = readAnswer(url, response, have);
    if (start === undefined) return; // nothing is left to come
    await append(part, start, response, (bytes) => {
      timer.refresh();
      onProgress(bytes, total);
    });
    if (total !== undefined && sizeOf(part) < total) throw new PassingFault('the connection was cut');
  } catch (error) {
    if (error instanceof PassingFault || error instanceof DownloadError) throw error;
    if (idle) throw new PassingFault(`nothing came for ${idleTimeoutMs / 1000} s`);
    throw networkFault(url, error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    abort(); // lets go of a connection whose answer was not wanted
  }
}

/** The byte from which on the server sends, and the length of the file if it says so. */
function readAnswer(url: string, response: Response, have: number): { start?: number; total?: number | undefined } {
  const { status } = response;
  if (status === 416 && have > 0) return {}; // "range not satisfiable": there is no more. The checksum will tell.
  if (status === 200) {
    const length = response.headers.get('content-length');
    return { start: 0, total: length === null ? undefined : Number(length) };
  }
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  if (status === 206 && range && Number(range[1]) === have) {
    return { start: have, total: range[2] === '*' ? undefined : Number(range[2]) };
  }
  const answer = `the server answers ${status} ${response.statusText}`.trim();
  if (status === 408 || status === 429 || status >= 500) throw new PassingFault(answer);
  throw new DownloadError(`${url}: ${answer}: give the right address with --url`);
}

async function append(
  part: string,
  start: number,
  response: Response,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const handle = await open(part, start === 0 ? 'w' : 'a').catch((error) => {
    throw diskFault(part, error);
  });
  try {
    let bytes = start;
    if (response.body === null) return;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      await handle.appendFile(chunk).catch((error) => {
        throw diskFault(part, error);
      });
      bytes += chunk.length;
      onBytes(bytes);
    }
  } finally {
    await handle.close();
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

async function digestOf(part: string, decompressed: boolean): Promise<string> {
  try {
    return await sha256OfFile(part, { decompressed });
  } catch (error) {
    if (!(error instanceof DamagedFileError)) throw error;
    return 'of damaged gzip data'; // what came cannot be unpacked, so it is the wrong file
  }
}

function stopped(part: string): DownloadError {
  return new DownloadError(`stopped: ${sizeOf(part)} bytes are kept in ${part}, run it again to go on`);
}

function diskFault(part: string, error: NodeJS.ErrnoException): DownloadError {
  const problem =
    error.code === 'ENOSPC' || error.code === 'EDQUOT'
      ? 'no space is left on the disk: make room and run it again, it goes on from here'
      : `cannot be written (${error.code})`;
  return new DownloadError(`${part}: ${problem}`, { cause: error });
}

/** fetch says "fetch failed" and "terminated", and has the reason in `cause`. */
function networkFault(url: string, error: unknown): PassingFault {
  const { cause } = error as Error;
  const { code, message } = (cause ?? error) as NodeJS.ErrnoException;
  const { host } = new URL(url);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new PassingFault(`${host} is not found (${code}): is there a network?`, { cause });
  return new PassingFault(`the connection to ${host} failed (${code ?? message})`, { cause });
}
