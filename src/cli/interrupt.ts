import { readFileSync } from 'node:fs';
import { OWNER_VARIABLE } from '../jobs/run-command.ts';

/**
 * What asks a command to stop: Ctrl-C, a scheduler's or container's stop, a closed terminal or lost connection,
 * Ctrl-\, and the warnings that batch systems can be told to send before a time limit (SIGUSR1 would open Node's
 * inspector otherwise).
 */
const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1, SIGQUIT: 3, SIGUSR1: 10, SIGUSR2: 12 } as const;
type Signal = keyof typeof SIGNALS;

/** Sent again, these mean that the user will not wait. */
const IMPATIENT: readonly Signal[] = ['SIGINT', 'SIGTERM', 'SIGQUIT'];
/** A terminal signals the whole process group and npm passes the same signal on: within this time it is one request. */
const SAME_REQUEST_MS = 500;
const LAUNCHER_CHECK_MS = 500;

/**
 * A signal that the first request to stop aborts, so that work can be saved; `onFirst` tells the user. A second Ctrl-C,
 * SIGTERM or SIGQUIT ends the process at once. The end of the npm or npx that started this process is a request to stop
 * too: whoever ended that meant this.
 */
export function onInterrupt(onFirst: () => void): AbortSignal {
  const controller = new AbortController();
  let firstMs = 0;
  const stop = () => {
    if (controller.signal.aborted) return;
    firstMs = performance.now();
    controller.abort();
    onFirst();
  };
  for (const name of Object.keys(SIGNALS) as Signal[]) {
    process.on(name, () => {
      const isSecond = controller.signal.aborted && performance.now() - firstMs > SAME_REQUEST_MS;
      if (isSecond && IMPATIENT.includes(name)) process.exit(128 + SIGNALS[name]);
      stop();
    });
  }
  onLauncherGone(stop);
  return controller.signal;
}

/** For work of which nothing can be saved: the first request to stop ends this process, and with it its children. */
export function exitOnInterrupt(): void {
  for (const name of Object.keys(SIGNALS) as Signal[]) process.once(name, () => process.exit(128 + SIGNALS[name]));
  onLauncherGone(() => process.exit(128 + SIGNALS.SIGTERM));
}

/**
 * Calls `gone` when the npm, npx or command of ours that started this process has ended. npm runs a command in a shell,
 * and a signal to npm alone can end the two of them without reaching this process. Another parent, such as a shell, may
 * end and leave this process on purpose.
 */
function onLauncherGone(gone: () => void): void {
  const parent = process.ppid;
  const grandparent = parentOf(parent);
  const isOwned = process.env[OWNER_VARIABLE] === String(parent) || isNpm(parent);
  if (!isOwned && (grandparent === undefined || !isNpm(grandparent))) return;
  const timer = setInterval(() => {
    if (process.ppid === parent && (isOwned || parentOf(parent) === grandparent)) return;
    clearInterval(timer);
    gone();
  }, LAUNCHER_CHECK_MS);
  timer.unref();
}

function isNpm(pid: number): boolean {
  // npm calls its process "npm run train-agent ...", npx "npm exec ...".
  return /^np[mx]( |\0|$)/.test(readProc(pid, 'cmdline') ?? '');
}

function parentOf(pid: number): number | undefined {
  const status = /^PPid:\s*(\d+)/m.exec(readProc(pid, 'status') ?? '');
  return status ? Number(status[1]) : undefined;
}

function readProc(pid: number, file: 'cmdline' | 'status'): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined; // it has ended
  }
}
