import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { UsageError } from '../../src/cli/index.ts';
import { startChild } from '../../src/jobs/child-process.ts';
import { peersFolder, projectFolder } from './paths.ts';

/** The environment (4.3 GB) with its downloads (2.6 GB) beside it, and a little. */
const NEEDED_BYTES = 7.5e9;

const folder = join(projectFolder, '.venv-peers');
const stampPath = join(folder, 'stamp.txt');
const logPath = join(folder, 'install.log');
const requirementsPath = join(peersFolder, 'requirements.txt');

/** The Python that the project's set-up made, with the emulators; or the bridge's, where one is named. */
export function projectPython(): string {
  return process.env.GYMNASIUM_PYTHON || join(projectFolder, '.venv/bin/python');
}

/**
 * The Python with PyTorch and the libraries compared with. Makes `.venv-peers` where it is missing or its list of
 * packages has changed.
 * @throws UsageError where the machine has no room or no fitting Python, or the packages cannot be installed.
 */
export async function peerPython(note: (line: string) => void): Promise<string> {
  const python = join(folder, 'bin/python');
  const wanted = createHash('sha256').update(readFileSync(requirementsPath)).digest('hex');
  if (existsSync(stampPath) && readFileSync(stampPath, 'utf8') === wanted && existsSync(python)) return python;

  const ownPython = projectPython();
  const version = pythonVersion(ownPython);
  if (version !== undefined && version[1] < 11) {
    throw new UsageError(
      `--peers needs Python 3.11 or newer for PyTorch, and ${ownPython} is ${version.join('.')}: run ` +
        '"WEIGHTNORM_PYTHON=python3.11 npm run setup -- --force"',
    );
  }
  rmSync(folder, { recursive: true, force: true });
  const { bavail, bsize } = statfsSync(projectFolder);
  if (bavail * bsize < NEEDED_BYTES) {
    const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);
    throw new UsageError(
      `--peers needs ${gigabytes(NEEDED_BYTES)} GB in ${projectFolder}, ${gigabytes(bavail * bsize)} GB are free`,
    );
  }
  note('installing PyTorch, Stable-Baselines3 and what they need into .venv-peers (2.6 GB to download, once)');
  await run(ownPython, ['-I', '-m', 'venv', folder]);
  const temporary = join(folder, 'tmp');
  mkdirSync(temporary);
  const options =
    '--require-hashes --no-deps --only-binary=:all: --no-cache-dir --no-input --disable-pip-version-check ' +
    '--progress-bar=off';
  await run(python, ['-I', '-m', 'pip', 'install', ...options.split(' '), '-r', requirementsPath], {
    temporary,
    onLine: (line) => {
      const [, name, size] = /Downloading (\S+?)-\S+ \((\d{3,}\S* MB)\)/.exec(line) ?? [];
      if (name !== undefined) note(`downloading ${name}, ${size}`);
    },
  });
  rmSync(temporary, { recursive: true, force: true });
  writeFileSync(stampPath, wanted);
  return python;
}

/** Major and minor of the Python behind an environment's interpreter; undefined where it is no environment. */
function pythonVersion(python: string): [number, number] | undefined {
  try {
    const text = readFileSync(join(python, '../../pyvenv.cfg'), 'utf8');
    const [, major, minor] = /^version(?:_info)? = (\d+)\.(\d+)/m.exec(text) ?? [];
    return major === undefined ? undefined : [Number(major), Number(minor)];
  } catch {
    return undefined;
  }
}

async function run(
  program: string,
  args: string[],
  { temporary, onLine }: { temporary?: string; onLine?: (line: string) => void } = {},
): Promise<void> {
  let output = '';
  const child = startChild(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...(temporary !== undefined && { TMPDIR: temporary }) },
  });
  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface({ input: stream }).on('line', (line) => {
      output += `${line}\n`;
      onLine?.(line);
    });
  }
  const ending = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  if (ending === 'exit code 0') return;
  if (existsSync(folder)) writeFileSync(logPath, output);
  const reason = output.split('\n').find((line) => /error/i.test(line)) ?? ending;
  throw new UsageError(
    `the peers could not be installed (${reason.trim().slice(0, 300)}): see ${logPath}, then try again`,
  );
}
