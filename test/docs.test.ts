// What the docs tell a reader to type is there, and what they link to.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { slugify } from '../site/repository-links.mjs';
import { pages as sidebar } from '../site/sidebar.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
const commands = readdirSync(join(root, 'scripts')).flatMap((name) => /^([a-z-]+)\.ts$/.exec(name)?.[1] ?? []);
const textOf = (page: string) => readFileSync(join(root, page), 'utf8');

test.each(pages)('%s names commands and files that exist', (page) => {
  const text = textOf(page);
  for (const [, name] of text.matchAll(/\bnpm run ([a-z][\w:-]*)/g)) expect(Object.keys(scripts)).toContain(name);
  // A stranger's package may have any other name.
  for (const [line, name] of text.matchAll(/\bnpx ([\w@/-]+)/g))
    expect(['weightnorm-rl', 'gymnasium-js-bridge'], line).toContain(name);
  for (const [, name] of text.matchAll(/\bnpx gymnasium-js-bridge ([a-z-]+)/g))
    expect(['keys', 'worker']).toContain(name);
  for (const [, name] of text.matchAll(/\bnpx weightnorm-rl ([a-z-]+)/g))
    expect([...commands, 'setup']).toContain(name);
  for (const [, target, anchor] of text.matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)/g)) {
    const file = join(dirname(page), target);
    const path = target === '' ? page : file;
    expect(existsSync(join(root, path)), `${page}: ${target}`).toBe(true);
    if (anchor) expect(headings(path), `${page}: ${target}#${anchor}`).toContain(anchor);
  }
  // VitePress says nothing of a file that it cannot include.
  for (const [, target] of text.matchAll(/^<<< (\S+)$/gm)) {
    expect(existsSync(join(root, dirname(page), target)), `${page}: ${target}`).toBe(true);
  }
});

/** The names by which links reach the headings of a page. */
const headings = (page: string) =>
  [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, title]) => slugify(title.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')));

test('the programs of the pages compile', () => {
  // Inside the package, so that it can import itself by its name.
  const folder = mkdtempSync(join(root, 'dist/docs-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  let programs = 0;
  for (const page of pages) {
    for (const [i, [, code]] of [...textOf(page).matchAll(/^```ts\n(.*?)^```$/gms)].entries()) {
      programs++;
      writeFileSync(join(folder, `${page.replaceAll(/[/.]/g, '-')}-${i + 1}.ts`), code);
    }
  }
  expect(programs).toBeGreaterThan(5);
  const options = { composite: false, noEmit: true, noUnusedLocals: false, lib: ['ES2023', 'DOM'] };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../../tsconfig.base.json', compilerOptions: options, include: ['*.ts'] }),
  );
  const tsc = [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder];
  expect(spawnSync(process.execPath, tsc, { encoding: 'utf8' }).stdout).toBe('');
});

test('every page of docs is in the menu of the site, once, and nothing else', () => {
  const linked = (entries: typeof sidebar): string[] =>
    entries.flatMap(({ link = [], items = [] }) => [link, linked(items)].flat());
  const { exports } = JSON.parse(textOf('package.json')) as { exports: object };
  const bridge = JSON.parse(textOf('envs/package.json')) as { exports: object };
  const entries = [
    ...Object.keys(exports).map((entry) => entry.replace('.', 'weightnorm-rl')),
    ...Object.keys(bridge.exports).map((entry) => entry.replace('.', 'gymnasium-js-bridge')),
  ];
  const wanted = [
    ...pages.flatMap((page) => /^docs\/(.*)\.md$/.exec(page)?.[1] ?? []).filter((name) => name !== 'index'),
    ...entries.map((entry) => `api/${entry}`),
  ];
  expect(linked(sidebar).sort()).toEqual(wanted.map((name) => `/${name}`).sort());
});

test('the first page is short', () => {
  expect(textOf('README.md').split('\n').length).toBeLessThan(150);
});
