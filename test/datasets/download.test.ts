import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import { type DownloadOptions, download } from '../../src/datasets/download.ts';
import { cutAt, type FileServer, ignoreRange, serve, stallAt, status } from './server.ts';
import { failure, randomBytes, temporaryFolder } from './support.ts';

const parent = temporaryFolder();
const bytes = randomBytes(300_000, 1);
const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');
let folder: string;
let path: string;
let notes: string[];
beforeEach(() => {
  folder = mkdtempSync(join(parent, 'download-'));
  path = join(folder, 'file');
  notes = [];
});

function get(server: Pick<FileServer, 'url' | 'ranges'>, more: Partial<DownloadOptions> = {}): Promise<boolean> {
  return download({
    url: `${server.url}/file`,
    path,
    sha256: sha256(bytes),
    retryDelayMs: 1,
    onRetry: (line) => notes.push(line),
    ...more,
  });
}

function expectWhole(): void {
  expect(Buffer.compare(readFileSync(path), bytes)).toBe(0);
  expect(readdirSync(folder)).toEqual(['file']);
}

test('brings a file, and asks for nothing when it is there', async () => {
  const server = await serve({ file: bytes });
  const progress: [number, number | undefined][] = [];
  expect(await get(server, { onProgress: (...now) => progress.push(now) })).toBe(true);
  expectWhole();
  expect(progress.at(-1)).toEqual([300_000, 300_000]);
  expect(await get(server)).toBe(false);
  expect(server.ranges).toEqual([undefined]);
});

describe('goes on where it stopped', () => {
  test('when connections are cut', async () => {
    const server = await serve({ file: bytes }, [cutAt(0.5), cutAt(0.5), cutAt(0)]);
    expect(await get(server)).toBe(true);
    expectWhole();
    // How much of what was sent before the cut is read is up to the system.
    const starts = server.ranges.map((range) => (range === undefined ? 0 : Number(/^bytes=(\d+)-$/.exec(range)![1])));
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    expect(starts.length).toBe(4);
    expect(starts[3]).toBeGreaterThan(0);
    expect(notes.length).toBe(3);
    expect(notes[0]).toMatch(/^the connection to 127\.0\.0\.1:\d+ failed \(\w+\): trying again in 0\.001 s$/);
  });

  test('when the server is busy or says nothing', async () => {
    const server = await serve({ file: bytes }, [status(503), stallAt(0.5), status(429)]);
    expect(await get(server, { idleTimeoutMs: 1500 })).toBe(true);
    expectWhole();
    expect(server.ranges).toEqual([undefined, undefined, 'bytes=150000-', 'bytes=150000-']);
    expect(notes).toEqual([
      'the server answers 503 Service Unavailable: trying again in 0.001 s',
      'nothing came for 1.5 s: trying again in 0.001 s',
      'the server answers 429 Too Many Requests: trying again in 0.002 s',
    ]);
  });

  test('with a part of an earlier run, whole or not', async () => {
    writeFileSync(`${path}.part`, bytes.subarray(0, 1000));
    const server = await serve({ file: bytes });
    expect(await get(server)).toBe(true);
    expectWhole();
    path = join(folder, 'second');
    writeFileSync(`${path}.part`, bytes);
    expect(await get(server)).toBe(true);
    expect(Buffer.compare(readFileSync(path), bytes)).toBe(0);
    expect(server.ranges).toEqual(['bytes=1000-', 'bytes=300000-']);
  });

  test('from the start where the server knows no ranges', async () => {
    writeFileSync(`${path}.part`, bytes.subarray(0, 1000));
    expect(await get(await serve({ file: bytes }, [ignoreRange]))).toBe(true);
    expectWhole();
  });

  test('once from the start when what was there was damaged', async () => {
    writeFileSync(`${path}.part`, randomBytes(1000, 2));
    const server = await serve({ file: bytes });
    expect(await get(server)).toBe(true);
    expectWhole();
    expect(server.ranges).toEqual(['bytes=1000-', undefined]);
  });

  test('after it was stopped', async () => {
    const server = await serve({ file: bytes }, [stallAt(0.5)]);
    const controller = new AbortController();
    const message = await failure(
      get(server, {
        signal: controller.signal,
        onProgress: (now) => {
          if (now === 150_000) controller.abort();
        },
      }),
    );
    expect(message).toBe(`stopped: 150000 bytes are kept in ${path}.part, run it again to go on`);
    expect(readdirSync(folder)).toEqual(['file.part']);
    expect(await get(server)).toBe(true);
    expectWhole();
    expect(server.ranges).toEqual([undefined, 'bytes=150000-']);
  });
});

describe('fails in one line', () => {
  test('where there is no such page', async () => {
    const server = await serve({});
    expect(await failure(get(server))).toBe(
      `${server.url}/file: the server answers 404 Not Found: give the right address with --url`,
    );
    expect(server.ranges.length).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('where another file comes, of which nothing stays', async () => {
    const page = Buffer.from('<html>please log in</html>');
    const server = await serve({ file: page });
    expect(await failure(get(server))).toBe(
      `${server.url}/file: what came has SHA-256 ${sha256(page)}, not ${sha256(bytes)}, and was removed: give the ` +
        'right address with --url',
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  test('after some tries without a byte, and keeps the part', async () => {
    writeFileSync(`${path}.part`, bytes.subarray(0, 150_000));
    const server = await serve({ file: bytes }, Array(3).fill(status(500)));
    expect(await failure(get(server, { tries: 3 }))).toBe(
      `${server.url}/file: the server answers 500 Internal Server Error; tries: 3; 150000 bytes are kept, run it ` +
        'again to go on',
    );
    expect(readFileSync(`${path}.part`).length).toBe(150_000);
  });

  test('where nothing listens and where no host is', async () => {
    const { url, close } = await serve({});
    await close();
    const port = new URL(url).port;
    expect(await failure(get({ url, ranges: [] }, { tries: 2 }))).toBe(
      `${url}/file: the connection to 127.0.0.1:${port} failed (ECONNREFUSED); tries: 2`,
    );
    expect(await failure(get({ url: 'http://nowhere.invalid', ranges: [] }, { tries: 1 }))).toMatch(
      /^http:\S+\/file: nowhere\.invalid is not found \((ENOTFOUND|EAI_AGAIN)\): is there a network\?; tries: 1$/,
    );
  });

  test('where the disk is full, and does not try again', async () => {
    symlinkSync('/dev/full', `${path}.part`); // every write to this device finds no space
    const server = await serve({ file: bytes });
    expect(await failure(get(server))).toBe(
      `${path}.part: no space is left on the disk: make room and run it again, it goes on from here`,
    );
    expect(server.ranges.length).toBe(1);
    expect(existsSync(path)).toBe(false);
  });

  test('where another file has the name', async () => {
    writeFileSync(path, 'mine');
    expect(await failure(get(await serve({ file: bytes })))).toBe(
      `${path}: is there already, with SHA-256 ${sha256(Buffer.from('mine'))}, not ${sha256(bytes)}: move it away ` +
        'and try again',
    );
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });
});

test('a gzip file is known by what it holds, however it was compressed', async () => {
  const check = { sha256: sha256(bytes), decompressed: true };
  const server = await serve({ file: gzipSync(bytes, { level: 1 }) });
  expect(await get(server, check)).toBe(true);
  expect(await get(server, check)).toBe(false);
  path = join(folder, 'cut');
  const cut = await serve({ file: gzipSync(bytes).subarray(0, 1000) });
  expect(await failure(get(cut, check))).toContain('what came has SHA-256 of damaged gzip data, not');
});
