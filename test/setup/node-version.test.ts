import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodeVersionProblem } from '../../scripts/setup/node-version.mjs';
import { mainRoot } from './project.ts';

describe('the Node.js version', () => {
  test.each(['20.0.0', '20.20.2', '22.1.0', '24.21.0', '100.0.0'])('%s will do', (version) => {
    expect(nodeVersionProblem(version)).toBeUndefined();
  });

  test.each(['8.17.0', '12.22.12', '18.20.8', '19.9.0'])('%s is too old, said in one line with the mend', (version) => {
    const problem = nodeVersionProblem(version)!;
    expect(problem).toContain(`Node.js ${version} is too old`);
    expect(problem).toContain('nvm install');
    expect(problem).not.toContain('\n');
  });

  test('is checked by files that an old Node.js can parse', () => {
    const commands = readdirSync(join(mainRoot, 'scripts/bin')).map((name) => `bin/${name}`);
    for (const name of ['setup/setup.mjs', 'setup/node-version.mjs', 'run.mjs', ...commands]) {
      const code = readFileSync(join(mainRoot, 'scripts', name), 'utf8').replace(/^\s*(\/\/|\*|\/\*).*$/gm, '');
      expect(code, name).not.toMatch(/\?\.|\?\?|\bawait\b|node:|#\w+\s*[=;(]/);
    }
  });
});
