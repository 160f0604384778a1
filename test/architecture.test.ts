// The table of docs/architecture.md, held true by the imports of every file.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const BRIDGE = 'the bridge';

/** The folders of the table with what they may import; "all of the above but x" and "src but x" spelled out. */
function readTable(): Map<string, Set<string>> {
  const rows = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  const table = new Map<string, Set<string>>();
  const allSrc = rows.flatMap(([, folders]) => /^`src\/(\w+)`$/.exec(folders)?.[1] ?? []);
  for (const [, folders, , allowed] of rows) {
    const words = allowed
      .replaceAll('`', '')
      .split(/[,;] | and /)
      .filter((word) => word !== '-' && word !== '');
    const set = new Set<string>();
    let excluding = false;
    for (const word of words) {
      const [, all, first] = /^(all of the above|src) but (\S+)$/.exec(word) ?? [];
      if (all !== undefined) {
        const above = [...table.keys()].flatMap((folder) => /^src\/(\w+)$/.exec(folder)?.[1] ?? []);
        for (const folder of all === 'src' ? allSrc : above) set.add(folder);
        set.delete(first);
        excluding = true;
      } else if (word === BRIDGE || word === 'everything' || word === 'agents') set.add(word);
      else if (excluding) set.delete(word);
      else set.add(word);
    }
    for (const folder of folders.replaceAll('`', '').split(', ')) table.set(folder, set);
  }
  return table;
}

/** The row of the table that a file belongs to. */
function folderOf(path: string): string {
  const [top, second, third] = path.split('/');
  if (top === 'src') return third === undefined ? 'src' : `src/${second}`;
  if (top === 'agents') return third === undefined ? 'agents' : 'agents/<name>';
  return top;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules') && !name.includes('dist/'))
    .map((name) => join(folder, name));
}

const imports = (path: string) =>
  [...readFileSync(join(root, path), 'utf8').matchAll(/^(?:import|export)\b[^;]*?from '([^']+)';$/gm)].map(
    ([, module]) => module,
  );

const table = readTable();
const files = ['src', 'agents', 'envs/src'].flatMap(sources);

test('every folder is in the table', () => {
  expect(table.size).toBeGreaterThan(20);
  const folders = new Set(files.map(folderOf).filter((folder) => folder !== 'src'));
  expect([...folders].filter((folder) => !table.has(folder))).toEqual([]);
  const listed = [...table.keys()].filter((folder) => folder.startsWith('src/'));
  expect(listed.filter((folder) => !folders.has(folder))).toEqual([]);
});

test('imports point down: each is allowed by the table of docs/architecture.md', () => {
  const wrong: string[] = [];
  for (const path of files) {
    const from = folderOf(path);
    const allowed = table.get(from) ?? new Set();
    if (from === 'src') continue; // src/index.ts gathers what a package exports
    for (const module of imports(path)) {
      const isBridge = module.startsWith('gymnasium-js-bridge');
      if (!isBridge && !module.startsWith('.')) continue;
      const to = isBridge ? BRIDGE : folderOf(relative(root, join(root, dirname(path), module)));
      if (to === from) {
        // Agents are copied, not built on each other.
        if (
          from !== 'agents/<name>' ||
          path.split('/')[1] === relative(root, join(root, dirname(path), module)).split('/')[1]
        )
          continue;
      }
      const name = to.startsWith('src/') ? to.slice(4) : to === 'agents/<name>' ? 'agents' : to;
      if (!allowed.has(name)) wrong.push(`${path} imports ${module}: ${from} may not import ${to}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('names are exported one by one', () => {
  const stars = ['src', 'agents', 'envs/src']
    .flatMap(sources)
    .filter((path) => /^export \* from/m.test(readFileSync(join(root, path), 'utf8')));
  expect(stars).toEqual([]);
});
