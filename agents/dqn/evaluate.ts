import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type EnvSettings, type FinishedEpisode, makeVectorEnv } from 'gymnasium-js-bridge';
import { UsageError } from '../../src/cli/index.ts';
import {
  humanNormalizedScore,
  playEpisodes,
  type ReturnSummary,
  summarizeReturns,
} from '../../src/evaluation/index.ts';
import { type EpisodeRecording, RECORDING_EXTENSION, writeRecording } from '../../src/recording/episode-file.ts';
import { EpisodeRecorder } from '../../src/recording/recorder.ts';
import { recoveryOptions } from '../../src/training/recovery.ts';
import { RunFolder } from '../../src/training/run-folder.ts';
import { readNetwork } from './checkpoint.ts';
import type { DqnConfig } from './config.ts';
import { createPlayer, envOptions, replayOptions } from './create.ts';
import { readRunConfig } from './train.ts';

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

export type ProtocolName = keyof typeof protocols;

export interface EvaluateOptions {
  runDir: string;
  episodes: number;
  seed: number;
  protocol?: ProtocolName;
  /** In place of the protocol's. */
  epsilon?: number;
  maxEpisodeFrames?: number;
  /** In place of the run's. */
  envTimeoutSeconds?: number;
  /** Agent step of the checkpoint; the newest where not given. */
  checkpoint?: number;
  /** Writes each episode to the run's `recordings` folder. */
  record?: boolean;
  signal?: AbortSignal;
  /** Hears what the user should know, a line each. */
  note?: (line: string) => void;
  onEpisode?: (episode: FinishedEpisode, number: number) => void;
}

export interface Evaluation extends ReturnSummary {
  run: string;
  checkpointAgentSteps: number;
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

/** Plays episodes with the network of a run's checkpoint. The same seed gives the same scores. */
export async function evaluateDqn(options: EvaluateOptions): Promise<Evaluation> {
  const { runDir, episodes, seed } = options;
  const folder = RunFolder.open(runDir);
  const config = await readRunConfig(folder);
  const checkpoint = await folder.checkpoint(options.checkpoint);
  const protocol = protocolOf(config, options);
  const epsilon = options.epsilon ?? (protocol === null ? config.evaluationEpsilon : protocols[protocol].epsilon);
  const evaluated: DqnConfig = {
    ...config,
    ...(protocol !== null && protocols[protocol].settings),
    ...(options.maxEpisodeFrames !== undefined && { maxEpisodeFrames: options.maxEpisodeFrames }),
    ...(options.envTimeoutSeconds !== undefined && { envTimeoutSeconds: options.envTimeoutSeconds }),
    numEnvs: Math.min(episodes, MOST_ENVS),
  };

  const loadNetwork = await readNetwork(checkpoint.path);

  const env = await makeVectorEnv({
    ...envOptions(evaluated),
    seed,
    ...recoveryOptions(options.note),
  });
  let player: ReturnType<typeof createPlayer> | undefined;
  try {
    player = createPlayer(evaluated, env, loadNetwork);
    const recordings = new Map<number, EpisodeRecording>();
    const recorderFor = (number: number) => {
      const recorder = new EpisodeRecorder(env, { run: runDir, checkpointAgentSteps: checkpoint.step, epsilon });
      return {
        start: recorder.start.bind(recorder),
        step: recorder.step.bind(recorder),
        finish: (episode: FinishedEpisode) => recordings.set(number, recorder.finish(episode)),
      };
    };
    const { frameShape } = replayOptions(evaluated, env);
    const played = await playEpisodes({
      env,
      policy: player.act,
      episodes,
      seed,
      epsilon,
      frameStack: evaluated.frameStack,
      frameShape,
      ...(options.record === true && { listen: recorderFor }),
      ...(options.onEpisode && { onEpisode: options.onEpisode }),
      ...(options.signal && { signal: options.signal }),
    });
    if (played.length === 0) throw new UsageError('interrupted before the first episode ended: nothing to report');
    const summary = summarizeReturns(played.map((episode) => episode.return));
    const paths = new Map<number, string>();
    for (const [number, recording] of recordings) {
      const stem = `step${checkpoint.step}-${protocol ?? 'eval'}-seed${seed}-episode${number}`;
      paths.set(number, await writeNew(folder.recordingsPath, stem, recording));
    }
    return {
      run: runDir,
      checkpointAgentSteps: checkpoint.step,
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
    await env.close();
  }
}

function protocolOf(config: DqnConfig, { protocol }: EvaluateOptions): ProtocolName | null {
  if (config.game !== null) return protocol ?? (config.stickyActionProbability > 0 ? 'machado' : 'nature');
  if (protocol !== undefined) {
    throw new UsageError(`--protocol ${protocol} is for Atari games, and this run is on ${config.envId}: leave it out`);
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
