import type { VectorEnv } from 'gymnasium-js-bridge';
import { playEpisodes, summarizeReturns } from '../evaluation/index.ts';
import type { Tracker } from '../runs/tracker.ts';
import { crossed } from '../runs/trainable.ts';
import { SettingError } from '../settings/index.ts';
import type { assignEffectiveWeights } from '../weightnorm/index.ts';
import type { Agent, AgentStep } from './agent.ts';
import type { AgentParts, AnyAgentDefinition } from './definition.ts';
import { makeEnv } from './environment.ts';
import { createPlayer } from './player.ts';
import type { AgentSettings } from './settings.ts';
import { stateOptions } from './states.ts';

const MOST_ENVS = 8;

/**
 * Evaluates the agent while it learns, each time on the same episodes, in environments of its own that close after it:
 * an `evaluation` event with meanReturn and its like.
 */
export function evaluateEvery(
  definition: AnyAgentDefinition,
  settings: AgentSettings,
  {
    note,
    signal,
    network,
    env: given,
  }: Pick<AgentParts, 'network'> & {
    note?: ((line: string) => void) | undefined;
    signal?: AbortSignal | undefined;
    env?: VectorEnv | undefined;
  },
): Tracker<AgentStep> {
  if (given !== undefined) {
    const reason = 'needs environments of its own, and "env" was handed in';
    throw new SettingError({ key: 'evaluationPeriodSteps', value: settings.evaluationPeriodSteps, reason });
  }
  const { evaluationPeriodSteps, evaluationEpisodes: episodes, evaluationEpsilon: epsilon, frameStack } = settings;
  return {
    async onStep(step, run) {
      if (!crossed(step, evaluationPeriodSteps)) return;
      const trained = (run.trainable as Agent).currentNetwork();
      const env: VectorEnv = await makeEnv({ ...settings, numEnvs: Math.min(episodes, MOST_ENVS) }, note);
      const load = (copy: Parameters<typeof assignEffectiveWeights>[0]) => copy.setWeights(trained.getWeights());
      const player = createPlayer(definition, settings, env, load, network);
      try {
        const played = await playEpisodes({
          ...{ env, episodes, seed: settings.seed, epsilon, frameStack },
          policy: player.act,
          frameShape: stateOptions(settings, env).frameShape,
          ...(signal && { signal }),
        });
        if (played.length < episodes) return; // asked to stop meanwhile: a part would not compare with the others
        const summary = summarizeReturns(played.map((episode) => episode.return));
        await run.emit({ kind: 'evaluation', numbers: { episodes, ...summary } });
      } finally {
        player.dispose();
        await env.close();
      }
    },
  };
}
