import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { run as build, problem } from '../../scripts/setup/build.mjs';
import { SetupFault } from '../../scripts/setup/faults.mjs';
import { prepareWorkFolder } from '../../scripts/setup/tools.mjs';
import { linkPackage, makeProject } from './project.ts';

function makeTypeScriptProject(): string {
  const root = makeProject();
  prepareWorkFolder(root);
  linkPackage(root, 'typescript');
  const options = { rootDir: '.', outDir: 'dist', composite: true, types: [], tsBuildInfoFile: 'dist/.tsbuildinfo' };
  writeFileSync(join(root, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['src'] }));
  mkdirSync(join(root, 'src/deep'), { recursive: true });
  writeFileSync(join(root, 'src/deep/one.ts'), 'export const one: number = 1;\n');
  return root;
}

describe('the TypeScript build', () => {
  test('is done again when a source changes, comes or goes missing in the output, and only then', async () => {
    const root = makeTypeScriptProject();
    const built = (name: string) => readFileSync(join(root, 'dist/src', name), 'utf8');
    expect(problem({ root })).toBe('the sources have changed');
    await build({ root });
    expect(problem({ root })).toBeUndefined();
    expect(built('deep/one.js')).toContain('one = 1');

    writeFileSync(join(root, 'src/deep/one.ts'), 'export const one: number = 11;\n');
    expect(problem({ root })).toBe('the sources have changed');
    await build({ root });
    expect(built('deep/one.js')).toContain('one = 11');

    writeFileSync(join(root, 'src/two.ts'), 'export const two = 2;\n');
    expect(problem({ root })).toBe('the sources have changed');
    await build({ root });

    rmSync(join(root, 'dist/src/two.js'));
    expect(problem({ root })).toBe('dist/src/two.js is missing');
    await build({ root });
    expect(built('two.js')).toContain('two = 2');
    expect(problem({ root })).toBeUndefined();

    rmSync(join(root, 'src/two.ts'));
    await build({ root });
    expect(readdirSync(join(root, 'dist/src'))).toEqual(['deep']);
  });

  test('that fails gives the first error in one line and stays to be done', async () => {
    const root = makeTypeScriptProject();
    writeFileSync(join(root, 'src/bad.ts'), "export const bad: number = 'text';\n");
    const failing = build({ root });
    await expect(failing).rejects.toBeInstanceOf(SetupFault);
    await expect(failing).rejects.toThrow(
      /^The TypeScript sources do not compile: src\/bad\.ts\(1,14\): error TS2322: .* Run "npm run typecheck" to see it all\.$/,
    );
    expect(problem({ root })).toBe('the sources have changed');
  });
});
