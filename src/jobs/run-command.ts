import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageFolder } from '../files/package-folder.ts';
import { startChild } from './child-process.ts';

/** Names the process whose end is a request to stop: set for the commands that our own commands start. */
export const OWNER_VARIABLE = 'WEIGHTNORM_OWNER_PID';

export interface ChildOptions {
  /** Passed on to the child as one Ctrl-C: it saves what it has, and ends. */
  signal: AbortSignal;
  /** Whether it leaves the processor to whoever else wants it. */
  nice?: boolean | undefined;
  /** Variables that it finds in its environment where this process has none of the name. */
  env?: Readonly<Record<string, string>> | undefined;
  /** Hears each line on the child's standard error. */
  onLine: (line: string) => void;
}

/** Runs a command of this project to its end. `lastLine`: of its standard error, where it says what went wrong. */
export async function runCommandChild(
  command: string,
  args: readonly string[],
  { signal, nice, env, onLine }: ChildOptions,
) {
  const script = join(packageFolder(), 'dist/scripts', `${command}.js`);
  const line = [...(nice ? ['nice', '-n', '19'] : []), process.execPath, script, ...args];
  const child = startChild(line[0], line.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env, ...process.env, [OWNER_VARIABLE]: String(process.pid) },
  });
  const interrupt = () => child.kill('SIGINT');
  signal.addEventListener('abort', interrupt);
  if (signal.aborted) interrupt();
  let stdout = '';
  let lastLine = '';
  child.stdout!.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  createInterface({ input: child.stderr! }).on('line', (line) => {
    lastLine = line;
    onLine(line);
  });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    return { code, stdout, lastLine };
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
}
