import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { EnvSettings, SidecarInfo, VectorEnv } from 'gymnasium-js-bridge';
import { makeVectorEnv } from 'gymnasium-js-bridge';
import { checkResumed } from '../../src/cli/settings.ts';
import { precisionWarning } from '../../src/runtime/tensorflow.ts';
import { DivergedError } from '../../src/training/diverged.ts';
import { MetricsWriter, type ScalarWriter } from '../../src/training/metrics.ts';
import { type Recovery, recoveryOptions } from '../../src/training/recovery.ts';
import { RunFolder } from '../../src/training/run-folder.ts';
import { readTrainerState, type TrainingStatus, type TrainSummary, train } from '../../src/training/trainer.ts';
import type { DqnAgent } from './agent.ts';
import { loadAgent, saveAgent } from './checkpoint.ts';
import { type DqnConfig, settingsOfEarlierRuns } from './config.ts';
import { createDqn, envOptions, replayOptions } from './create.ts';
import { checkMemory, parseConfig } from './resolve.ts';

/** What `config.json` holds. */
export interface RunDescription {
  agent: 'dqn';
  /** Version of this package. */
  version: string;
  config: DqnConfig;
  environment: EnvSettings;
  emulator: Pick<SidecarInfo, 'packages' | 'rom'>;
}

export interface TrainDqnOptions {
  runDir: string;
  version: string;
  signal?: AbortSignal;
  /** Opens TensorBoard's event file in a folder. */
  openScalars?: (folder: string) => ScalarWriter;
  /** Hears what happens, a line each. */
  note?: (line: string) => void;
  /** Called once the environments stand, before the first step. */
  onStart?: (start: { agentSteps: number; steps: number; env: VectorEnv }) => void;
  onStatus?: (status: TrainingStatus) => void;
}

/** A new run in an empty or new folder. */
export async function trainDqn(config: DqnConfig, options: TrainDqnOptions): Promise<TrainSummary> {
  const recovery: Recovery = { restarts: 0 };
  return withEnv(config, recovery, options.note, async (env) => {
    checkMemory(replayOptions(config, env));
    const folder = await RunFolder.create(options.runDir, describeRun(config, env, options.version));
    try {
      options.onStart?.({ agentSteps: 0, steps: config.steps, env });
      const { agent, learner } = await createDqn(config, env, options.note);
      return await runTraining(config, folder, options, { agent, learner, recovery });
    } finally {
      folder.unlock();
    }
  });
}

/** Settings that a resumed run may change: they do not touch what is learned. */
const CHANGEABLE = [
  'steps',
  'replayCompression',
  'checkpointPeriodSteps',
  'keepCheckpoints',
  'logPeriodSteps',
  'envTimeoutSeconds',
];

/**
 * Goes on with the run in a folder from its newest checkpoint, with the numbers that it would have had without the
 * stop.
 */
export async function resumeDqn(given: Partial<DqnConfig>, options: TrainDqnOptions): Promise<TrainSummary> {
  const folder = RunFolder.open(options.runDir);
  const stored = await readRunConfig(folder);
  checkResumed(stored, given, CHANGEABLE);
  const config = parseConfig({ ...stored, ...given }, 'command line');
  const checkpoint = await folder.checkpoint();
  folder.lock();
  try {
    const resumeFrom = await readTrainerState(checkpoint.path);
    const recovery: Recovery = { restarts: resumeFrom.sidecarRestarts ?? 0 };
    return await withEnv(config, recovery, options.note, async (env) => {
      checkMemory(replayOptions(config, env));
      let toldMs = performance.now();
      const { agent, learner } = await loadAgent(checkpoint.path, config, env, (done, total) => {
        if (performance.now() - toldMs < 5000 && done < total) return;
        toldMs = performance.now();
        options.note?.(`playing the logged episodes again to fill the replay: ${done} of ${total} agent steps`);
      });
      options.onStart?.({ agentSteps: agent.agentSteps, steps: config.steps, env });
      return await runTraining(config, folder, options, { agent, learner, recovery, resumeFrom });
    });
  } finally {
    folder.unlock();
  }
}

/** The settings of the run in a folder. */
export async function readRunConfig(folder: RunFolder): Promise<DqnConfig> {
  const description = (await folder.readConfig()) as Partial<RunDescription>;
  const config: unknown = description?.config;
  const isObject = typeof config === 'object' && config !== null;
  return parseConfig(isObject ? { ...settingsOfEarlierRuns, ...config } : config, folder.configPath);
}

type TrainingParts = Awaited<ReturnType<typeof createDqn>> & {
  recovery: Recovery;
  resumeFrom?: Awaited<ReturnType<typeof readTrainerState>>;
};

async function runTraining(
  config: DqnConfig,
  folder: RunFolder,
  { openScalars, note, onStatus, signal }: TrainDqnOptions,
  { agent, learner, recovery, resumeFrom }: TrainingParts,
): Promise<TrainSummary> {
  const { steps, precision, checkpointPeriodSteps, keepCheckpoints, logPeriodSteps } = config;
  const slow = precisionWarning(precision);
  if (slow !== undefined) note?.(slow);
  const metrics = new MetricsWriter(
    folder.metricsPath,
    openScalars?.(join(folder.path, 'tensorboard')),
    resumeFrom?.metricsBytes,
  );
  try {
    return await train(agent, {
      steps,
      checkpointPeriodSteps,
      keepCheckpoints,
      logPeriodSteps,
      folder,
      metrics,
      recovery,
      ...(note !== undefined && { note }),
      saveAgent: (path) => saveAgent(path, agent, learner),
      measure: () => ({
        replaySteps: agent.parts.experience.replay.size,
        rssBytes: process.memoryUsage.rss(),
        numTensors: tf.memory().numTensors,
      }),
      onCheckpoint: (path) => note?.(`checkpoint ${path}`),
      ...(onStatus !== undefined && { onStatus }),
      ...(signal !== undefined && { signal }),
      ...(resumeFrom !== undefined && { resumeFrom }),
    });
  } catch (error) {
    throw error instanceof DivergedError ? await explained(error, { config, folder, agent }) : error;
  } finally {
    metrics.close();
    learner.dispose();
  }
}

/** The divergence with what to do about it, and what is left. */
async function explained(
  { message }: DivergedError,
  { config, folder, agent }: { config: DqnConfig; folder: RunFolder; agent: DqnAgent },
): Promise<DivergedError> {
  const newest = (await folder.checkpoints()).at(-1);
  const kept =
    newest === undefined ? 'there is no checkpoint from before it' : `the newest good checkpoint is ${newest.path}`;
  return new DivergedError(
    `${message} (agent step ${agent.agentSteps}): give a --learning-rate below ${config.learningRate}; ${kept}`,
  );
}

function describeRun(config: DqnConfig, env: VectorEnv, version: string): RunDescription {
  const { packages, rom } = env.info;
  return { agent: 'dqn', version, config, environment: env.settings, emulator: { packages, ...(rom && { rom }) } };
}

/** Environments that are started again when they are lost; what is not finished by then is saved before. */
async function withEnv<T>(
  config: DqnConfig,
  recovery: Recovery,
  note: TrainDqnOptions['note'],
  use: (env: VectorEnv) => Promise<T>,
): Promise<T> {
  const env = await makeVectorEnv({
    ...envOptions(config),
    ...recoveryOptions(note, async () => {
      recovery.restarts += 1;
      // A full disk, say, is no reason to give up what a start may bring back.
      await recovery.beforeRestart?.().catch((error) => note?.(`could not save before that: ${error.message}`));
    }),
  });
  try {
    return await use(env);
  } finally {
    await env.close();
  }
}
