import { type EnvFault, SidecarError } from 'gymnasium-js-bridge';

/** How often in a row lost environments are started again before a command gives up. */
export const RESTARTS_IN_A_ROW = 3;

/** What a run remembers of environments that were lost and started again, and what it does before a start. */
export interface Recovery {
  /** How often environments were started again since the run began. */
  restarts: number;
  /** Is awaited before each start: the place to save. */
  beforeRestart?: (() => Promise<void>) | undefined;
}

/** What is said of lost environments, in one line. */
export function faultLine({ error, restart, maxRestarts }: EnvFault): string {
  const reason = error instanceof SidecarError ? error.describe() : error.message;
  return `${reason}; starting it again and playing on (${restart} of at most ${maxRestarts} in a row)`;
}
