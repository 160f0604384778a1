import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder that holds the Python package; the same from `src` and from `dist`. */
export const sidecarFolder = fileURLToPath(new URL('../sidecar', import.meta.url));

/**
 * The Python interpreter to run: the one given, $GYMNASIUM_PYTHON, `.venv/bin/python` in the nearest folder upward from this package,
 * then from the working folder, and `python3` from the path.
 */
export function findPython(given?: string): string {
  return (
    given ??
    (process.env.GYMNASIUM_PYTHON || undefined) ??
    virtualEnvironmentAbove(sidecarFolder) ??
    virtualEnvironmentAbove(process.cwd()) ??
    'python3'
  );
}

function virtualEnvironmentAbove(folder: string): string | undefined {
  for (let current = folder; ; current = dirname(current)) {
    const python = join(current, '.venv', 'bin', 'python');
    if (existsSync(python)) return python;
    if (current === dirname(current)) return undefined;
  }
}
