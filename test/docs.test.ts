// What the docs tell a reader to type is there.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
const commands = readdirSync(join(root, 'scripts')).flatMap((name) => /^([a-z-]+)\.ts$/.exec(name)?.[1] ?? []);

test.each(pages)('%s names commands and files that exist', (page) => {
  const text = readFileSync(join(root, page), 'utf8');
  for (const [, name] of text.matchAll(/\bnpm run ([a-z][\w:-]*)/g)) expect(Object.keys(scripts)).toContain(name);
  // A stranger's package may have any other name.
  for (const [line, name] of text.matchAll(/\bnpx ([\w@/-]+)/g))
    expect(['weightnorm-rl', 'gymnasium-js-bridge'], line).toContain(name);
  for (const [, name] of text.matchAll(/\bnpx gymnasium-js-bridge ([a-z-]+)/g))
    expect(['keys', 'worker']).toContain(name);
  for (const [, name] of text.matchAll(/\bnpx weightnorm-rl ([a-z-]+)/g))
    expect([...commands, 'setup']).toContain(name);
  for (const [, target] of text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)) {
    expect(existsSync(join(root, dirname(page), target)), `${page}: ${target}`).toBe(true);
  }
});
