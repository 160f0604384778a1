// The answers of view-runs, over http, to the page and to whoever else asks.
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunCurves, RunDetails, RunList } from '../../src/viewer/api.ts';
import { startViewer, type Viewer } from '../../src/viewer/index.ts';
import { mainRoot, runCommand, runCommands, signal, startCommand, until } from '../processes.ts';
import { config, makeRun, progressLine } from './folders.ts';

const SECRET = 'root:x:0:0:nobody is to see this';
const HOSTILE = `<img src=x onerror="alert(1)">`;

let place: string;
let folder: string;
let viewer: Viewer;

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'viewer-'));
  folder = join(place, 'runs');
  for (const name of ['cartpole', 'pong', 'vae-mnist']) {
    cpSync(join(mainRoot, 'test/fixtures/runs-0.1.0', name), join(folder, 'old', name), { recursive: true });
  }
  writeFileSync(join(place, 'secret'), `${SECRET}\n`);
  mkdirSync(join(place, 'outside'));
  makeRun(join(place, 'outside/run'), config(), progressLine(1));

  makeRun(join(folder, 'a-seed1'), config(), progressLine(100) + progressLine(200));
  makeRun(join(folder, 'a-seed2'), config({ seed: 2 }), progressLine(100));
  makeRun(join(folder, 'b-seed1'), config({ learningRate: 1 }), progressLine(100));
  makeRun(join(folder, 'deep/er/still/c'), config(), progressLine(1000));
  makeRun(join(folder, 'growing'), config(), progressLine(100));
  const lines = Array.from({ length: 30_000 }, (_, i) => progressLine(i + 1, { loss: i === 12_345 ? 1e6 : i % 2 }));
  makeRun(join(folder, 'long'), config(), lines.join(''));
  makeRun(join(folder, 'bad/no-json'), '{"formatVersion": 2,', progressLine(100));
  makeRun(join(folder, 'bad/foreign'), { name: 'another program' });
  makeRun(join(folder, 'bad/no-config'), undefined, progressLine(100));
  makeRun(join(folder, 'bad/no-metrics'), config());
  makeRun(join(folder, 'bad/torn'), config(), `${progressLine(100)}{"kind":"progress","agentS`);
  makeRun(join(folder, 'bad/garbage'), config(), `${progressLine(100)}${HOSTILE}\n[1]\nnull\n${progressLine(300)}`);
  const names = JSON.parse('{"__proto__": {"polluted": true}, "constructor": "x"}');
  makeRun(
    join(folder, HOSTILE.replaceAll('/', '')),
    config({ ...names, [HOSTILE]: HOSTILE, '\u001b[31m': '\u202e' }),
    `${progressLine(100, { [HOSTILE]: 1 })}{"kind":"progress","agentSteps":200,"__proto__":5}\n`,
  );

  symlinkSync(join(place, 'outside'), join(folder, 'link-out'));
  symlinkSync(folder, join(folder, 'link-round'));
  const links = makeRun(join(folder, 'links'), config());
  symlinkSync(join(place, 'secret'), join(links, 'metrics.jsonl'));
  symlinkSync(join(place, 'secret'), join(links, 'report.html'));
  mkdirSync(join(links, 'pictures'));
  symlinkSync(join(place, 'secret'), join(links, 'pictures/secret.png'));
  writeFileSync(join(links, 'pictures/own.png'), 'a picture');
  writeFileSync(join(links, 'pictures/notes.txt'), SECRET);
  symlinkSync(join(place, 'secret'), join(makeRun(join(folder, 'config-link'), undefined, ''), 'config.json'));
  viewer = await startViewer({ folder });
});

afterAll(async () => {
  await viewer.close();
  rmSync(place, { recursive: true, force: true });
});

interface Answer {
  status: number | undefined;
  headers: IncomingHttpHeaders;
  text: string;
}

/** Not fetch, which has its own mind about Host and about dots in a path. */
function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const { hostname, port } = new URL(viewer.address);
  return new Promise((resolve, reject) => {
    const asked = request({ hostname, port, path, headers, method }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    asked.once('error', reject).end();
  });
}

const query = (values: [string, string][]) => new URLSearchParams(values).toString();
const list = async () => JSON.parse((await ask('/api/runs')).text) as RunList;
const row = async (id: string) => (await list()).runs.find((run) => run.id === id)!;
const details = async (id: string) => JSON.parse((await ask(`/api/run?${query([['run', id]])}`)).text) as RunDetails;
const curves = async (id: string, ...names: string[]) => {
  const asked = query([['run', id], ...names.map((name): [string, string] => ['curve', name])]);
  return JSON.parse((await ask(`/api/curves?${asked}`)).text) as RunCurves;
};

test('the list has every run of the folder and of those below it, and where each stands', async () => {
  const { folder: name, runs } = await list();
  expect(name).toBe('runs');
  const known = runs.filter(({ problem }) => problem === null).map(({ id }) => id);
  const old = ['cartpole', 'pong', 'vae-mnist'].map((run) => `old/${run}`);
  expect(known).toEqual(expect.arrayContaining(['a-seed1', 'a-seed2', 'b-seed1', 'deep/er/still/c', ...old]));
  expect(await row('a-seed1')).toMatchObject({
    ...{ kind: 'agent', what: 'dqn', environment: 'enduro', seed: 1, framesPerStep: 4, unit: 'agentSteps' },
    ...{ position: 200, progress: 0.2, state: 'stopped' },
  });
  expect(await row('deep/er/still/c')).toMatchObject({ progress: 1, state: 'finished' });
  expect(await row('old/cartpole')).toMatchObject({ environment: 'CartPole-v1', framesPerStep: null });
  expect((await row('old/cartpole')).score).toBeGreaterThan(5);
  expect(await row('old/vae-mnist')).toMatchObject({ kind: 'supervised', what: 'vae-mnist', unit: 'updates' });
});

test('runs that differ in the seed alone are one group', async () => {
  const groups = await Promise.all(['a-seed1', 'a-seed2', 'b-seed1'].map(async (id) => (await row(id)).group));
  expect(groups[0]).toBe(groups[1]);
  expect(groups[2]).not.toBe(groups[0]);
});

test('curves grow with the file: half a line is waited for, and what was written anew is read anew', async () => {
  const metrics = join(folder, 'growing/metrics.jsonl');
  const positions = async () => (await curves('growing', 'train/loss')).curves[0][1].position;
  expect(await positions()).toEqual([100]);
  const next = progressLine(200);
  appendFileSync(metrics, next.slice(0, 20));
  expect(await positions()).toEqual([100]);
  appendFileSync(metrics, next.slice(20));
  expect(await positions()).toEqual([100, 200]);
  // As a resumed run does: cut off, and longer than before when it is looked at again.
  writeFileSync(metrics, progressLine(100) + progressLine(150) + progressLine(250) + progressLine(350));
  expect(await positions()).toEqual([100, 150, 250, 350]);
});

test('what has not changed is not sent again', async () => {
  const first = await ask('/api/runs');
  expect(first.status).toBe(200);
  const again = await ask('/api/runs', { 'if-none-match': first.headers.etag! });
  expect([again.status, again.text]).toEqual([304, '']);
});

test('damaged runs say what is wrong with them, without paths of the machine, and hurt no other', async () => {
  const problems = Object.fromEntries((await list()).runs.map(({ id, problem }) => [id, problem]));
  expect(problems['bad/no-json']).toMatch(/^config\.json: it is not JSON/);
  expect(problems['bad/foreign']).toMatch(/^config\.json: it does not describe a run/);
  expect(problems['bad/no-config']).toBe('it has no config.json');
  expect(problems['config-link']).toBe('config.json is no file of this folder');
  expect(JSON.stringify(problems)).not.toContain(place);
  expect(await curves('bad/no-metrics')).toMatchObject({ damage: 'there is no metrics.jsonl', names: [] });
  expect(await curves('bad/torn', 'train/loss')).toMatchObject({
    damage: null,
    curves: [['train/loss', { mean: [10] }]],
  });
  const garbage = await curves('bad/garbage', 'train/loss');
  expect(garbage.damage).toMatch(/^3 lines of metrics\.jsonl cannot be read: line 2: /);
  expect(garbage.curves[0][1].position).toEqual([100, 300]);
  expect((await details('bad/no-json')).settings).toEqual([]);
});

test('hostile names are data: they come as they are and change nothing', async () => {
  const id = HOSTILE.replaceAll('/', '');
  const { settings } = await details(id);
  expect(settings).toContainEqual([HOSTILE, HOSTILE]);
  expect(settings).toContainEqual(['\u001b[31m', '\u202e']);
  expect((await curves(id)).names).toContain(`train/${HOSTILE}`);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

test('nothing outside the folder is listed or read, by links or by paths', async () => {
  const { runs } = await list();
  expect(runs.filter(({ id }) => /link-out|link-round|outside/.test(id))).toEqual([]);
  expect((await details('links')).pictures.map(({ name }) => name)).toEqual(['own.png']);
  expect((await details('links')).hasReport).toBe(false);
  const file = (name: string, run = 'links', part = 'pictures') =>
    `/api/file?${query([
      ['run', run],
      ['part', part],
      ['name', name],
    ])}`;
  expect(await ask(file('own.png'))).toMatchObject({ status: 200, text: 'a picture' });
  const hostile = [
    file('secret.png'),
    file('notes.txt'),
    file('../config.json'),
    file('../../../secret'),
    file('own.png', '../runs/links'),
    file('own.png', 'links', '../pictures'),
    file('secret', '..', '.'),
    '/api/report?run=links',
    '/api/run?run=link-out/run',
    '/api/run?run=../outside/run',
    '/../../package.json',
    '/..%2f..%2fpackage.json',
    '/%2e%2e/%2e%2e/package.json',
    '//etc/passwd',
    '/assets/../../scripts/view-runs.js',
    '/api/nothing',
    '/%ff',
  ];
  for (const path of hostile) {
    const { status, text } = await ask(path);
    expect([status, text.includes(SECRET)], path).toEqual([404, false]);
  }
  const links = await curves('links', 'train/loss');
  expect(JSON.stringify([links, runs])).not.toContain('root:x');
});

test('only this machine, only reading, and the page may ask nobody else', async () => {
  const { port } = new URL(viewer.address);
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    'localhost.evil.example',
    `127.0.0.1.evil.example:${port}`,
  ]) {
    expect((await ask('/api/runs', { host })).status, host).toBe(403);
    expect((await ask('/', { host })).status, host).toBe(403);
  }
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, '[::1]:9']) {
    expect((await ask('/', { host })).status, host).toBe(200);
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
    expect((await ask('/api/runs', {}, method)).status).toBe(405);
  for (const path of ['/', '/api/runs', '/nothing']) {
    const { headers } = await ask(path);
    expect(headers['content-security-policy'], path).toMatch(/^default-src 'self'; img-src 'self' data:;/);
    expect(headers['x-content-type-options'], path).toBe('nosniff');
    expect(headers['access-control-allow-origin'], path).toBeUndefined();
  }
});

test('a long run is thinned, and nothing of its heights is lost', async () => {
  const [[, points]] = (await curves('long', 'train/loss')).curves;
  expect(points.position.length).toBeGreaterThan(500);
  expect(points.position.length).toBeLessThanOrEqual(1024);
  expect(points.position.at(-1)).toBe(30_000);
  expect(Math.max(...points.high!.map(Number))).toBe(1e6);
  expect(Math.min(...points.low!.map(Number))).toBe(0);
  expect(points.mean[0]).toBeCloseTo(0.5);
});

test('a folder that is a run is shown by itself', async () => {
  const one = await startViewer({ folder: join(folder, 'a-seed1') });
  const { runs } = (await (await fetch(`${one.address}api/runs`)).json()) as RunList;
  expect(runs).toMatchObject([{ id: '.', name: 'a-seed1', problem: null }]);
  await one.close();
});

test('the command says where the page is, serves it, and ends with Ctrl-C', async () => {
  const started = startCommand('view-runs', [folder, '--json']);
  await until('an address', () => started.output.stdout.includes('\n'), started);
  const { address } = JSON.parse(started.output.stdout);
  expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  // TensorFlow is loaded where an agent is watched, in another process.
  expect(readFileSync(`/proc/${started.pid}/maps`, 'utf8')).not.toContain('tensorflow');
  const page = await fetch(address);
  expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<script type="module"')]);
  const second = await runCommand('view-runs', folder, '--port', new URL(address).port);
  expect([second.code, second.stderr]).toEqual([
    2,
    expect.stringMatching(/^view-runs: --port \d+: another program has it/),
  ]);
  signal(started.pid, 'SIGINT');
  expect(await started.ended).toMatchObject({ code: 0, stderr: '' });
});

test('--report writes a report into each run that says what it is, and names the others', async () => {
  const own = join(place, 'reported');
  cpSync(join(folder, 'a-seed1'), join(own, 'a'), { recursive: true });
  cpSync(join(folder, 'bad/no-json'), join(own, 'b'), { recursive: true });
  utimesSync(join(own, 'a'), 0, 0);
  const { code, stdout, stderr } = await runCommand('view-runs', own, '--report');
  expect(code).toBe(2);
  expect(stdout).toBe(`written: ${join(own, 'a/report.html')}\n`);
  expect(stderr).toMatch(/^view-runs: no report of .*b: config\.json: it is not JSON.*\n$/);
});

test('bad input is named in one line, exit code 2', async () => {
  const cases: [string[], RegExp][] = [
    [[join(place, 'nothing')], /nothing does not exist: name the folder of a run/],
    [[join(place, 'secret')], /secret is no folder/],
    [[folder, '--port', '0'], /It takes a whole number from 1 to 65535/],
    [[folder, '--port', 'http'], /It takes a whole number/],
    [[folder, '--report', '--open'], /--report serves no page/],
    [[folder, '--report', '--trust-modules'], /--report serves no page/],
    [[join(place, 'outside'), '--report', '--port', '8000'], /--report serves no page/],
    [[''], /It takes a path/],
  ];
  const endings = await runCommands(cases.map(([args]) => ['view-runs', ...args]))();
  for (const [i, { code, stdout, stderr }] of endings.entries()) {
    expect(stderr).toMatch(cases[i][1]);
    expect(stderr.trimEnd().split('\n'), stderr).toHaveLength(1);
    expect([code, stdout], cases[i][0].join(' ')).toEqual([2, '']);
  }
});
