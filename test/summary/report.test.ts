// report.html: one file that needs no other.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RunFolder } from '../../src/runs/index.ts';
import { reportAtEnd, writeRunReport } from '../../src/summary/index.ts';
import { mainRoot } from '../processes.ts';
import { config, makeRun, progressLine } from '../viewer/folders.ts';

const HOSTILE = '</style><script>alert(1)</script><img src=http://evil.example/x>';

let place: string;
beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'report-'));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

function copyOf(name: string): string {
  const path = join(place, name);
  cpSync(join(mainRoot, 'test/fixtures/runs-0.1.0', name), path, { recursive: true });
  return path;
}

async function reportOf(run: string): Promise<string> {
  const text = readFileSync(await writeRunReport(run), 'utf8');
  // Nothing that runs, and nothing that is fetched, but for what is inside the file; SVG's name is no address.
  expect(text).not.toMatch(/<script|<link|<iframe|<object|@import|url\(/i);
  const tags = [...text.matchAll(/<[^<>]+>/g)].join('').replaceAll('http://www.w3.org/2000/svg', '');
  const fetched = [...tags.matchAll(/\s(?:src|href|xlink:href)\s*=\s*"?([^"\s>]*)/gi)].map(([, target]) => target);
  expect(fetched.filter((target) => !target.startsWith('data:image/'))).toEqual([]);
  expect(tags).not.toContain('://');
  expect(text).not.toContain(place);
  expect(text).not.toContain(mainRoot);
  return text;
}

test('an agent: its curves, evaluations, settings and versions', async () => {
  const text = await reportOf(copyOf('cartpole'));
  expect(text).toContain('<h1>cartpole</h1>');
  expect(text).toContain('Agent dqn in CartPole-v1, seed 1: 340 of 350 agent steps');
  for (const title of ['episode/return', 'train/loss']) expect(text).toContain(`<title>${title}</title>`);
  for (const heading of ['Settings', 'Versions', 'Curves']) expect(text).toContain(`<h2>${heading}</h2>`);
});

test('a game that others have published curves of has them in grey', async () => {
  const run = join(place, 'enduro');
  cpSync(join(mainRoot, 'docs/results/enduro-fast-seed1'), run, { recursive: true });
  const text = await reportOf(run);
  expect(text).toContain('Dop. DQN');
  expect(text).toContain('400,000 of 400,000 agent steps');
});

test('a supervised run: its newest pictures are inside', async () => {
  const run = copyOf('vae-mnist');
  mkdirSync(join(run, 'pictures'));
  const picture = readFileSync(join(mainRoot, 'docs/images/vae-mnist-samples.png'));
  for (const epoch of ['0001', '0002']) writeFileSync(join(run, `pictures/samples-epoch-${epoch}.png`), picture);
  const text = await reportOf(run);
  expect(text).toContain(`src="data:image/png;base64,${picture.toString('base64')}"`);
  expect(text).toContain('samples-epoch-0002.png');
  expect(text).not.toContain('samples-epoch-0001.png');
});

test('evaluations: the newest and the best', async () => {
  const evaluation = (agentSteps: number, meanReturn: number) =>
    `${JSON.stringify({ kind: 'evaluation', agentSteps, meanReturn, episodes: 8, wallSeconds: 1 })}\n`;
  const text = await reportOf(makeRun(join(place, 'evaluated'), config(), evaluation(500, 70) + evaluation(1000, 50)));
  expect(text).toContain('<td>meanReturn</td><td>50</td>');
  expect(text).toContain('<td>best meanReturn of all evaluations</td><td>70</td>');
});

test('hostile text, damage and paths: text stays text, damage is named, paths are shortened', async () => {
  const settings = { [HOSTILE]: HOSTILE, dataDir: '/home/somebody/data', list: ['/root/x/y'] };
  const text = await reportOf(makeRun(join(place, 'bad'), config(settings), `${progressLine(100)}${HOSTILE}\n{"kind`));
  expect(text).toContain('Damaged: 1 line of metrics.jsonl cannot be read: line 2');
  expect(text).toContain('<td>.../data</td>');
  expect(text).not.toMatch(/somebody|root\/x/);
});

test('a run without a line says so', async () => {
  expect(await reportOf(makeRun(join(place, 'new'), config()))).toContain('nothing was written down');
});

test('trouble with it is told, and ends nothing', async () => {
  const run = makeRun(join(place, 'trouble'), config(), progressLine(100));
  mkdirSync(join(run, 'report.html/in-the-way'), { recursive: true });
  const notes: string[] = [];
  const tracker = reportAtEnd(RunFolder.open(run), (line) => notes.push(line));
  await tracker.close?.();
  expect(notes).toEqual([]); // a run that never began has nothing to report
  const step = { position: 1, previous: 0, learned: [], now: {}, events: [] };
  await tracker.onStep?.(step as unknown as Parameters<NonNullable<typeof tracker.onStep>>[0], {} as never);
  await tracker.close?.();
  expect(notes).toEqual([expect.stringMatching(/^writing report\.html stops here, the run goes on: .*report\.html/)]);
  expect(existsSync(join(run, 'report.html/in-the-way'))).toBe(true);
});
