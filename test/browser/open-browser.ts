// A browser for tests, and what they ask of each of its pages.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, type ConsoleMessage, chromium, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';

/** Starts a browser with a new profile in a folder, which is the caller's to remove once the browser is closed. */
export function startBrowser(browserFile: string, profile: string): Promise<BrowserContext> {
  const args = ['--headless', '--no-sandbox', '--disable-gpu'];
  return chromium.launchPersistentContext(profile, { executablePath: browserFile, args });
}

/** A browser with a page, with a profile of its own. All of it is gone when the test ends. */
export async function openBrowser(browserFile: string): Promise<{ context: BrowserContext; page: Page }> {
  const profile = mkdtempSync(join(tmpdir(), 'weightnorm-rl-chromium-'));
  onTestFinished(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }));
  const context = await startBrowser(browserFile, profile);
  onTestFinished(() => context.close()); // run first: what was registered last
  return { context, page: context.pages()[0] ?? (await context.newPage()) };
}

/** What a page will have logged as warnings or errors, and errors that it did not catch. */
export function complaintsOf(page: Page, isMeant: (message: ConsoleMessage) => boolean = () => false): string[] {
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['warning', 'error'].includes(message.type()) && !isMeant(message)) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return complaints;
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe-core finds that keeps people out. */
export async function seriousViolations(page: Page): Promise<string[]> {
  // By the debugger, which the page's policy does not bind.
  const found = await page.evaluate<{ id: string; impact: string; nodes: { html: string }[] }[]>(
    `(async () => { ${axe}; return (await axe.run(document, { resultTypes: ['violations'] })).violations; })()`,
  );
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
}
