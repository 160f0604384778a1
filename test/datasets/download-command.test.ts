import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadMnist } from '../../src/datasets/mnist.ts';
import { printed, runCommand, startCommand } from '../processes.ts';
import { until } from '../until.ts';
import { type Behaviour, serve, stallAt, status } from './server.ts';
import { temporaryFolder } from './support.ts';

const parent = temporaryFolder();
const names = [
  'train-images-idx3-ubyte',
  'train-labels-idx1-ubyte',
  't10k-images-idx3-ubyte',
  't10k-labels-idx1-ubyte',
];
let files: Record<string, Uint8Array>;
let folder: string;
beforeAll(async () => {
  const { folder: source } = await loadMnist();
  files = Object.fromEntries(
    names.map((name) => [`${name}.gz`, gzipSync(readFileSync(join(source, name)), { level: 1 })]),
  );
});
beforeEach(() => {
  folder = mkdtempSync(join(parent, 'command-'));
});

function run(url: string, ...more: string[]) {
  return startCommand('download-data', ['mnist', '--data-dir', folder, '--url', url, ...more]);
}

describe('npm run download-data -- mnist', () => {
  test('brings the four files, which then load; a second run finds them', async () => {
    const { url } = await serve(files);
    const first = await run(url).ended;
    expect(first).toMatchObject({ code: 0, stdout: '' });
    expect(first.stderr).toBe(names.map((name) => `${join(folder, name)}.gz: downloaded and verified\n`).join(''));
    expect((await loadMnist({ dataDir: folder })).folder).toBe(folder);
    const { stderr } = await run(`${url}/`).ended;
    expect(stderr).toBe(names.map((name) => `${join(folder, name)}.gz: there already, verified\n`).join(''));
  });

  test('Ctrl-C keeps the part, and the same command goes on', async () => {
    const first: Behaviour[] = [status(503), stallAt(0.5)];
    const { url, ranges } = await serve(files, first);
    const started = run(url);
    await printed(started, 'trying again in 1 s');
    const part = join(folder, `${names[0]}.gz.part`);
    const half = Math.floor(files[`${names[0]}.gz`].length / 2);
    await until('the first half was written', () => existsSync(part) && statSync(part).size >= half, started.child);
    started.child.kill('SIGINT');
    const { code, stderr } = await started.ended;
    expect(code).toBe(130);
    expect(stderr).toContain(`stopped: ${half} bytes are kept in ${part}, run it again to go on\n`);
    expect((await run(url).ended).code).toBe(0);
    expect(ranges.slice(0, 3)).toEqual([undefined, undefined, `bytes=${half}-`]);
    expect(readdirSync(folder).sort()).toEqual(Object.keys(files).sort());
  });

  test('a page that is not there ends with exit code 1', async () => {
    const { url } = await serve({});
    expect(await run(url).ended).toEqual({
      code: 1,
      signal: null,
      stdout: '',
      stderr:
        `download-data: ${url}/${names[0]}.gz: the server answers 404 Not Found: ` +
        'give the right address with --url\n',
    });
  });
});

test('bad input ends with one line and exit code 2', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, 'x');
  writeFileSync(join(folder, `${names[0]}.gz`), 'x');
  const cases: [string[], RegExp][] = [
    [[], /missing required argument 'data set'/],
    [['imagenet'], /'imagenet' is invalid.*Allowed choices are mnist, cifar10/],
    [['mnist', '--url', 'ftp://x/'], /--url ftp:\/\/x\/: give an address that begins with http:\/\/ or https:\/\//],
    [['mnist', '--url', 'nonsense'], /--url nonsense: give an address/],
    [['mnist', '--data-dir', file], /--data-dir .*file: cannot be made: a file of that name is there \(EEXIST\)/],
    [
      ['mnist', '--data-dir', folder],
      /is there already, with SHA-256 [0-9a-f]{64}, not ba89[0-9a-f]{60}: move it away/,
    ],
  ];
  const results = await Promise.all(cases.map(([args]) => runCommand('download-data', ...args)));
  results.forEach(({ code, stdout, stderr }, i) => {
    expect(stderr).toMatch(cases[i][1]);
    expect(stderr.trim()).not.toContain('\n');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });
});
