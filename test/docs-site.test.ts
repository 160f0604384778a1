// The documentation site: what its links become; and, with `npm run test:docs`, the site itself in a browser.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { brokenLinks } from '../site/built-links.mjs';
import { siteAddress } from '../site/repository-links.mjs';
import { findChromium, NEEDS_CHROMIUM } from './browser/chromium.ts';
import { complaintsOf, startBrowser } from './browser/open-browser.ts';
import { mainRoot, type Started, start } from './processes.ts';

const docs = join(mainRoot, 'docs');
const isLong = process.env.WEIGHTNORM_DOCS === 'long';
const NEEDS_ASKING = 'builds the site, a minute of a processor: npm run test:docs';

test.each([
  ['runs.md#trackers', 'library.md', 'runs.md#trackers'],
  ['../weight-normalization.md', 'weight-normalization/batch.md', '../weight-normalization.md'],
  ['images/view-runs.png', 'viewer.md', 'images/view-runs.png'],
  ['https://arxiv.org/abs/1602.07868', 'dqn.md', 'https://arxiv.org/abs/1602.07868'],
  ['../README.md#start', 'install.md', '/tutorial'],
  ['../envs/README.md', 'install.md', '/vector-env'],
  ['../examples/own-agent.ts', 'library.md', '/own-agent'],
  ['../examples/own-agent.ts', 'own-agent.md', undefined], // it is shown below
  ['../examples', 'library.md', undefined],
  ['results/enduro-nips-seed1', 'results.md', undefined],
])('a link to %s from %s leads to %s', (href, page, address) => {
  expect(siteAddress(href, join(docs, page))).toBe(address);
});

test('links to pages, pictures and headings that are not there are found', () => {
  const folder = mkdtempSync(join(tmpdir(), 'site-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'api'));
  const links = ['./api/b.html', './api/b.html#there', './api/b.html#gone', './c.html', '#here', '#nowhere'];
  const page = links.map((link) => `<a class="x" href="${link}">x</a>`).join('');
  writeFileSync(join(folder, 'a.html'), `<h1 id="here">${page}<img src="/no.png"><a href="https://else.org/c">x</a>`);
  writeFileSync(join(folder, 'api/b.html'), '<h1 id="there"><a href="../a.html">x</a><a href="/a.html#h&amp;h">x</a>');
  expect(brokenLinks(folder).map(({ page, link }) => `${page} ${link}`)).toEqual([
    '/a.html ./api/b.html#gone',
    '/a.html ./c.html',
    '/a.html #nowhere',
    '/a.html /no.png',
    '/api/b.html /a.html#h&h',
  ]);
});

test.each([
  [['--port', '80000', '--serve'], '--port 80000: it must be a whole number from 1 to 65535'],
  [['--port', '8000'], '--port goes with --serve'],
  [['--sreve'], "Unknown option '--sreve'"],
])('npm run docs -- %s is refused in one line', async (args, reason) => {
  const { code, stdout, stderr } = await start(process.execPath, [join(mainRoot, 'site/docs.mjs'), ...args]).ended;
  expect([code, stdout, stderr]).toEqual([2, '', `${reason}: see "npm run docs -- --help".\n`]);
});

describe('the site', () => {
  let server: Started;
  let address: string;
  beforeEach(({ skip }) => skip(!isLong, NEEDS_ASKING));
  beforeAll(async () => {
    if (!isLong) return;
    server = start(process.execPath, [join(mainRoot, 'site/docs.mjs'), '--serve']);
    const told = () => /http:\/\/127\.0\.0\.1:\d+\//.exec(server.output.stdout)?.[0];
    // Far longer than other programs take to start: it builds first.
    await Promise.race([
      new Promise<void>((resolve) => server.child.stdout!.on('data', () => told() && resolve())),
      server.ended.then(({ stderr }) => {
        throw new Error(`the site was not built: ${stderr}`);
      }),
    ]);
    address = told()!;
  });
  afterAll(async () => {
    if (!isLong) return;
    server.child.kill('SIGINT');
    expect((await server.ended).code).toBe(0);
  });

  test('has what the pages and the docstrings say, and the code of examples', () => {
    const html = (name: string) => readFileSync(join(mainRoot, 'dist-docs', `${name}.html`), 'utf8');
    expect(html('tutorial')).toContain('npm');
    expect(html('own-agent')).toContain('expectedSarsa');
    expect(html('api/weightnorm-rl/weightnorm')).toContain('id="datadependentinit"');
    expect(html('api/gymnasium-js-bridge')).toContain('id="makevectorenv"');
    expect(existsSync(join(mainRoot, 'dist-docs/404.html'))).toBe(true);
  });

  const browser = findChromium();
  describe('in a browser', () => {
    let context: BrowserContext;
    let profile: string;
    beforeEach(({ skip }) => skip(!browser, NEEDS_CHROMIUM));
    beforeAll(async () => {
      if (!isLong || !browser) return;
      profile = mkdtempSync(join(tmpdir(), 'site-profile-'));
      context = await startBrowser(browser, profile);
    });
    afterAll(async () => {
      await context?.close();
      if (profile !== undefined) rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    });

    test.each([
      ['', 'weightnorm-rl'],
      ['tutorial.html', 'From nothing to an agent that plays'],
      ['api/weightnorm-rl/agents.html#train', 'weightnorm-rl/agents'],
    ])('/%s is whole, complains of nothing and asks nobody else', async (path, title) => {
      const page = await context.newPage();
      onTestFinished(() => page.close());
      const complaints = complaintsOf(page);
      const foreign: string[] = [];
      // What the page has begun to fetch in advance is given up where it is left.
      page.on('requestfailed', (request) => {
        if (request.failure()?.errorText !== 'net::ERR_ABORTED') complaints.push(request.url());
      });
      page.on('request', (request) => {
        if (!request.url().startsWith(address) && !request.url().startsWith('data:')) foreign.push(request.url());
      });
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 900 });
        await page.goto(`${address}${path}`, { waitUntil: 'networkidle' });
        expect(await page.locator('h1').first().innerText()).toContain(title);
        const beside = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
        expect(beside, 'nothing reaches out of the window').toBeLessThanOrEqual(0);
      }
      expect([complaints, foreign]).toEqual([[], []]);
    });

    test('finds a word in pages and docstrings', async () => {
      const page = await context.newPage();
      onTestFinished(() => page.close());
      await page.setViewportSize({ width: 1280, height: 900 });
      await page.goto(`${address}tutorial.html`, { waitUntil: 'networkidle' });
      await page.locator('#local-search button').click();
      await page.locator('#localsearch-input').fill('dataDependentInit');
      await page.locator('.results a[href*="api/weightnorm-rl/weightnorm"]').first().waitFor();
    });
  });
});
