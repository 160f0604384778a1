import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const python = fileURLToPath(new URL('../.venv/bin/python', import.meta.url));

/**
 * What a Python program says to a question: JSON on its standard input and output. Fails with what the program
 * complains of.
 */
export function askPython<Answer>(program: URL, question: unknown): Answer {
  const { status, stdout, stderr } = spawnSync(python, [fileURLToPath(program)], {
    input: JSON.stringify(question),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as Answer;
}
