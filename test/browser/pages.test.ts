// The pages of examples/browser, as a plain server gives them: they do what they say, can be used, and ask nobody else
// for anything.
import { once } from 'node:events';
import { createReadStream, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import type { Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { mainRoot, start } from '../processes.ts';
import { findChromium, NEEDS_CHROMIUM } from './chromium.ts';
import { complaintsOf, openBrowser, seriousViolations } from './open-browser.ts';

const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
};

let folder: string;
let modules: string[];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weightnorm-rl-pages-'));
  const built = await build({
    configFile: join(mainRoot, 'examples/browser/vite.config.ts'),
    logLevel: 'error',
    build: { outDir: folder, emptyOutDir: true, minify: false },
  });
  modules = (built as { output: { moduleIds?: string[] }[] }).output.flatMap(({ moduleIds = [] }) => moduleIds);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('their bundles have nothing of Node', () => {
  const names = modules.map((id) => id.replace(/^.*(\/(src|agents|envs|node_modules)\/)/, '$1'));
  expect(names).toContain('/agents/dqn/learner.ts');
  expect(names.filter((name) => /^node:|zeromq|msgpack|sidecar|^\/src\/(cli|files|recording)\//.test(name))).toEqual(
    [],
  );
});

/** Opens a page in a browser of its own; a folder of the server holds it, as any folder may. */
async function open(browserFile: string, name: string) {
  const server = createServer(({ url = '' }, response) => {
    const file = join(folder, new URL(url, 'http://x').pathname.replace('/some/folder/', ''));
    if (!existsSync(file)) return void response.writeHead(404).end();
    response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream');
    createReadStream(file).pipe(response);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/some/folder/`;
  const { context, page } = await openBrowser(browserFile);
  const complaints = complaintsOf(page);
  const foreign: string[] = [];
  context.on('request', (request) => {
    if (!request.url().startsWith(address) && !request.url().startsWith('data:')) foreign.push(request.url());
  });
  await page.goto(`${address}${name}`);
  return { page, complaints, foreign };
}

/** Waits until the page's status says something. */
function statusOf(page: Page, pattern: RegExp) {
  const says = `${pattern}.test(document.getElementById('status').textContent)`;
  return page.waitForFunction(says, undefined, { timeout: 0, polling: 200 });
}

test('a DQN learns CartPole in the page, which stays usable', async (context) => {
  const browser = findChromium();
  if (!browser) return context.skip(NEEDS_CHROMIUM);
  const { page, complaints, foreign } = await open(browser, 'cartpole.html');
  const status = page.locator('#status');
  const number = async (id: string) => Number((await page.locator(`#${id}`).textContent())!.replaceAll(',', ''));
  const until = (pattern: RegExp) => statusOf(page, pattern);

  await until(/Ready\./);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await seriousViolations(page), colorScheme).toEqual([]);
  }
  await page.locator('#pause').click();
  await page.waitForFunction(`Number(document.getElementById('steps').textContent.replace(',', '')) > 600`);
  await page.locator('#pause').click(); // is answered while it learns
  await until(/Paused\./);
  const paused = await number('steps');
  await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
  expect(await number('steps')).toBe(paused);
  await page.locator('#pause').click();

  await until(/Learned|Ended/);
  const learned = /Learned after ([\d,]+) steps/.exec((await status.textContent())!)?.[1];
  expect(Number(learned?.replace(',', ''))).toBeLessThan(20_000);
  expect(await seriousViolations(page)).toEqual([]);

  // The other network begins anew, and a seed that is none is not taken.
  await page.locator('#normalization').selectOption('none');
  await until(/Ready\./);
  expect([await number('steps'), await page.locator('#pause').textContent()]).toEqual([0, 'Start']);
  await page.locator('#seed').fill('-1');
  await page.locator('#restart').click();
  expect(await page.locator('#seed:invalid').count()).toBe(1);

  expect(complaints).toEqual([]);
  expect(foreign).toEqual([]);
});

test('an exported Atari agent plays along a recorded episode', async (context) => {
  const browser = findChromium();
  if (!browser) return context.skip(NEEDS_CHROMIUM);
  const script = join(mainRoot, 'examples/browser/make-agents.mjs');
  const { code, stderr } = await start(process.execPath, [script, join(folder, 'agents')]).ended;
  expect(code, stderr).toBe(0);
  const { page, complaints, foreign } = await open(browser, 'atari.html');
  const text = (id: string) => page.locator(`#${id}`).textContent();
  const until = (pattern: RegExp) => statusOf(page, pattern);

  await page.locator('#agent').selectOption('enduro');
  await until(/^Score/);
  const [, score, steps] = /^Score (.+) in (.+) agent steps/.exec((await text('status'))!)!;
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await seriousViolations(page), colorScheme).toEqual([]);
  }

  await page.locator('#pause').click();
  await page.waitForFunction(`document.getElementById('place').valueAsNumber > 5`);
  await page.locator('#pause').click();
  await page.locator('#reward').click();
  await page.locator('#place').press('End');
  expect(await text('step')).toBe(`${steps} of ${steps}`);
  expect(await text('score')).toBe(score); // its last step has no reward

  await page.locator('#check').click();
  await until(/are those of the recording/);
  const [, equal, total] = /^(.+) of (.+) actions/.exec((await text('status'))!)!;
  // Two actions may be worth nearly the same, and a browser rounds in its own way.
  expect(Number(equal.replace(',', ''))).toBeGreaterThan(0.999 * Number(steps.replace(',', '')));
  expect(total).toBe(steps);
  expect(complaints).toEqual([]);
  expect(foreign).toEqual([]);
});
