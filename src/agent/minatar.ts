// MinAtar's games, which are installed when a run first asks for one.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findPython } from 'gymnasium-js-bridge';
import { setupScript } from '../runtime/native-packages.ts';
import { SettingError } from '../settings/index.ts';
import { isMinAtar } from './settings.ts';

/**
 * Installs MinAtar into the Python environment that set-up made, where an id names a game of it and it is missing.
 * Another Python is its owner's: there the environment says what to install.
 * @param note Hears of it.
 * @throws SettingError where it cannot be had.
 */
export async function installMinAtar(envId: string | null, note?: (line: string) => void): Promise<void> {
  if (!isMinAtar(envId)) return;
  const python = findPython();
  const environment = dirname(dirname(python));
  if (!existsSync(join(environment, 'setup-stamp.json')) || (await hasMinAtar(python))) return;
  note?.('installing MinAtar, which this environment needs (once)');
  try {
    await promisify(execFile)(process.execPath, [setupScript('minatar.mjs')], { cwd: dirname(environment) });
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    const reason = stderr?.trim().split('\n').at(-1) || message;
    throw new SettingError({ key: 'envId', value: envId, reason: `needs MinAtar, which is not there: ${reason}` });
  }
}

async function hasMinAtar(python: string): Promise<boolean> {
  const look = 'import importlib.util as u, sys; sys.exit(u.find_spec("minatar") is None)';
  return promisify(execFile)(python, ['-I', '-c', look]).then(
    () => true,
    () => false,
  );
}
