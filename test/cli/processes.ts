// Real processes for tests of signals and faults: what a user's shell, npm or a scheduler starts and ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { until as waitUntil } from '../until.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));
/** The Python module bridge_test_envs lies there. */
export const testEnvironments = join(root, 'test/envs/python');
/** Lets sidecars find the test environments. */
const environment = {
  ...process.env,
  PYTHONPATH: [testEnvironments, process.env.PYTHONPATH].filter(Boolean).join(delimiter),
};

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

/** Starts a program in a process group of its own; what is left of the group is killed with the test. */
export function start(program: string, args: string[], env: Record<string, string> = {}): Started {
  const child = spawn(program, args, {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...environment, ...env },
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
  const pid = child.pid!;
  onTestFinished(async () => {
    // The group's leader may be gone while others of it live on.
    for (const left of processes().filter(({ group }) => group === pid)) signal(left.pid, 'SIGKILL');
  });
  return { child, pid, output, ended };
}

/** Starts a command of this project, without npm. */
export function startCommand(name: string, args: string[], env?: Record<string, string>): Started {
  return start(process.execPath, [join(root, 'dist/scripts', `${name}.js`), ...args], env);
}

/** Starts a command as the README says. */
export function startNpm(name: string, args: string[]): Started {
  return start('npm', ['run', '--silent', name, '--', ...args]);
}

/** Starts a command as one does in a project that has the package installed. */
export function startNpx(name: string, args: string[]): Started {
  return start('npx', [name, ...args]);
}

/** Waits for a state; where it does not come, the test fails with what the program said. */
export async function until(what: string, holds: () => boolean, { output }: HasOutput): Promise<void> {
  await waitUntil(what, holds).catch((error) => {
    throw new Error(`${error.message}\n${output.stdout}${output.stderr}`);
  });
}

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

export function sidecarOf(pid: number): number | undefined {
  return descendants(pid).find(({ command }) => command.includes('gymnasium_js_bridge'))?.pid;
}

/** The process that trains: below npm and its shell, or the one that was started. */
export function trainerOf(pid: number): number | undefined {
  const sidecar = sidecarOf(pid);
  return processes().find((row) => row.pid === sidecar)?.parent;
}

/** Lines of a run's metrics; none before there are any. */
export function metricsOf(runDir: string): Record<string, number>[] {
  const path = join(runDir, 'metrics.jsonl');
  if (!existsSync(path)) return [];
  const whole = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return whole.map((line) => JSON.parse(line));
}

export function checkpointsOf(runDir: string): number[] {
  const path = join(runDir, 'checkpoints');
  return existsSync(path)
    ? readdirSync(path)
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
        .sort((a, b) => a - b)
    : [];
}
