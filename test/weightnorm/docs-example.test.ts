import '../node-backend.ts';
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import * as weightnorm from '../../src/weightnorm/index.ts';

const page = readFileSync(new URL('../../docs/weight-normalization.md', import.meta.url), 'utf8');

test("the documentation's example runs, learns, and converts to ordinary layers", async () => {
  const code = /```js\n([\s\S]*?)```/.exec(page)![1];
  const imports = [...code.matchAll(/^import (?:\* as (\w+)|\{([^}]*)\}) from '([^']+)';$/gm)];
  expect(imports.map(([, , , module]) => module)).toEqual(['@tensorflow/tfjs', 'weightnorm-rl/weightnorm']);
  const names = imports[1][2].split(',').map((name) => name.trim());
  const exported: Record<string, unknown> = { ...weightnorm };
  for (const name of names) expect(Object.keys(exported)).toContain(name);

  const printed: unknown[][] = [];
  const AsyncFunction = (async () => {}).constructor as new (
    ...args: string[]
  ) => (...args: unknown[]) => Promise<void>;
  const body = imports.reduce((text, [line]) => text.replace(line, ''), code);
  await new AsyncFunction('tf', 'console', ...names, body)(
    tf,
    { log: (...line: unknown[]) => printed.push(line) },
    ...names.map((name) => exported[name]),
  );

  const [start, loss, difference] = printed;
  expect(start).toEqual(['every unit starts with mean 0 and std 1']);
  expect(loss[3]).toBeLessThan((loss[1] as number) * 0.5);
  expect(difference[1]).toBeLessThan(1e-4);
});

test('the documentation states the defaults of the code', () => {
  expect(page).toContain(`| \`epsilon\` | ${weightnorm.DEFAULT_EPSILON} |`);
  for (const normalization of weightnorm.NORMALIZATIONS) expect(page).toContain(`\`'${normalization}'\``);
});
