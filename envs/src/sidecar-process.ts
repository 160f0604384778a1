import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { delimiter, resolve as resolvePath } from 'node:path';
import { createInterface } from 'node:readline';
import { SidecarDiedError, type SidecarExit, SidecarStartError, SidecarTimeoutError } from './errors.ts';
import { type ErrorFields, errorFrom } from './protocol.ts';
import { findPython, sidecarFolder } from './python.ts';

const KEPT_STDERR_LINES = 50;
const LAST_WORDS_WAIT_MS = 200;

/** A sidecar process that listens. */
export interface SidecarProcess {
  /** Where its socket listens. */
  endpoint: string;
  /** A secret that `hello` must carry: on loopback, other users could connect too. */
  token: string;
  pid: number;
  /** Resolves when the process has ended. */
  exited: Promise<SidecarExit>;
  /** Ends the process at once and removes what it might leave behind. */
  kill(): void;
}

export interface StartOptions {
  python?: string;
  startTimeoutMs: number;
  signal?: AbortSignal;
  onSidecarLog?: (line: string) => void;
}

/** The line that the sidecar writes to standard output once it listens, or cannot. */
type Announcement = { endpoint: string; folder: string | null } | { error: ErrorFields };

// However this process ends with its exit handlers run, no sidecar stays. Where they do not run, the sidecar sees its
// standard input close.
const killers = new Set<() => void>();
process.on('exit', () => {
  for (const kill of killers) kill();
});

/**
 * Starts a sidecar and waits until it listens.
 *
 * @throws SidecarStartError where Python or a package is missing; SidecarDiedError; SidecarTimeoutError; the signal's
 *   reason.
 */
export async function startSidecar(options: StartOptions): Promise<SidecarProcess> {
  options.signal?.throwIfAborted();
  const python = findPython(options.python);
  const token = randomBytes(16).toString('hex');
  const child = spawn(python, ['-u', '-m', 'gymnasium_js_bridge', '--parent-pid', String(process.pid)], {
    // `-m` looks in the working folder first: let it find the sidecar there, and none of the caller's files by mistake.
    cwd: sidecarFolder,
    env: { ...process.env, ...callersPythonPath(), GYMNASIUM_JS_BRIDGE_TOKEN: token },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  letNodeEnd(child);
  child.stdin.on('error', () => {}); // EPIPE when the sidecar is gone; `exited` tells.

  let folder: string | null = null;
  const removeFolder = () => folder !== null && rmSync(folder, { recursive: true, force: true });
  const kill = () => {
    child.kill('SIGKILL');
    removeFolder();
  };
  killers.add(kill);
  const exited = whenExited(child, options.onSidecarLog);
  exited.then(() => {
    removeFolder();
    killers.delete(kill);
  });

  try {
    const announcement = await announcementOf(child, python, exited, options);
    if ('error' in announcement) throw errorFrom(announcement.error);
    folder = announcement.folder;
    return { endpoint: announcement.endpoint, token, pid: child.pid!, exited, kill };
  } catch (error) {
    kill();
    if (child.pid === undefined) killers.delete(kill);
    throw error;
  }
}

/** An idle sidecar does not keep Node running; start-up and requests under way do, by their timers. */
function letNodeEnd(child: ChildProcess): void {
  child.unref();
  for (const stream of child.stdio) (stream as unknown as { unref(): void }).unref();
}

/** The caller's $PYTHONPATH, with paths that do not depend on the working folder. */
export function callersPythonPath(): { PYTHONPATH?: string } {
  const path = process.env.PYTHONPATH;
  if (!path) return {};
  return {
    PYTHONPATH: path
      .split(delimiter)
      .map((folder) => resolvePath(folder))
      .join(delimiter),
  };
}

function whenExited(child: ChildProcess, onLine?: (line: string) => void): Promise<SidecarExit> {
  const stderr: string[] = [];
  createInterface({ input: child.stderr! }).on('line', (line) => {
    stderr.push(line.slice(0, 1000));
    if (stderr.length > KEPT_STDERR_LINES) stderr.shift();
    onLine?.(line);
  });
  return new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => {
      const done = () => resolve({ exitCode, signal, stderr });
      // Its last words may still be in the pipe; do not wait long, since another process may hold the other end.
      child.once('close', done);
      setTimeout(done, LAST_WORDS_WAIT_MS);
    });
  });
}

function announcementOf(
  child: ChildProcess,
  python: string,
  exited: Promise<SidecarExit>,
  { startTimeoutMs, signal }: StartOptions,
): Promise<Announcement> {
  let stopWaiting = () => {};
  return new Promise<Announcement>((resolve, reject) => {
    const abort = () => reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    const timer = setTimeout(() => reject(timeoutError('start', startTimeoutMs)), startTimeoutMs);
    stopWaiting = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    child.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'ENOENT' ? 'not found' : error.message;
      const mend =
        'install Python 3.10 or newer, or name one with the option "python" or the variable GYMNASIUM_PYTHON';
      reject(new SidecarStartError(`cannot run Python "${python}" (${reason}): ${mend}`));
    });
    exited.then((exit) => reject(diedError('start-up', exit)));
    createInterface({ input: child.stdout! }).once('line', (line) => {
      try {
        resolve(JSON.parse(line));
      } catch {
        reject(
          new SidecarStartError(`"${python}" is no Python that runs the sidecar: it wrote "${line.slice(0, 200)}"`),
        );
      }
    });
  }).finally(() => stopWaiting());
}

export function timeoutError(op: string, timeoutMs: number, envName?: string): SidecarTimeoutError {
  return new SidecarTimeoutError(
    `the sidecar${of(envName)} did not answer "${op}" within ${timeoutMs} ms, so it was killed`,
    op,
    timeoutMs,
  );
}

export function diedError(during: string, exit: SidecarExit, envName?: string): SidecarDiedError {
  const how = exit.signal ? `signal ${exit.signal}` : `exit code ${exit.exitCode}`;
  const lastWords = exit.stderr.at(-1);
  const words = lastWords ? `: ${lastWords}` : '';
  return new SidecarDiedError(`the sidecar${of(envName)} ended (${how}) during ${during}${words}`, exit);
}

function of(envName: string | undefined): string {
  return envName === undefined ? '' : ` of ${envName}`;
}
