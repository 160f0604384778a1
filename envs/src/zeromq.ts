import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SidecarStartError } from './errors.ts';
import { nearestAbove } from './python.ts';

const SET_UP_PLACE = join('.setup', 'node_modules', 'zeromq');

/**
 * The native package zeromq, from `.setup/node_modules` in the nearest folder upward from this package, then from the
 * working folder, where `npx weightnorm-rl setup` puts it; else from where npm does. Loaded at the first use, since a
 * project that only imports this package does without.
 *
 * @throws SidecarStartError with one line that names the mend.
 */
export function loadZeromq(): typeof import('zeromq') {
  const found =
    nearestAbove(fileURLToPath(import.meta.url), SET_UP_PLACE) ?? nearestAbove(process.cwd(), SET_UP_PLACE) ?? 'zeromq';
  try {
    return createRequire(import.meta.url)(found);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw cause;
    throw new SidecarStartError(
      'the npm package zeromq is missing: run "npm install zeromq", or "npx weightnorm-rl setup" where that is ' +
        'installed',
    );
  }
}
