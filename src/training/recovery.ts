import { type EnvFault, SidecarError, type VectorEnvOptions } from 'gymnasium-js-bridge';

/** How often in a row lost environments are started again before a command gives up. */
const RESTARTS_IN_A_ROW = 3;

/** What a run remembers of environments that were lost and started again, and what it does before a start. */
export interface Recovery {
  /** How often environments were started again since the run began. */
  restarts: number;
  /** Is awaited before each start: the place to save. */
  beforeRestart?: (() => Promise<void>) | undefined;
}

/**
 * The options with which every command makes its environments: lost ones are started again, and `note` hears of it.
 * @param beforeRestart Is awaited before each start.
 */
export function recoveryOptions(
  note: ((line: string) => void) | undefined,
  beforeRestart?: () => Promise<void>,
): Pick<VectorEnvOptions, 'maxRestarts' | 'onFault'> {
  return {
    maxRestarts: RESTARTS_IN_A_ROW,
    onFault: (fault) => {
      note?.(faultLine(fault));
      return beforeRestart?.();
    },
  };
}

/** What is said of lost environments, in one line. */
function faultLine({ error, restart, maxRestarts }: EnvFault): string {
  const reason = error instanceof SidecarError ? error.describe() : error.message;
  return `${reason}; starting it again and playing on (${restart} of at most ${maxRestarts} in a row)`;
}

/** After a request to stop, what is under way gets this long; then it is left. */
const STOP_GRACE_MS = 3000;

/**
 * Calls `leave` a few seconds after `signal` is aborted: environments that hang must not keep a command from stopping.
 * @returns A function that forgets about it, for when the work is done.
 */
export function afterGrace(signal: AbortSignal | undefined, leave: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const onAbort = () => {
    timer = setTimeout(leave, STOP_GRACE_MS);
  };
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  };
}
