import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { EnvSettings, FinishedEpisode, VectorEnv } from 'gymnasium-js-bridge';
import { humanNormalizedScore, playEpisodes, type ReturnSummary, summarizeReturns } from '../evaluation/index.ts';
import { type EpisodeRecording, RECORDING_EXTENSION, writeRecording } from '../recording/episode-file.ts';
import { EpisodeRecorder } from '../recording/recorder.ts';
import { InterruptedError } from '../runs/errors.ts';
import { RunFolder } from '../runs/folder.ts';
import { SettingError } from '../settings/index.ts';
import type { AnyAgentDefinition } from './definition.ts';
import { makeEnv, noteEndless } from './environment.ts';
import type { NetworkFactory } from './networks.ts';
import { createPlayer, type Player } from './player.ts';
import { type AgentSettings, checkEnvironment } from './settings.ts';
import { stateOptions } from './states.ts';
import { type ChosenCheckpoint, findCheckpoint, readNetwork } from './stored-network.ts';
import { readAgentRun } from './train.ts';

/** How agents are compared on Atari. */
export const protocols = {
  nature: {
    about: 'Mnih et al. 2015: up to 29 no-op frames at the start, random action 0.05, episodes of at most 5 minutes',
    settings: { stickyActionProbability: 0, maxNoops: 30, maxEpisodeFrames: 18_000 },
    epsilon: 0.05,
  },
  machado: {
    about: 'Machado et al. 2018: sticky actions 0.25, no no-ops, episodes of at most 5 minutes; random action 0.001',
    settings: { stickyActionProbability: 0.25, maxNoops: 0, maxEpisodeFrames: 18_000 },
    epsilon: 0.001,
  },
} as const;

/** The name of a protocol. */
export type ProtocolName = keyof typeof protocols;

/** What is evaluated, over how many episodes, and how they are played. */
export interface EvaluateAgentOptions {
  runDir: string;
  episodes: number;
  seed: number;
  protocol?: ProtocolName;
  /** In place of the protocol's. */
  epsilon?: number;
  maxEpisodeFrames?: number;
  /** In place of the run's; in any environment. */
  maxEpisodeSteps?: number;
  /** In place of the run's. */
  envTimeoutSeconds?: number;
  /**
   * Agent step of the checkpoint, or `best` for that of the best evaluation while training; the newest if not given.
   */
  checkpoint?: ChosenCheckpoint;
  /** Environments in place of those of the run, such as ones written in TypeScript; they stay open. */
  env?: VectorEnv;
  /** The factory of the network, where the run was made with one of the user's. */
  network?: NetworkFactory;
  /** Whether a Python module that the folder's config.json names may be imported. */
  trustModules?: boolean;
  /** Writes each episode to the run's `recordings` folder. */
  record?: boolean;
  signal?: AbortSignal;
  /** Hears what the user should know, a line each. */
  note?: (line: string) => void;
  /** Hears of each episode that has ended, and its number, from 0 on. */
  onEpisode?: (episode: FinishedEpisode, number: number) => void;
}

export interface Evaluation extends ReturnSummary {
  run: string;
  /** Whether it was asked to stop before all episodes had ended; `episodes` are then the first ones that had. */
  interrupted: boolean;
  checkpointAgentSteps: number;
  /** Whether that is the checkpoint of the best evaluation while training. */
  isBest: boolean;
  environment: string;
  /** null outside Atari. */
  protocol: ProtocolName | null;
  epsilon: number;
  seed: number;
  episodes: {
    return: number;
    lengthFrames: number;
    lengthSteps: number;
    seed: number;
    truncated: boolean;
    recording?: string;
  }[];
  /** (mean - random) / (human - random); null where there are no published scores. */
  humanNormalizedScore: number | null;
  settings: EnvSettings;
}

const MOST_ENVS = 8;

/**
 * Plays episodes with the network of a run's checkpoint. The same seed gives the same scores.
 * @param find Knows the agents by their names.
 * @throws InterruptedError where it was asked to stop before an episode ended.
 */
export async function evaluateAgentRun(
  find: (name: string) => AnyAgentDefinition,
  options: EvaluateAgentOptions,
): Promise<Evaluation> {
  const { runDir, episodes, seed, note } = options;
  const folder = RunFolder.open(runDir);
  const { definition, settings } = await readAgentRun(folder, find, {
    env: options.env,
    trusted: options.trustModules,
  });
  const checkpoint = await findCheckpoint(folder, options.checkpoint, note);
  const protocol = protocolOf(settings, options);
  const epsilon = options.epsilon ?? (protocol === null ? settings.evaluationEpsilon : protocols[protocol].epsilon);
  const evaluated: AgentSettings = {
    ...settings,
    ...(protocol !== null && protocols[protocol].settings),
    ...(options.maxEpisodeFrames !== undefined && { maxEpisodeFrames: options.maxEpisodeFrames }),
    ...(options.maxEpisodeSteps !== undefined && { maxEpisodeSteps: options.maxEpisodeSteps }),
    ...(options.envTimeoutSeconds !== undefined && { envTimeoutSeconds: options.envTimeoutSeconds }),
    numEnvs: Math.min(episodes, MOST_ENVS),
  };
  const loadNetwork = await readNetwork(checkpoint);
  const env = options.env ?? (await makeEnv({ ...evaluated, seed }, note));
  let player: Player | undefined;
  try {
    const problem = checkEnvironment(evaluated, env) ?? definition.checkEnv(evaluated, env);
    if (problem !== undefined) throw new SettingError(problem);
    noteEndless(env, note);
    player = createPlayer(definition, evaluated, env, loadNetwork, options.network);
    const recordings = new Map<number, EpisodeRecording>();
    const recorderFor = (number: number) => {
      const recorder = new EpisodeRecorder(env, {
        run: basename(resolve(runDir)),
        checkpointAgentSteps: checkpoint.step,
        epsilon,
      });
      return {
        start: recorder.start.bind(recorder),
        step: recorder.step.bind(recorder),
        finish: (episode: FinishedEpisode) => recordings.set(number, recorder.finish(episode)),
      };
    };
    const played = await playEpisodes({
      env,
      policy: player.act,
      episodes,
      seed,
      epsilon,
      frameStack: evaluated.frameStack,
      frameShape: stateOptions(evaluated, env).frameShape,
      ...(options.record === true && { listen: recorderFor }),
      ...(options.onEpisode && { onEpisode: options.onEpisode }),
      ...(options.signal && { signal: options.signal }),
    });
    if (played.length === 0)
      throw new InterruptedError('interrupted before the first episode ended: nothing to report');
    const summary = summarizeReturns(played.map((episode) => episode.return));
    const paths = new Map<number, string>();
    for (const [number, recording] of recordings) {
      if (number >= played.length) continue;
      const stem = `step${checkpoint.step}-${protocol ?? 'eval'}-seed${seed}-episode${number}`;
      paths.set(number, await writeNew(folder.recordingsPath, stem, recording));
    }
    return {
      run: runDir,
      interrupted: played.length < episodes,
      checkpointAgentSteps: checkpoint.step,
      isBest: options.checkpoint === 'best',
      environment: env.settings.id,
      protocol,
      epsilon,
      seed,
      episodes: played.map(({ return: score, lengthFrames, lengthSteps, seed, truncated }, number) => {
        const recording = paths.get(number);
        return {
          return: score,
          lengthFrames,
          lengthSteps,
          seed,
          truncated,
          ...(recording !== undefined && { recording }),
        };
      }),
      ...summary,
      humanNormalizedScore: humanNormalizedScore(env.settings.id, summary.meanReturn) ?? null,
      settings: env.settings,
    };
  } finally {
    player?.dispose();
    if (options.env === undefined) await env.close();
  }
}

/**
 * The protocol that an Atari run is played with; null outside Atari.
 * @throws SettingError where one is named for another environment.
 */
export function protocolOf(
  { game, envId, stickyActionProbability }: AgentSettings,
  { protocol, maxEpisodeFrames }: Pick<EvaluateAgentOptions, 'protocol' | 'maxEpisodeFrames'> = {},
): ProtocolName | null {
  if (game !== null) return protocol ?? (stickyActionProbability > 0 ? 'machado' : 'nature');
  if (protocol !== undefined) {
    const reason = `is for Atari games, and this run is on ${envId}`;
    throw new SettingError({ key: 'protocol', value: protocol, reason, mend: 'leave it out' });
  }
  if (maxEpisodeFrames !== undefined) {
    const reason = `is for Atari games, and this run is on ${envId}`;
    throw new SettingError({
      key: 'maxEpisodeFrames',
      value: maxEpisodeFrames,
      reason,
      mend: 'give {maxEpisodeSteps}',
    });
  }
  return null;
}

/** Writes a recording under a name that is not taken yet. */
async function writeNew(folder: string, stem: string, recording: EpisodeRecording): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (let copy = 1; ; copy++) {
    const path = join(folder, `${stem}${copy === 1 ? '' : `-${copy}`}${RECORDING_EXTENSION}`);
    if (existsSync(path)) continue;
    await writeRecording(path, recording);
    return path;
  }
}
