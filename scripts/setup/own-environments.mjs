// @ts-check

// Steps that are done only where they are asked for: Python environments of their own beside `.venv`.

import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkDiskSpace } from './faults.mjs';
import { requirementsFolder } from './place.mjs';
import { findPython, pipInstall } from './python.mjs';
import { runTool } from './tools.mjs';

/** @typedef {import('./steps.mjs').Step & { pythonOf: (root: string) => string }} EnvironmentStep */

/** The viewer of TensorBoard's event files. */
export const tensorboard = environment({
  title: 'TensorBoard',
  name: '.tensorboard',
  requirements: 'requirements-tensorboard.txt',
  neededBytes: 0.3e9,
});

/** Ray: a head and workers on this machine, 108 MB to download, 0.4 GB unpacked. */
export const ray = environment({
  title: 'Ray',
  name: '.venv-ray',
  requirements: 'requirements-ray.txt',
  neededBytes: 0.7e9,
  // A node of Ray is given up that has not read its modules after 15 seconds.
  compile: true,
});

/**
 * @param {object} what
 * @param {string} what.title
 * @param {string} what.name its folder in the project
 * @param {string} what.requirements the list of its packages
 * @param {number} what.neededBytes with all downloads beside it, and a little
 * @param {boolean} [what.compile] whether modules are compiled now, so that they are read sooner later
 * @returns {EnvironmentStep}
 */
function environment({ title, name, requirements, neededBytes, compile = false }) {
  const folderOf = (/** @type {string} */ root) => join(root, name);
  const stampPath = (/** @type {string} */ root) => join(folderOf(root), 'setup-stamp.json');
  const requirementsPath = (/** @type {string} */ root) => join(requirementsFolder(root), requirements);

  /** What the environment, where it lies, was made from: it cannot be moved. @param {string} root */
  const stampOf = (root) => {
    const hash = createHash('sha256')
      .update(readFileSync(requirementsPath(root)))
      .digest('hex');
    const interpreter = realpathSync(join(folderOf(root), 'bin/python'));
    return JSON.stringify({ requirements: hash, interpreter, folder: realpathSync(folderOf(root)) });
  };

  return {
    title,
    pythonOf: (root) => join(folderOf(root), 'bin/python'),
    problem({ root }) {
      try {
        return readFileSync(stampPath(root), 'utf8') === stampOf(root) ? undefined : `${name} is out of date`;
      } catch {
        return `${name} is missing or incomplete`;
      }
    },
    preflight({ root }) {
      findPython(root);
      checkDiskSpace(root, neededBytes, title);
    },
    async run({ root }, progress) {
      const folder = folderOf(root);
      rmSync(folder, { recursive: true, force: true });
      const command = [findPython(root), '-I', '-m', 'venv', folder];
      await runTool({ root, tool: 'Python', doing: `make the environment ${name}`, command });
      writeFileSync(join(folder, '.gitignore'), '*\n');
      await pipInstall(root, `install ${title}`, ['-r', requirementsPath(root)], progress, folder);
      if (compile) {
        progress.detail('compiling', true);
        const modules = ['-I', '-m', 'compileall', '-q', join(folder, 'lib')];
        // A file for another Python, or a broken example, is no fault.
        await runTool({
          root,
          tool: 'Python',
          doing: `compile ${title}`,
          command: [join(folder, 'bin/python'), ...modules],
        }).catch(() => {});
      }
      writeFileSync(stampPath(root), stampOf(root));
    },
  };
}
