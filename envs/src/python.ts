import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder that holds the Python package; the same from `src` and from `dist`. */
export const sidecarFolder = fileURLToPath(new URL('../sidecar', import.meta.url));

const VIRTUAL_PYTHON = join('.venv', 'bin', 'python');

/**
 * The Python interpreter to run: the one given, $GYMNASIUM_PYTHON, `.venv/bin/python` in the nearest folder upward from
 * this package, then from the working folder, and `python3` from the path.
 */
export function findPython(given?: string): string {
  return (
    given ??
    (process.env.GYMNASIUM_PYTHON || undefined) ??
    nearestAbove(sidecarFolder, VIRTUAL_PYTHON) ??
    nearestAbove(process.cwd(), VIRTUAL_PYTHON) ??
    'python3'
  );
}

/** The path of what is called so in the nearest folder from this one upward that has it. */
export function nearestAbove(folder: string, name: string): string | undefined {
  for (let current = folder; ; current = dirname(current)) {
    const path = join(current, name);
    if (existsSync(path)) return path;
    if (current === dirname(current)) return undefined;
  }
}
