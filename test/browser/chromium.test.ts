import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { mainRoot, run } from '../setup/project.ts';
import { findChromium, NEEDS_CHROMIUM } from './chromium.ts';

function folderWith(...names: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'weightnorm-rl-browser-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of names) writeFileSync(join(folder, name), '');
  return folder;
}

test('Chromium is looked for at CHROMIUM_PATH, then by its names on the PATH', () => {
  const [none, chrome, both] = [folderWith(), folderWith('google-chrome'), folderWith('google-chrome', 'chromium')];
  expect(findChromium({ PATH: none })).toBeUndefined();
  expect(findChromium({})).toBeUndefined();
  expect(findChromium({ PATH: `${none}:${chrome}` })).toBe(join(chrome, 'google-chrome'));
  expect(findChromium({ PATH: `${chrome}:${both}` })).toBe(join(both, 'chromium'));
  expect(findChromium({ PATH: both, CHROMIUM_PATH: join(chrome, 'google-chrome') })).toBe(
    join(chrome, 'google-chrome'),
  );
  const missing = join(none, 'chrome');
  expect(() => findChromium({ PATH: both, CHROMIUM_PATH: missing })).toThrow(
    `CHROMIUM_PATH is ${missing}: there is no such file; correct or unset it`,
  );
});

test('npm test without Chromium says which tests it left out and why, before the counts', async () => {
  const path = folderWith();
  symlinkSync(process.execPath, join(path, 'node'));
  const code = `import { runTests } from './scripts/run-tests.mjs';
    process.exitCode = await runTests(process.cwd(), ['test/browser/weightnorm.test.ts']);`;
  const { stdout, stderr } = await run(mainRoot, ['--input-type=module', '--eval', code], {
    PATH: path,
    CHROMIUM_PATH: '',
  });
  const name = (backend: string) => `a model trains in Chromium on the ${backend} backend as it does in Node`;
  expect(stdout.trimEnd().split('\n').slice(-3), stderr).toEqual([
    `left out: test/browser/weightnorm.test.ts > ${name('cpu')}: ${NEEDS_CHROMIUM}`,
    `left out: test/browser/weightnorm.test.ts > ${name('webgl')}: ${NEEDS_CHROMIUM}`,
    '0 passed, 0 failed, 2 skipped',
  ]);
});
