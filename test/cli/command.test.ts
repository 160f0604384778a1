import { execFileSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shellWord } from '../../src/cli/index.ts';
import { mainRoot, startGroup } from '../processes.ts';

describe('a command that waits for what never comes does not end with 0', () => {
  const module = JSON.stringify(pathToFileURL(`${mainRoot}/dist/src/cli/index.js`).href);
  const program = `const { newCommand, runCommand } = await import(${module});
    await runCommand(newCommand('wait', 'Waits.').action(() => new Promise(() => {})));`;

  test.each([
    ['run by itself', program],
    ['run by another module, which does not wait for it', `(async () => { ${program} })();`],
  ])('%s', async (_, text) => {
    const { code, stderr } = await startGroup(process.execPath, ['--input-type=module', '-e', text]).ended;
    expect(code).toBe(1);
    expect(stderr).toContain('wait: ended without a result');
  });
});

test('a word for the shell comes out of the shell as it went in', () => {
  // Printable ASCII: line breaks and control characters do not come into a line that is pasted.
  const words = fc.array(fc.string({ minLength: 1 }), { minLength: 1 });
  fc.assert(
    fc.property(words, (list) => {
      const script = `printf '%s\\n' ${list.map(shellWord).join(' ')}`;
      expect(execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('\n').slice(0, -1)).toEqual(list);
    }),
    { numRuns: 50, seed: 1 },
  );
  expect(shellWord('runs/Enduro-fast-seed1')).toBe('runs/Enduro-fast-seed1');
});
