// @ts-check

// `npm run lock-python`: writes requirements-{cpu,gpu,minatar,tensorboard,ray}.txt, each package with its version
// and hashes, from requirements-{cpu,gpu,minatar,tensorboard,ray}.in.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findPython } from './python.mjs';

const uvVersion = '0.13.9';
const folder = fileURLToPath(new URL('.', import.meta.url));
const environment = mkdtempSync(join(tmpdir(), 'weightnorm-rl-uv-'));
/** @param {string} program @param {string[]} args */
const run = (program, ...args) => execFileSync(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });

try {
  run(findPython(), '-m', 'venv', environment);
  run(join(environment, 'bin/pip'), 'install', '--quiet', '--disable-pip-version-check', `uv==${uvVersion}`);
  for (const flavour of ['cpu', 'gpu', 'minatar', 'tensorboard', 'ray']) {
    const options = '--universal --python-version 3.10 --generate-hashes --no-header --no-annotate --quiet';
    const alone = flavour === 'minatar' ? ['--no-deps'] : [];
    const files = [`requirements-${flavour}.in`, '--output-file', `requirements-${flavour}.txt`];
    run(
      join(environment, 'bin/uv'),
      'pip',
      'compile',
      ...options.split(' '),
      ...alone,
      ...files,
      ...process.argv.slice(2),
    );
  }
} finally {
  rmSync(environment, { recursive: true, force: true });
}
