import { makeVectorEnv, restartOptions, type VectorEnv, type VectorEnvOptions } from 'gymnasium-js-bridge';
import type { AgentSettings } from './settings.ts';

/** The options of a run's environments. Single frames come over the wire; the agent stacks them, as its replay does. */
export function envOptions(settings: AgentSettings): VectorEnvOptions {
  const { game, envId, numEnvs, seed } = settings;
  const timeoutMs = Math.ceil(settings.envTimeoutSeconds * 1000);
  const common = { numEnvs, seed, timeoutMs };
  if (game === null) return { ...common, id: envId! };
  const { stickyActionProbability, maxNoops, maxEpisodeFrames } = settings;
  return { ...common, game, frameStack: 1, stickyActionProbability, maxNoops, maxEpisodeFrames };
}

/**
 * Makes a run's environments; lost ones are started again.
 * @param note Hears of losses.
 * @param beforeRestart Is awaited before each start: the place to save.
 */
export function makeEnv(
  settings: AgentSettings,
  note?: (line: string) => void,
  beforeRestart?: () => Promise<void>,
): Promise<VectorEnv> {
  return makeVectorEnv({ ...envOptions(settings), ...restartOptions(note, beforeRestart) });
}
