// The packed packages, and another project that installs them.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mainRoot } from '../setup/project.ts';

/** Why a test is left out where npm cannot fetch packages. */
export const NEEDS_REGISTRY = 'needs the npm registry, which does not answer';

/** What package.json of this project, or of one of its folders, says. */
export function manifest(folder = '') {
  return JSON.parse(readFileSync(join(mainRoot, folder, 'package.json'), 'utf8')) as {
    name: string;
    exports: Record<string, string>;
    devDependencies: Record<string, string>;
  };
}

/** What can be imported: every entry of both packages. */
export const entries = ['', 'envs'].flatMap((folder) => {
  const { name, exports } = manifest(folder);
  return Object.keys(exports).map((entry) => entry.replace('.', name));
});

export interface Ending {
  code: number | null;
  /** Standard output and standard error, as they came. */
  output: string;
}

/** Runs a program to its end, as from a terminal and not from `npm test`. */
export function runIn(folder: string, program: string, ...args: string[]): Promise<Ending> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^npm_(package|lifecycle|config_(local_prefix|ignore_scripts))|^INIT_CWD$|^VITEST|^NODE_ENV$/.test(name),
    ),
  );
  const child = spawn(program, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

/** Packs the package of a folder of this project as a file in another one. */
export async function pack(folder: string, into: string): Promise<string> {
  const { code, output } = await runIn(join(mainRoot, folder), 'npm', 'pack', '--silent', '--pack-destination', into);
  if (code !== 0) throw new Error(`npm pack: ${output}`);
  return join(into, output.trim());
}

/** Whether the registry answers. */
export async function reachesRegistry(folder: string): Promise<boolean> {
  const asked = await runIn(
    folder,
    'npm',
    'view',
    '@tensorflow/tfjs',
    'version',
    '--fetch-retries=0',
    '--prefer-online',
  );
  return asked.code === 0;
}
