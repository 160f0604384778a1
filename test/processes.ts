// Programs and commands of this project that tests start as a user's shell, npm or a scheduler does.
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { until as waitUntil } from './until.ts';

/** The folder of this project, without a slash at its end. */
export const mainRoot = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
/** The folder of the Python module bridge_test_envs. */
export const testEnvironments = join(mainRoot, 'test/envs/python');

export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Started {
  child: ChildProcess;
  pid: number;
  /** What it has written so far. */
  output: { stdout: string; stderr: string };
  ended: Promise<Ending>;
}

export type HasOutput = Pick<Started, 'output'>;

interface StartOptions {
  /** The working folder, by default that of this project. */
  cwd?: string;
  /** Environment variables to set besides those of this process. */
  env?: Record<string, string>;
  /** Whether the program leads a process group of its own, as in a user's shell. Default false. */
  detached?: boolean;
}

/** Starts a program, with nothing on its standard input, and gathers what it writes. */
export function start(program: string, args: string[], options: StartOptions = {}): Started {
  const { cwd = mainRoot, env, detached = false } = options;
  const child = spawn(program, args, {
    cwd,
    detached,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text) => {
      output[name] += text;
    });
  }
  const ended = new Promise<Ending>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, ...output }));
  });
  ended.catch(() => {});
  return { child, pid: child.pid!, output, ended };
}

/**
 * Starts a program in a process group of its own, whose sidecars find the test environments. What is left of the group
 * is killed when the test ends.
 */
export function startGroup(program: string, args: string[], env: Record<string, string> = {}): Started {
  const path = [testEnvironments, process.env.PYTHONPATH].filter(Boolean).join(delimiter);
  const started = start(program, args, { env: { PYTHONPATH: path, ...env }, detached: true });
  onTestFinished(() => {
    // The group's leader may be gone while others of it live on.
    for (const { pid, group } of processes()) if (group === started.pid) signal(pid, 'SIGKILL');
  });
  return started;
}

const commandFile = (name: string) => join(mainRoot, 'dist/scripts', `${name}.js`);

/** Starts a command of this project, without npm, in a group of its own. `npm test` has built `dist`. */
export function startCommand(name: string, args: string[], env?: Record<string, string>): Started {
  return startGroup(process.execPath, [commandFile(name), ...args], env);
}

/** Runs a command of this project to its end, also where no test runs yet. `npm test` has built `dist`. */
export function runCommand(name: string, ...args: string[]): Promise<Ending> {
  return start(process.execPath, [commandFile(name), ...args]).ended;
}

/**
 * Runs commands that end at once, such as those that refuse their input, one after the other in one process: starting
 * Node.js and reading tfjs takes far longer than what they do. Each runs as it would in a process of its own.
 * @param cases Each the name of a command and its arguments.
 */
export function runCommands(cases: readonly (readonly string[])[]): () => Promise<Ending[]> {
  let endings: Promise<Ending[]> | undefined;
  return () => {
    endings ??= startGroup(process.execPath, [
      join(mainRoot, 'test/many-commands.mjs'),
      JSON.stringify(cases),
    ]).ended.then(({ stdout, stderr }) => {
      if (stdout === '') throw new Error(`the commands did not come to an end: ${stderr}`);
      return JSON.parse(stdout);
    });
    return endings;
  };
}

/** Starts a command as the README says. */
export function startNpm(name: string, args: string[]): Started {
  return startGroup('npm', ['run', '--silent', name, '--', ...args]);
}

/** Starts a command as one does in a project that has the package installed. */
export function startNpx(name: string, args: string[]): Started {
  return startGroup('npx', [name, ...args]);
}

/** Waits until the program has printed the text on its standard error. */
export async function printed({ child, output, ended }: Started, text: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const look = () => {
      if (output.stderr.includes(text)) resolve();
    };
    look();
    child.stderr!.on('data', look);
    ended.then(() => reject(new Error(`ended before it printed "${text}": ${output.stderr}`)), reject);
  });
}

/** Waits for a state; where it does not come, the test fails with what the program said. */
export async function until(what: string, holds: () => boolean, { output }: HasOutput): Promise<void> {
  await waitUntil(what, holds).catch((error) => {
    throw new Error(`${error.message}\n${output.stdout}${output.stderr}`);
  });
}

/** Sends a signal to a process, or to a group by its negative id; nothing happens where it is gone. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

interface ProcessRow {
  pid: number;
  parent: number;
  group: number;
  command: string;
}

/** The processes that run (a zombie does not). */
export function processes(): ProcessRow[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [state, parent, group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        return state === 'Z' ? [] : [{ pid: Number(name), parent: Number(parent), group: Number(group), command }];
      } catch {
        return []; // gone meanwhile
      }
    });
}

/** The descendants of a process, itself left out. */
export function descendants(pid: number): ProcessRow[] {
  const all = processes();
  const found: ProcessRow[] = [];
  for (let parents = [pid]; parents.length > 0; ) {
    const children = all.filter(({ parent }) => parents.includes(parent));
    found.push(...children);
    parents = children.map((child) => child.pid);
  }
  return found;
}

/** The process id of the sidecar below a process. */
export function sidecarOf(pid: number): number | undefined {
  return descendants(pid).find(({ command }) => command.includes('gymnasium_js_bridge'))?.pid;
}

/** The id of the process that trains: below npm and its shell, or the one that was started. */
export function trainerOf(pid: number): number | undefined {
  const sidecar = sidecarOf(pid);
  return processes().find((row) => row.pid === sidecar)?.parent;
}
