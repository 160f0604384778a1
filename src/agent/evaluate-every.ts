import type { VectorEnv } from 'gymnasium-js-bridge';
import { z } from 'zod';
import { playEpisodes, summarizeReturns } from '../evaluation/index.ts';
import type { Numbers } from '../runs/events.ts';
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

/** The best evaluation so far, as checkpoints keep it. */
const stateSchema = z.object({ bestMeanReturn: z.number(), bestAgentSteps: z.int() }).optional();

/**
 * Evaluates the agent while it learns, each time on the same episodes, in environments of its own that close after it:
 * an `evaluation` event with meanReturn and its like. The checkpoint of the best evaluation stays in the run's `best`
 * folder; of equals it is the first one.
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
  let best: z.infer<typeof stateSchema>;
  return {
    name: 'evaluation',
    getState: () => best,
    setState(state) {
      best = stateSchema.parse(state);
    },
    summary: (): Numbers => ({ ...best }),
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
        const { meanReturn } = summary;
        if (best !== undefined && meanReturn <= best.bestMeanReturn) return;
        best = { bestMeanReturn: meanReturn, bestAgentSteps: run.position };
        await run.save();
        const { checkpoint } = run.summary();
        if (checkpoint !== undefined) await run.folder?.keepBest({ step: run.position, path: checkpoint });
      } finally {
        player.dispose();
        await env.close();
      }
    },
  };
}
