import {
  EnvOptionsError,
  makeVectorEnv,
  restartOptions,
  type VectorEnv,
  type VectorEnvOptions,
} from 'gymnasium-js-bridge';
import { SettingError } from '../settings/index.ts';
import { installMinAtar } from './minatar.ts';
import { type AgentSettings, checkEnvId } from './settings.ts';

/** Emulator frames of an agent step. */
const FRAME_SKIP = 4;

/** The options of a run's environments. Single frames come over the wire; the agent stacks them, as its replay does. */
export function envOptions(settings: AgentSettings): VectorEnvOptions {
  const { game, envId, envOptions, maxEpisodeSteps, numEnvs, seed } = settings;
  const timeoutMs = Math.ceil(settings.envTimeoutSeconds * 1000);
  const common = { numEnvs, seed, timeoutMs };
  if (game === null) {
    const problem = checkEnvId(envId!);
    if (problem !== undefined) throw new SettingError(problem);
    return {
      ...{ ...common, id: envId! },
      ...(maxEpisodeSteps !== null && { maxEpisodeSteps }),
      ...(Object.keys(envOptions).length > 0 && { envOptions }),
    };
  }
  const { stickyActionProbability, maxNoops } = settings;
  const maxEpisodeFrames = Math.min(settings.maxEpisodeFrames, (maxEpisodeSteps ?? Infinity) * FRAME_SKIP);
  return {
    ...{ ...common, game, frameStack: 1, frameSkip: FRAME_SKIP },
    ...{ stickyActionProbability, maxNoops, maxEpisodeFrames },
  };
}

/**
 * Makes a run's environments; lost ones are started again.
 * @param note Hears of losses.
 * @param beforeRestart Is awaited before each start: the place to save.
 * @param placing Processes that the environments are divided over, and what ends the wait for them.
 * @throws SettingError for what the environment cannot be made with; what `makeVectorEnv` throws.
 */
export async function makeEnv(
  settings: AgentSettings,
  note?: (line: string) => void,
  beforeRestart?: () => Promise<void>,
  placing: Pick<VectorEnvOptions, 'workers' | 'signal'> = {},
): Promise<VectorEnv> {
  checkWorkers(settings, placing);
  await installMinAtar(settings.envId, note);
  try {
    return await makeVectorEnv({ ...envOptions(settings), ...restartOptions(note, beforeRestart), ...placing });
  } catch (error) {
    // The bridge's option of this name is a setting here, which each user spells in his own way.
    if (!(error instanceof EnvOptionsError) || !error.message.includes('envOptions')) throw error;
    const reason = error.message.replaceAll('envOptions', '{envOptions}');
    throw new SettingError({ key: 'envOptions', value: undefined, reason });
  }
}

function checkWorkers({ numEnvs }: AgentSettings, { workers = 1 }: Pick<VectorEnvOptions, 'workers'>): void {
  const count = typeof workers === 'number' ? workers : (workers.count ?? 1);
  if (count <= numEnvs) return;
  const reason = `leaves some of the ${count} workers without an environment`;
  throw new SettingError({ key: 'numEnvs', value: numEnvs, reason, mend: `give {numEnvs} ${count} or fewer workers` });
}

/** Tells of environments in which an episode may never end, so that who evaluates in them may wait for ever. */
export function noteEndless({ settings }: VectorEnv, note: ((line: string) => void) | undefined): void {
  const { kind, id, maxEpisodeSteps } = settings;
  if (kind === 'atari' || maxEpisodeSteps !== undefined) return;
  note?.(
    `${id} sets no limit to an episode, so an evaluation may never end: --max-episode-steps (maxEpisodeSteps) sets one`,
  );
}
