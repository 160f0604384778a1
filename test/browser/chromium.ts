// Finds the browser that the tests use.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Why a test is left out where there is no browser. */
export const NEEDS_CHROMIUM = 'needs Chromium (Debian: apt-get install chromium; or set CHROMIUM_PATH)';

/**
 * The program at CHROMIUM_PATH, else the first on the PATH of `chromium`, `chromium-browser` and `google-chrome`.
 * @throws If CHROMIUM_PATH names no file: a browser asked for by name is never left out silently.
 */
export function findChromium(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const { CHROMIUM_PATH: asked, PATH: path = '' } = env;
  if (asked) {
    if (!existsSync(asked)) throw new Error(`CHROMIUM_PATH is ${asked}: there is no such file; correct or unset it`);
    return asked;
  }
  const folders = path.split(delimiter).filter((folder) => folder !== '');
  return ['chromium', 'chromium-browser', 'google-chrome']
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((file) => existsSync(file));
}
