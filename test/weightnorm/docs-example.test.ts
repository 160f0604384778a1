import '../node-backend.ts';
import { readdirSync, readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import * as weightnorm from '../../src/weightnorm/index.ts';

const docs = new URL('../../docs/', import.meta.url);
const names = readdirSync(new URL('weight-normalization/', docs)).filter((name) => name.endsWith('.md'));
const index = readFileSync(new URL('weight-normalization.md', docs), 'utf8');
const pages: Record<string, string> = Object.fromEntries([
  ['weight-normalization.md', index],
  ...names.map((name) => [name, readFileSync(new URL(`weight-normalization/${name}`, docs), 'utf8')]),
]);

const examples = Object.entries(pages).flatMap(([name, page]) =>
  [...page.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code], i): [string, string] => [`${name}, ${i + 1}`, code]),
);

const modules: Record<string, Record<string, unknown>> = {
  '@tensorflow/tfjs': tf,
  'weightnorm-rl/weightnorm': weightnorm,
};

/** Runs an example in the node backend, with its imports replaced; returns what it prints, a list of values a line. */
async function run(code: string): Promise<unknown[][]> {
  const values: Record<string, unknown> = {};
  const body = code.replace(
    /^import (?:\* as (\w+)|\{([^}]*)\}) from '([^']+)';$/gm,
    (_, namespace: string | undefined, list: string | undefined, from: string) => {
      expect(Object.keys(modules)).toContain(from);
      if (namespace) values[namespace] = modules[from];
      for (const name of (list ?? '').split(',').map((part) => part.trim())) {
        if (name === '') continue;
        expect(Object.keys(modules[from])).toContain(name);
        values[name] = modules[from][name];
      }
      return '';
    },
  );
  const printed: unknown[][] = [];
  const console = { log: (...line: unknown[]) => printed.push(line) };
  const AsyncFunction = (async () => {}).constructor as new (
    ...args: string[]
  ) => (...args: unknown[]) => Promise<void>;
  await new AsyncFunction('console', ...Object.keys(values), body)(console, ...Object.values(values));
  return printed;
}

describe('examples of the documentation', () => {
  test.each(examples)('%s runs, and the conditions that it prints hold', async (_, code) => {
    const conditions = (await run(code)).filter((line) => line.some((value) => typeof value === 'boolean'));
    expect(conditions.flat()).not.toContain(false);
    expect(conditions).toHaveLength(code.split('\n').filter((line) => line.endsWith('; // true')).length);
  });

  test('the one on the first page learns, and converts to ordinary layers', async () => {
    const [start, loss, difference] = await run(/```js\n([\s\S]*?)```/.exec(index)![1]);
    expect(start).toEqual(['every unit starts with mean 0 and std 1']);
    expect(loss[3]).toBeLessThan((loss[1] as number) * 0.5);
    expect(difference[1]).toBeLessThan(1e-4);
  });
});

describe('pages of the documentation', () => {
  test('every normalization and every initialisation that has a formula of its own has a page with an example', () => {
    const parts = weightnorm.NORMALIZATIONS.flatMap((name) => name.split('+')).filter((name) => name !== 'none');
    const initializations = weightnorm.INITIALIZATIONS.filter((name) => name !== 'norm-preserving');
    for (const name of [...new Set(parts), ...initializations.map((initialization) => `${initialization}-init`)]) {
      expect(names).toContain(`${name}.md`);
      expect(pages[`${name}.md`]).toContain('```js\n');
      for (const heading of ['Formula', 'Axes', 'When', 'Cost', 'What was found', 'Example'])
        expect(pages[`${name}.md`], `${name}.md`).toContain(`\n## ${heading}\n`);
    }
  });

  test('the index links to every page, and links of pages lead somewhere', () => {
    const linked = [...index.matchAll(/\(weight-normalization\/([\w-]+\.md)\)/g)].map(([, name]) => name);
    expect([...new Set(linked)].sort()).toEqual(names.sort());
    for (const name of names) {
      for (const [, target, anchor] of pages[name].matchAll(/\]\((?!https:)([^)#]*)(?:#([^)]*))?\)/g)) {
        const text = readFileSync(new URL(target || name, new URL('weight-normalization/', docs)), 'utf8');
        const anchors = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) => title.toLowerCase().replaceAll(' ', '-'));
        if (anchor) expect(anchors, `${name} links to ${target}#${anchor}`).toContain(anchor);
      }
    }
  });

  test('the index states every argument with the default of the code', () => {
    const { kernelNormalization, outputNormalization, dataInitialized, ...settings } = weightnorm.dense({
      units: 1,
    }).settings;
    for (const [name, value] of Object.entries(settings)) {
      const [, shown] = new RegExp(`^\\| \`${name}\` \\| (.*?) \\|`, 'm').exec(index) ?? [];
      if (typeof value === 'number') expect(Number(shown), name).toBe(value);
      else if (typeof value === 'string') expect(shown).toBe(`\`'${value}'\``);
      else expect(shown, name).toBeDefined();
    }
  });

  test('the index names every normalization, and its page the epsilon that it has by default', () => {
    for (const normalization of [...weightnorm.KERNEL_NORMALIZATIONS, ...weightnorm.OUTPUT_NORMALIZATIONS]) {
      expect(index).toContain(`\`'${normalization}'\``);
      if (normalization === 'mean-only-batch') continue; // it has none
      const { kernelNormalization, epsilon, varianceEpsilon } = weightnorm.dense({ units: 1, normalization }).settings;
      const stated = kernelNormalization
        ? `epsilon is ${epsilon.toExponential()}`
        : `\`varianceEpsilon\` is ${varianceEpsilon.toExponential()}`;
      expect(pages[`${normalization}.md`]).toContain(stated);
    }
  });
});
