import { SidecarError } from './errors.ts';
import type { EnvFault, VectorEnvOptions } from './options.ts';

/** How often in a row lost environments are started again before the fault is thrown. */
const RESTARTS_IN_A_ROW = 3;

/**
 * Options of `makeVectorEnv` with which lost environments are started again, up to three times in a row.
 * @param note Hears of each loss in one line.
 * @param beforeRestart Is awaited before each start: the place to save.
 */
export function restartOptions(
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

function faultLine({ error, restart, maxRestarts }: EnvFault): string {
  const reason = error instanceof SidecarError ? error.describe() : error.message;
  return `${reason}; starting it again and playing on (${restart} of at most ${maxRestarts} in a row)`;
}
