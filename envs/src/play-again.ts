import { NotReproducibleError } from './errors.ts';
import type { ObservationArray, ResetResult, StepResult, VectorEnv, VectorEnvState } from './types.ts';

/** One episode as far as it was played: with the settings, all that is needed to play it again. */
export interface PlayedEpisode {
  seed: number;
  /** The actions taken so far. */
  actions: ArrayLike<number>;
  /** Whether it ended with the last of them. */
  ended: boolean;
}

/** Hears what happens while episodes are played again. Lanes that only wait are not told of. */
export interface PlayAgainListener {
  onReset?: (lane: number, seed: number, result: ResetResult) => void;
  onStep?: (lane: number, action: number, result: StepResult) => void;
  /** Hears how many agent steps of how many are done, all environments together. */
  onProgress?: (done: number, total: number) => void;
}

/**
 * Plays the latest episodes of every environment again, so that all environments end where they stood: the last episode
 * of each goes on from there. An environment with less to play waits (its steps count for nothing), so that all finish
 * together.
 *
 * @param env Environments with the settings of those that played first, at any point.
 * @param episodes For each environment its latest episodes, oldest first; only the last one has not ended.
 * @param state What `getState()` gave when the last of the actions had been taken; the environments get it back.
 * @returns The newest observations, [numEnvs, ...shape].
 * @throws NotReproducibleError where an episode ends elsewhere than it did.
 */
export async function playAgain(
  env: VectorEnv,
  episodes: readonly (readonly PlayedEpisode[])[],
  state: VectorEnvState,
  { onReset, onStep, onProgress }: PlayAgainListener = {},
): Promise<ObservationArray> {
  const lengths = episodes.map((lane) => lane.reduce((sum, { actions }) => sum + actions.length, 0));
  const total = Math.max(...lengths);
  const stepsBeforeStart = lengths.map((length) => total - length);
  const firstSeeds = episodes.map((lane) => lane[0]!.seed);
  const startedBefore = episodes.map((lane, i) => state.episodesStarted[i]! - lane.length);
  const cursors = episodes.map(() => ({ episode: 0, step: 0 }));
  let observations: ObservationArray | undefined;

  for (let step = 0; step <= total; step++) {
    const mask = stepsBeforeStart.map((before) => before === step);
    if (step === 0 || mask.includes(true)) {
      // Those that have begun keep their count; those that begin now, or only wait, are before their first episode.
      const { episodesStarted } = env.getState();
      const playing = stepsBeforeStart.map((before) => before < step);
      env.setState({ episodesStarted: episodesStarted.map((now, i) => (playing[i] ? now : startedBefore[i]!)) });
      // At the very beginning those that only wait are reset too, to have something to step.
      const reset = await env.reset(step === 0 ? { seeds: firstSeeds } : { seeds: firstSeeds, mask });
      observations = reset.observations;
      mask.forEach((starts, lane) => {
        if (starts) onReset?.(lane, firstSeeds[lane]!, reset);
      });
    }
    if (step === total) break;

    const current = cursors.map(({ episode }, lane) => episodes[lane]![episode]!);
    const playing = stepsBeforeStart.map((before) => before <= step);
    const actions = current.map((episode, lane) => (playing[lane] ? episode.actions[cursors[lane]!.step]! : 0));
    const nextSeeds = cursors.map(({ episode }, lane) => episodes[lane]![episode + 1]?.seed ?? firstSeeds[lane]!);
    const result = await env.step(actions, { nextSeeds });
    observations = result.observations;
    for (let lane = 0; lane < episodes.length; lane++) {
      if (!playing[lane]) continue;
      onStep?.(lane, actions[lane]!, result);
      const cursor = cursors[lane]!;
      const { actions: all, ended: shouldEnd, seed } = current[lane]!;
      cursor.step += 1;
      const ended = result.terminated[lane] === 1 || result.truncated[lane] === 1;
      if (ended !== (shouldEnd && cursor.step === all.length)) throw anotherCourse(env, seed, cursor.step);
      if (ended) {
        cursor.episode += 1;
        cursor.step = 0;
      }
    }
    onProgress?.((step + 1) * episodes.length, total * episodes.length);
  }
  env.setState(state);
  return observations!;
}

function anotherCourse({ settings }: VectorEnv, seed: number, step: number): NotReproducibleError {
  return new NotReproducibleError(
    `${settings.id}: the episode with seed ${seed}, played again, took another course at agent step ${step}: ` +
      'the emulator has changed since, or its randomness is not decided by reset(seed)',
  );
}
