// The page of view-runs in a browser, over a training that goes on meanwhile.
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startViewer, type Viewer } from '../../src/viewer/index.ts';
import { findChromium, NEEDS_CHROMIUM } from '../browser/chromium.ts';
import { complaintsOf, seriousViolations, startBrowser } from '../browser/open-browser.ts';
import { mainRoot, signal, startCommand, until } from '../processes.ts';
import { until as untilSeen } from '../until.ts';
import { config, makeRun, progressLine } from './folders.ts';

const browser = findChromium();
const HOSTILE = '<img src=x onerror="document.title=1">';

let place: string;
let folder: string;
let viewer: Viewer;
let context: BrowserContext;

beforeAll(async () => {
  if (!browser) return;
  place = mkdtempSync(join(tmpdir(), 'viewer-page-'));
  folder = join(place, 'runs');
  for (const name of ['cartpole', 'pong', 'vae-mnist']) {
    cpSync(join(mainRoot, 'test/fixtures/runs-0.1.0', name), join(folder, name), { recursive: true });
  }
  cpSync(
    join(mainRoot, 'docs/images/vae-mnist-samples.png'),
    join(folder, 'vae-mnist/pictures/samples-epoch-0001.png'),
  );
  for (const seed of [1, 2]) {
    const lines = [100, 200, 300].map((step) => progressLine(step, { [HOSTILE]: 1 }));
    makeRun(join(folder, `made-seed${seed}`), config({ seed, [HOSTILE]: HOSTILE }), lines.join(''));
  }
  makeRun(join(folder, `<b onclick=alert(1)>`), '{', 'no line\n');
  viewer = await startViewer({ folder });
  context = await startBrowser(browser, join(place, 'profile'));
});

afterAll(async () => {
  await context?.close();
  await viewer?.close();
  if (place !== undefined) rmSync(place, { recursive: true, force: true, maxRetries: 5 });
});

/** A new page on the viewer, with what it complains of and whom it asks. */
async function openAt(hash: string, address = viewer.address) {
  const page = await context.newPage();
  onTestFinished(() => page.close());
  const complaints = complaintsOf(page);
  const requests: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(`${address}${hash}`);
  const { origin } = new URL(address);
  const foreign = () => requests.filter((url) => new URL(url).origin !== origin && !url.startsWith('data:'));
  return { page, complaints, foreign };
}

const rowsOf = (page: Page, curve: string) => page.locator(`.chart[data-curve="${curve}"] tbody tr`);

test('a run that trains appears, its curve grows, and its end is seen', async ({ skip }) => {
  skip(!browser, NEEDS_CHROMIUM);
  const { page, complaints, foreign } = await openAt('#/curves?curve=episode/return&run=live');
  await page.locator('.runs li').first().waitFor();
  const run = join(folder, 'live');
  const args = [
    '--env-id',
    'CartPole-v1',
    '--steps',
    '100000',
    '--run-dir',
    run,
    '--log-period-steps',
    '100',
    '--view',
  ];
  const training = startCommand('train-agent', args);
  await page.locator('[data-run="live"] .state[data-state="running"]').waitFor({ timeout: 120_000 });

  await until(
    'the address of the page beside the run',
    () => /can be seen at http/.test(training.output.stderr),
    training,
  );
  const beside = /seen at (http:\S+) while/.exec(training.output.stderr)![1];
  const own = await openAt('', beside);
  await own.page.locator('.chart canvas').first().waitFor({ timeout: 120_000 });

  const about = page.locator('[data-run="live"] .about');
  const steps = async () => Number(/([\d,]+) agent steps/.exec(await about.innerText())?.[1].replaceAll(',', '') ?? 0);
  /** Pixels with ink in them: a curve that grows changes the picture. */
  const drawn = () =>
    page.locator('.chart canvas').evaluate((canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL());
  await page.locator('.chart canvas').waitFor({ timeout: 120_000 });
  const [stepsBefore, drawnBefore] = [await steps(), await drawn()];
  await untilSeen('the curve grows', async () => (await steps()) > stepsBefore && (await drawn()) !== drawnBefore);
  await rowsOf(page, 'episode/return').first().waitFor();

  signal(training.pid, 'SIGINT');
  expect((await training.ended).code, training.output.stderr).toBe(0);
  await page.locator('[data-run="live"] .state[data-state="stopped"]').waitFor({ timeout: 120_000 });
  await untilSeen('the page beside the run has ended with it', () =>
    fetch(beside).then(
      () => false,
      () => true,
    ),
  );
  expect([complaints, foreign(), own.foreign()]).toEqual([[], [], []]);

  // Its report, as a file and as the page shows it.
  for (const address of [`file://${run}/report.html`, `${viewer.address}api/report?run=live`]) {
    const report = await openAt('', address);
    await report.page.locator('figure svg').first().waitFor();
    expect(await report.page.locator('h1').innerText()).toBe('live');
    expect([report.complaints, report.foreign()]).toEqual([[], []]);
  }
});

test.for([
  ['light', 1280],
  ['light', 390],
  ['dark', 1280],
  ['dark', 390],
] as const)('every page is usable: %s, %i pixels wide', async ([colorScheme, width], { skip }) => {
  skip(!browser, NEEDS_CHROMIUM);
  const { page, complaints, foreign } = await openAt('');
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width, height: 900 });
  const all = 'run=cartpole&run=pong&run=vae-mnist&run=made-seed1&run=made-seed2';
  const places = {
    [`#/curves?${all}`]: '.chart canvas',
    [`#/settings?${all}`]: 'tr.differs',
    '#/run?run=vae-mnist': 'img',
    '#/run?run=cartpole': 'a[download]',
    [`#/run?${new URLSearchParams({ run: '<b onclick=alert(1)>' })}`]: '.problem',
  };
  for (const [hash, sign] of Object.entries(places)) {
    await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
    await page.locator(`main ${sign}`).first().waitFor();
    for (const details of await page.locator('details').all()) {
      await details.evaluate((element) => element.setAttribute('open', ''));
    }
    expect(await seriousViolations(page), hash).toEqual([]);
    const wider = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    expect(wider, `${hash} is as wide as the screen`).toBeLessThanOrEqual(0);
  }
  expect([complaints, foreign()]).toEqual([[], []]);
});

test('curves are chosen, smoothed, averaged over seeds, and kept in the address', async ({ skip }) => {
  skip(!browser, NEEDS_CHROMIUM);
  const { page, complaints } = await openAt('#/curves?run=made-seed1&run=made-seed2&curve=train/loss');
  const rows = rowsOf(page, 'train/loss');
  await untilSeen('one line for two seeds', async () => /made \(mean of seeds 1, 2\)/.test(await rows.innerText()));
  await page.getByLabel('Mean over seeds').uncheck();
  await untilSeen('two lines', async () => (await rows.count()) === 2);
  await page.getByText('Choose curves').click();
  await page.getByRole('checkbox', { name: `train/${HOSTILE}` }).check();
  await page.locator('.chart').nth(1).locator('canvas').waitFor();
  await page.getByLabel('Smoothing').fill('0.5');
  for (const axis of ['frames', 'minutes']) {
    await page.getByRole('combobox').selectOption(axis);
    await page.locator('.chart canvas').first().waitFor();
  }
  const address = page.url();
  expect(address).toMatch(/x=minutes.*smooth=0\.5.*mean=no/);
  const { page: again } = await openAt(address.slice(address.indexOf('#')));
  await untilSeen('the same charts', async () => (await again.locator('.chart canvas').count()) === 2);
  expect(await again.getByLabel('Mean over seeds').isChecked()).toBe(false);
  await again.getByLabel(`Remove the chart of train/${HOSTILE}`).click();
  await untilSeen('one chart', async () => (await again.locator('.chart').count()) === 1);
  expect(complaints).toEqual([]);
  expect(await again.title()).toBe('runs: runs');
});

test('keys alone do it: a run is shown, a page is changed, colours are switched', async ({ skip }) => {
  skip(!browser, NEEDS_CHROMIUM);
  const { page } = await openAt('#/curves?run=made-seed1&curve=train/loss');
  await page.locator('.chart canvas').waitFor();
  const tabTo = async (sign: string) => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      if (await page.evaluate(`document.activeElement.matches(${JSON.stringify(sign)})`)) return;
    }
    throw new Error(`no key leads to ${sign}`);
  };
  const theme = () => page.evaluate('document.documentElement.dataset.theme');
  await tabTo('header button');
  await page.keyboard.press('Enter');
  const first = await theme();
  await page.keyboard.press('Enter');
  expect([first, await theme()].sort()).toEqual(['dark', 'light']);
  await tabTo('[data-run="made-seed2"] input');
  await page.keyboard.press('Space');
  await untilSeen('both seeds', async () => (await rowsOf(page, 'train/loss').innerText()).includes('seeds 1, 2'));
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'made-seed2' }).waitFor();
});
