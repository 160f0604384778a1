// MinAtar, which set-up installs where it is asked for.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sitePackages } from '../../scripts/setup/python.mjs';
import { mainRoot, makeProject, run } from './project.ts';

const python = join(mainRoot, '.venv/bin/python');
const script = ['scripts/setup/minatar.mjs'];

test('MinAtar is installed from its list, alone and once; a missing network is told in one line', async () => {
  const root = makeProject();
  execFileSync(python, ['-I', '-m', 'venv', join(root, '.venv')]);
  const before = readdirSync(sitePackages(root));

  const offline = await run(root, script, {
    ...{ PIP_INDEX_URL: 'http://127.0.0.1:9/simple', PIP_EXTRA_INDEX_URL: '', PIP_FIND_LINKS: '' },
    ...{ PIP_NO_CACHE_DIR: '1', PIP_RETRIES: '1' },
  });
  expect(offline.code).toBe(2);
  expect(offline.stderr.trim().split('\n').at(-1)).toMatch(
    /^pip could not install MinAtar: the network .* cannot be reached/,
  );

  expect(await run(root, script)).toMatchObject({ code: 0, stdout: '' });
  const added = readdirSync(sitePackages(root)).filter((name) => !before.includes(name) && name !== '__pycache__');
  expect(added.sort()).toEqual(['MinAtar-1.0.15.dist-info', 'minatar']);
  expect(existsSync(join(root, 'node_modules'))).toBe(false);

  expect(await run(root, script)).toMatchObject({ code: 0, stdout: '', stderr: '' });
});
